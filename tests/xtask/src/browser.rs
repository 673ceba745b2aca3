//! `cargo xtask browser`: opens the pages of small comparisons in Chromium, as wide as a desk and as
//! narrow as a phone, in light and in dark, looks for what a reader would stumble over, and leaves
//! pictures.
//!
//! Which comparisons is in `pages`, what it looks for in `checks`, how it speaks to Chromium in `chromium`.

mod chromium;
mod pages;

mod checks;

use crate::error::{Error, Result};
use crate::{process, workspace};
use chromium::Chromium;
use std::path::PathBuf;
use std::process::Command;

/// Opens `pages`, or those of small comparisons made for it; the folder of the pictures.
pub(crate) fn run(pages: &[PathBuf]) -> Result<PathBuf> {
    let program = program()?;
    let pictures = workspace::root().join("target/browser");
    let home = tempfile::tempdir().map_err(Error::io("create", std::env::temp_dir()))?;
    let pages = match pages {
        [] => pages::make(home.path())?,
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
