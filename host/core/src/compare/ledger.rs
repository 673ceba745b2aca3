//! The folder of a comparison: what it was begun with, and which runs are finished. A run is
//! finished when its result is there, which is one file that appears whole; so a comparison that
//! was killed goes on with the runs it was in.
//!
//! ```text
//! plan.json                 what it was begun with, and what was seen of it so far
//! before.json               what the held-out samples say of the untrained model
//! scores/                   scores that arms share
//! runs/ARM/seed-S/          a run's own folder, and result.json once it is finished
//! comparison.json  comparison.md  report.html
//! ```

use super::arm::Run;
use super::begun::Begun;
use super::cache::Scoring;
use super::comparison::Comparison;
use super::look::Look;
use super::plan::Plan;
use super::result::{ArmResult, Judged};
use crate::dataset::Drawn;
use crate::json_file::read_json;
use crate::record::RunRecord;
use crate::run_directory::RunDirectory;
use crate::statistics::summary::mean;
use crate::{Error, Result, whole_file};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

const PLAN: &str = "plan.json";

/// The folder of a comparison.
#[derive(Debug, Clone)]
pub struct Ledger {
    root: PathBuf,
}

impl Ledger {
    /// Whether a folder holds a comparison.
    pub fn is_there(root: &Path) -> bool {
        root.join(PLAN).is_file()
    }

    /// Whether a new comparison may fill this folder.
    ///
    /// # Errors
    /// A folder that holds anything.
    pub fn check_new(root: &Path) -> Result<()> {
        let refuse = |what: &str| Err(Error::Run(format!("`{}` {what}", root.display())));
        if Self::is_there(root) {
            return refuse(
                "holds a comparison already\nhint: go on with it with --resume, or choose another \
                 --out",
            );
        }
        if root.is_file() || root.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
            return refuse(
                "is not empty, expected a new or an empty folder for the comparison\n\
                 hint: choose another --out",
            );
        }
        Ok(())
    }

    /// The folder of a new comparison; `begun` is written into it.
    ///
    /// # Errors
    /// See [`check_new`](Self::check_new).
    pub fn begin(root: &Path, begun: &Begun) -> Result<Self> {
        Self::check_new(root)?;
        Self { root: root.to_owned() }.write(begun)
    }

    /// The folder of a comparison that was begun, to go on with it.
    ///
    /// # Errors
    /// A folder without a comparison, or [`Error::Config`] with all that differs from what it was
    /// begun with.
    pub fn resume(root: &Path, now: &Begun) -> Result<Self> {
        let ledger = Self::open(root)?;
        let begun = ledger.begun()?;
        let differences = begun.differences(now);
        if !differences.is_empty() {
            return Err(Error::Config(differences));
        }
        // Only arms and seeds can have been added; what was seen before stays.
        ledger.write(&Begun { looks: begun.looks, ..now.clone() })
    }

    /// The folder of a comparison, to look into it.
    ///
    /// # Errors
    /// A folder without one.
    pub fn open(root: &Path) -> Result<Self> {
        let ledger = Self { root: root.to_owned() };
        if !Self::is_there(root) {
            return Err(Error::Run(format!(
                "`{}` holds no comparison: it has no plan.json\n\
                 hint: name the folder that one had as --out, or begin one there without --resume",
                root.display()
            )));
        }
        Ok(ledger)
    }

    fn write(self, begun: &Begun) -> Result<Self> {
        whole_file::write_json(&self.plan_path(), begun)?;
        Ok(self)
    }

    /// Writes down that it was looked at.
    ///
    /// # Errors
    /// A file that cannot be read or written.
    pub fn look(&self, comparison: &Comparison) -> Result<()> {
        let mut begun = self.begun()?;
        Look::at(comparison).add_to(&mut begun.looks);
        whole_file::write_json(&self.plan_path(), &begun)
    }

    /// Keeps what the held-out samples say of the model that every run begins with.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn store_before(&self, judged: &Judged) -> Result<()> {
        whole_file::write_json(&self.before_path(), judged)
    }

    /// What they say of it, once somebody asked.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn before(&self) -> Result<Option<Judged>> {
        let path = self.before_path();
        if path.exists() { read_json(&path).map(Some) } else { Ok(None) }
    }

    /// What it was begun with.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn begun(&self) -> Result<Begun> {
        read_json(&self.plan_path())
    }

    /// The results that are there, in the order of `runs`.
    ///
    /// # Errors
    /// Files that cannot be read.
    pub fn results(&self, runs: &[Run<'_>]) -> Result<Vec<ArmResult>> {
        let finished = runs.iter().filter(|&&run| self.is_finished(run));
        finished.map(|&run| self.result(run)).collect()
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn before_path(&self) -> PathBuf {
        self.root.join("before.json")
    }

    fn plan_path(&self) -> PathBuf {
        self.root.join(PLAN)
    }

    /// Where scores are that arms share.
    pub fn scores_folder(&self) -> PathBuf {
        self.root.join("scores")
    }

    /// The folder a run may fill.
    pub fn run_folder(&self, run: Run<'_>) -> PathBuf {
        self.root.join("runs").join(folder_name(&run.arm.name)).join(format!("seed-{}", run.seed))
    }

    fn result_path(&self, run: Run<'_>) -> PathBuf {
        self.run_folder(run).join("result.json")
    }

    /// Whether a run has its result.
    pub fn is_finished(&self, run: Run<'_>) -> bool {
        self.result_path(run).is_file()
    }

    /// Keeps a finished run's result; its checkpoints are needed no more.
    pub fn store(&self, run: Run<'_>, judged: &Judged) -> Result<()> {
        whole_file::write_json(&self.result_path(run), judged)?;
        RunDirectory::open(&self.run_folder(run))?.remove_checkpoints()
    }

    /// A finished run's result and record. Scores are read for an arm's first seed only: that one
    /// is shown, and those of all would not fit into memory.
    ///
    /// # Errors
    /// Files that cannot be read.
    pub fn result(&self, run: Run<'_>) -> Result<ArmResult> {
        let judged: Judged = read_json(&self.result_path(run))?;
        let directory = RunDirectory::open(&self.run_folder(run))?;
        let mut record = directory.read()?;
        let pool = record.manifest.num_samples;
        if let Some(drawn) = directory.read_drawn()? {
            among_all(&mut record, &drawn);
        }
        let mut held_out_by_epoch = Vec::new();
        for epoch in &record.epochs {
            let lines = directory.read_held_out(epoch.epoch)?;
            held_out_by_epoch.push(mean(&Judged::new(&lines, Scoring::default()).held_out));
        }
        if run.arm.seeds.first() != Some(&run.seed) {
            record.scores.iter_mut().for_each(|scores| *scores = Vec::new());
        }
        Ok(ArmResult {
            arm: run.arm.name.clone(),
            seed: run.seed,
            costs_as: run.arm.costs_as.clone(),
            judged,
            held_out_by_epoch,
            pool,
            record,
        })
    }

    /// Runs of the plan without a result, in the plan's order.
    pub fn pending<'a>(&self, plan: &'a Plan) -> Vec<Run<'a>> {
        plan.runs().into_iter().filter(|&run| !self.is_finished(run)).collect()
    }
}

