//! `cargo xtask demo`: the main job on a small model and data set that we made ourselves.
//!
//! The data say of each sample what it was planted as, so the table at the end shows what the
//! selection did with duplicates, noise and trifles.

use crate::error::Result;
use crate::{artifacts, picks, process, setup, workspace};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Sets up, builds, trains for three epochs and returns the page that shows the run.
pub(crate) fn run() -> Result<PathBuf> {
    setup::run()?;
    let artifacts = artifacts::build("dev")?;
    let demo = workspace::root().join("tests/data/demo");
    let data = demo.join("instructions.json");
    let out = unused_folder(&workspace::root().join("runs"));

    let started = Instant::now();
    let mut host = Command::new(&artifacts.host);
    host.args(["--plugins", "ifd,diversity"])
        .arg("--model")
        .arg(demo.join("model"))
        .arg("--data")
        .arg(&data)
        .arg("--out")
        .arg(&out)
        // The published rate suits models ten thousand times as large.
        .args(["--set", "train.learning_rate=1e-3", "--set", "train.batch=8"])
        .stdout(Stdio::from(std::io::stderr()));
    eprintln!("\n$ {}", in_words(&host));
    process::run(&mut host)?;

    eprintln!("\n{}", picks::table(&data, &out)?);
    eprintln!("\nin {:.0} s; all there is to see on one page:", started.elapsed().as_secs_f64());
    Ok(out.join("report.html"))
}

/// The first of `demo`, `demo-2`, `demo-3` … that is not there: a run is never overwritten.
fn unused_folder(runs: &Path) -> PathBuf {
    let numbered = (2..).map(|number| format!("demo-{number}"));
    std::iter::once("demo".to_owned())
        .chain(numbered)
        .map(|name| runs.join(name))
        .find(|it| !it.exists())
        .expect("there are more numbers than folders")
}

/// The command as a person would type it in the workspace.
fn in_words(command: &Command) -> String {
    let root = workspace::root();
    let words = std::iter::once(command.get_program()).chain(command.get_args()).map(|word| {
        let short = Path::new(word).strip_prefix(&root).map_or(word, |it| it.as_os_str());
        short.to_string_lossy()
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_demo_is_kept() {
        let home = tempfile::tempdir().unwrap();
        for expected in ["demo", "demo-2", "demo-3"] {
            let folder = unused_folder(home.path());
            assert_eq!(folder, home.path().join(expected));
            std::fs::create_dir(folder).unwrap();
        }
    }
}
