//! Small comparisons on the demo's model and data, one for each way that a page can turn out: what a reader
//! stumbles over is on the page that nobody made.

use crate::artifacts;
use crate::error::{Error, Result};
use crate::{process, setup, workspace};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What every one of them shares; the full data are enough to see arms that differ.
const SHARED: &str = r#"
[data]
eval_fraction = 0.1
[selection]
ratio = 40
[train]
epochs = 2
batch = 8
learning_rate = 1e-3
"#;

/// How a page turns out, and the `[compare]` section that makes it so.
struct Situation {
    name: &'static str,
    compare: String,
    /// Runs whose results are lost, so that the page tells of a comparison that was not finished.
    lost: &'static [&'static str],
}

fn situations() -> Vec<Situation> {
    let of = |name, compare: &str| Situation { name, compare: compare.to_owned(), lost: &[] };
    let dozen: Vec<String> = (1..=10)
        .map(|k| {
            format!(
                "{{ name = \"arm number {k} with a long name\", plugins = \"random\", \
                 set = [\"train.learning_rate={k}e-4\"] }}"
            )
        })
        .collect();
    let better = "arms = [\"full\", \"ifd,diversity\", \"ifd,static\"]\nseeds = [1, 2, 3]";
    vec![
        of("nothing found", "arms = [\"static-random\"]\nseeds = [1, 2, 3]\nrefuse = [\"full\"]"),
        of("one arm better", better),
        of("one seed", "arms = [\"ifd,static\"]\nseeds = [1]\nrefuse = [\"full\"]"),
        of(
            "unequal seeds",
            "arms = [{ name = \"once\", plugins = [\"ifd\", \"static\"], seeds = [1, 2] }, \"length,static\"]\n\
             seeds = [1, 2, 3, 4]\nrefuse = [\"full\"]",
        ),
        Situation { lost: &["ifd,static/seed-3", "random/seed-2"], ..of("unfinished", better) },
        of("twelve arms", &format!("arms = [{}]\nseeds = [1, 2]", dozen.join(", "))),
    ]
}

/// Makes them below `home`; the page of each, and that of a run.
pub(super) fn make(home: &Path) -> Result<Vec<PathBuf>> {
    setup::run()?;
    let host = artifacts::build("dev")?.host;
    let mut pages = Vec::new();
    for situation in situations() {
        let folder = home.join(situation.name.replace(' ', "-"));
        eprintln!("making a comparison: {}", situation.name);
        situation.make(&host, &folder)?;
        pages.push(folder.join("report.html"));
    }
    pages.push(home.join("one-arm-better/runs/ifd,diversity/seed-1/report.html"));
    Ok(pages)
}

impl Situation {
    fn make(&self, host: &Path, folder: &Path) -> Result<()> {
        let file = folder.with_extension("toml");
        let text = format!("[compare]\n{}\n{SHARED}", self.compare);
        fs::write(&file, text).map_err(Error::io("write", &file))?;
        let demo = workspace::root().join("tests/data/demo");
        let mut compare = Command::new(host);
        compare.args(["compare".as_ref(), file.as_os_str()]);
        compare
            .args(["--device", "cpu", "--model"])
            .arg(demo.join("model"))
            .arg("--data")
            .arg(demo.join("instructions.json"))
            .arg("--out")
            .arg(folder)
            .stdout(Stdio::from(std::io::stderr()));
        process::run(&mut compare)?;
        for run in self.lost {
            let result = folder.join("runs").join(run).join("result.json");
            fs::remove_file(&result).map_err(Error::io("remove", &result))?;
        }
        if !self.lost.is_empty() {
            let mut report = Command::new(host);
            report.arg("report").arg(folder).stdout(Stdio::from(std::io::stderr()));
            process::run(&mut report)?;
        }
        Ok(())
    }
}