/// Turns a run's own ids into positions among all samples, so that runs with other pools can be held
/// beside each other.
fn among_all(record: &mut RunRecord, drawn: &Drawn) {
    record.manifest.num_samples = drawn.of;
    for selection in &mut record.selections {
        selection.selected.iter_mut().for_each(|id| *id = drawn.position(*id));
    }
    for line in record.scores.iter_mut().flatten() {
        line.id = drawn.position(line.id);
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
    use std::collections::BTreeMap;

    #[test]
    fn names_become_folders_without_colliding() {
        assert_eq!(folder_name("ifd,diversity"), "ifd,diversity");
        let (a, b) = (folder_name("../x"), folder_name("__/x"));
        assert!(a != b && !a.contains('/') && !a.contains('.'), "{a} {b}");
    }

    #[test]
    fn a_folder_is_begun_once_and_gone_on_with() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("out");
        let plan = Plan::parse("[compare]\narms = ['ifd']", "exp.toml", &[]).unwrap();
        let begun = Begun::new(&plan, BTreeMap::new()).unwrap();
        let said = |result: Result<Ledger>| result.unwrap_err().to_string();
        assert!(said(Ledger::resume(&root, &begun)).contains("holds no comparison"));
        Ledger::begin(&root, &begun).unwrap();
        assert!(said(Ledger::begin(&root, &begun)).contains("with --resume"));
        Ledger::resume(&root, &begun).unwrap();
        let changed = Begun { iterit: "0.0.0".into(), ..begun.clone() };
        assert!(said(Ledger::resume(&root, &changed)).contains("now it is 0.0.0"));
        std::fs::write(home.path().join("thesis.tex"), "precious").unwrap();
        assert!(said(Ledger::begin(home.path(), &begun)).contains("is not empty"));
    }
}
