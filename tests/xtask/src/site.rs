//! `cargo xtask site`: the pages below `.github/site` as a site, in `target/site`.
//!
//! What their commands do is tried by the ordinary tests.

use crate::error::Result;
use crate::{process, venv, workspace};
use std::process::Command;

/// Builds it with what `.github/site/requirements.txt` pins; a link or an anchor that leads nowhere is an error.
pub(crate) fn run() -> Result<()> {
    let python = venv::interpreter(".venv-site", ".github/site/requirements.txt", "20 MB")?;
    // Not `--quiet`, which keeps from `--strict` the very warnings that it counts.
    let mut build = Command::new(python);
    build
        .args(["-m", "mkdocs", "build", "--strict", "--config-file"])
        .arg(workspace::root().join(".github/site/mkdocs.yml"));
    process::run(&mut build)?;
    eprintln!("the site is in `target/site`");
    Ok(())
}
