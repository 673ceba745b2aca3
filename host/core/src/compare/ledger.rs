//! Which runs of a plan are finished. A result is one file that appears whole, so a comparison that
//! was killed goes on with the run it was in.
//!
//! ```text
//! runs/ARM/seed-S/      the run's own folder
//! results/ARM/seed-S.json
//! ```

use super::arm::Run;
use super::plan::Plan;
use super::result::ArmResult;
use crate::{Error, Result, whole_file};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The folder of a comparison.
#[derive(Debug, Clone)]
pub struct Ledger {
    root: PathBuf,
    /// What all runs share and the plan does not say: sha256 of model, data and plugins by path.
    inputs: BTreeMap<String, String>,
}

/// A result on disk, with what it was made from.
#[derive(Debug, Serialize, Deserialize)]
struct Entry<R> {
    key: String,
    result: R,
}

impl Ledger {
    /// The ledger of a comparison; `inputs` are the hashes of everything the runs read.
    pub fn new(root: &Path, inputs: BTreeMap<String, String>) -> Self {
        Self { root: root.to_owned(), inputs }
    }

    /// The folder a run may fill.
    pub fn run_folder(&self, run: Run<'_>) -> PathBuf {
        self.root.join("runs").join(folder_name(&run.arm.name)).join(format!("seed-{}", run.seed))
    }

    /// The file of a finished run.
    pub fn result_path(&self, run: Run<'_>) -> PathBuf {
        let file = format!("seed-{}.json", run.seed);
        self.root.join("results").join(folder_name(&run.arm.name)).join(file)
    }

    /// A finished run's result; none where it has not finished.
    ///
    /// # Errors
    /// A file that cannot be read, or one that was made from something else than this plan: it is
    /// never taken for this plan's, and never overwritten.
    pub fn finished(&self, plan: &Plan, run: Run<'_>) -> Result<Option<ArmResult>> {
        let path = self.result_path(run);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("read", &path)(error)),
        };
        let entry: Entry<ArmResult> = serde_json::from_slice(&text).map_err(|error| {
            Error::file(&path, format!("{error}\nhint: remove the file to run this seed again"))
        })?;
        if entry.key != self.key(plan, run) {
            return Err(Error::file(
                &path,
                "this result was made from another model, data, configuration or plugin\n\
                 hint: give the comparison a new --out, or remove the file to run this seed again",
            ));
        }
        Ok(Some(entry.result))
    }

    /// Keeps a finished run's result.
    pub fn store(&self, plan: &Plan, run: Run<'_>, result: &ArmResult) -> Result<()> {
        let entry = Entry { key: self.key(plan, run), result };
        let mut json = serde_json::to_vec(&entry).expect("results serialize to JSON");
        json.push(b'\n');
        whole_file::write(&self.result_path(run), &json)
    }

    /// Runs of the plan without a result, in the plan's order.
    ///
    /// # Errors
    /// See [`finished`](Self::finished).
    pub fn pending<'a>(&self, plan: &'a Plan) -> Result<Vec<Run<'a>>> {
        let mut pending = Vec::new();
        for run in plan.runs() {
            if self.finished(plan, run)?.is_none() {
                pending.push(run);
            }
        }
        Ok(pending)
    }

    /// sha256 of everything that makes a run what it is; not of the arm's name, nor of the other
    /// arms, so an arm may be added to a finished comparison.
    fn key(&self, plan: &Plan, run: Run<'_>) -> String {
        let base: toml::Table = plan.base.parse().expect("a plan's base was parsed before");
        let made_from = (&self.inputs, base, plan.budget, &run.arm.plugins, &run.arm.set, run.seed);
        let json = serde_json::to_vec(&made_from).expect("a plan serializes to JSON");
        hexadecimal(&Sha256::digest(json))
    }
}

/// The name where it may be a folder's, else what is left of it and a part of its hash.
fn folder_name(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ',') { c } else { '_' })
        .take(48)
        .collect();
    if plain == name {
        return plain;
    }
    format!("{plain}-{}", &hexadecimal(&Sha256::digest(name))[..8])
}

/// Bytes as two digits each.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_folders_without_colliding() {
        assert_eq!(folder_name("ifd,diversity"), "ifd,diversity");
        let (a, b) = (folder_name("../x"), folder_name("__/x"));
        assert!(a != b && !a.contains('/') && !a.contains('.'), "{a} {b}");
    }
}
