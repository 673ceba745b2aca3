//! `cargo xtask browser`: opens the pages of a small comparison in Chromium, as wide as a desk and as
//! narrow as a phone, in light and in dark, looks for what a reader would stumble over, and leaves
//! pictures.
//!
//! What it looks for is in `checks`; how it speaks to Chromium in `chromium`.

mod chromium;

mod checks;

use crate::error::{Error, Result};
use crate::{artifacts, process, setup, workspace};
use chromium::Chromium;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Opens `pages`, or those of a small comparison made for it; the folder of the pictures.
pub(crate) fn run(pages: &[PathBuf]) -> Result<PathBuf> {
    let program = program()?;
    let pictures = workspace::root().join("target/browser");
    let home = tempfile::tempdir().map_err(Error::io("create", std::env::temp_dir()))?;
    let pages = match pages {
        [] => comparison(home.path())?,
        pages => pages.to_vec(),
    };
    let mut faults = Vec::new();
    for (number, page) in pages.iter().enumerate() {
        let page = page.canonicalize().map_err(Error::io("open", page))?;
        // A browser each, so that no page profits from what an earlier one left.
        let mut browser = Chromium::start(&program)?;
        let folder = pictures.join((number + 1).to_string());
        let found = checks::page(&mut browser, &page, &folder)?;
        eprintln!("{}: {} faults", page.display(), found.len());
        faults.extend(found.into_iter().map(|fault| format!("{}: {fault}", page.display())));
    }
    match faults.is_empty() {
        true => Ok(pictures),
        false => Err(Error::Told(faults.join("\n"))),
    }
}

/// A comparison on the demo's model and data, and a page of one of its runs.
fn comparison(home: &Path) -> Result<Vec<PathBuf>> {
    setup::run()?;
    let host = artifacts::build("dev")?.host;
    let (demo, out) = (workspace::root().join("tests/data/demo"), home.join("out"));
    let mut compare = Command::new(host);
    compare
        .args(["compare", "--arm", "ifd,diversity", "--arm", "ifd,static", "--seeds", "1,2"])
        .args(["--ratio", "40", "--device", "cpu", "--set", "data.eval_fraction=0.1"])
        .args(["--set", "train.learning_rate=1e-3", "--set", "train.batch=8"])
        .args(["--set", "compare.refuse=[\"full\"]"])
        .args(["--model".as_ref(), demo.join("model").as_os_str()])
        .args(["--data".as_ref(), demo.join("instructions.json").as_os_str()])
        .args(["--out".as_ref(), out.as_os_str()])
        .stdout(Stdio::from(std::io::stderr()));
    process::run(&mut compare)?;
    Ok(vec![out.join("report.html"), out.join("runs/ifd,diversity/seed-1/report.html")])
}

/// Chromium: the one named by `ITERIT_BROWSER`, else one in the path, else Debian's, installed now.
fn program() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("ITERIT_BROWSER") {
        return Ok(named.into());
    }
    if let Some(found) = in_path() {
        return Ok(found);
    }
    eprintln!("$ apt-get install --yes chromium");
    process::run(Command::new("apt-get").args(["install", "--yes", "chromium"])).map_err(
        |error| {
            Error::Told(format!(
                "there is no Chromium, and it cannot be installed: {error}\nhint: install Debian's \
             package `chromium`, or name a browser with ITERIT_BROWSER=FILE"
            ))
        },
    )?;
    in_path().ok_or_else(|| Error::Told("Chromium was installed and is not in the path".into()))
}

fn in_path() -> Option<PathBuf> {
    let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
    ["chromium", "google-chrome", "chromium-browser"]
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|program| program.is_file())
}
