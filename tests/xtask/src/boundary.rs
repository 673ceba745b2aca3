//! `cargo xtask boundary`: what a call over the ABI costs, against the same code linked in.

use crate::error::{Error, Result};
use crate::{artifacts, process, setup};
use std::path::Path;

/// Builds the host's plugins and `host/benches/boundary` in one profile, and times both.
pub(crate) fn run(profile: &str) -> Result<()> {
    setup::run()?;
    let plugins = artifacts::build(profile)?.plugins;
    let folder = plugins.first().and_then(|library| library.parent());
    let folder = folder.map(Path::to_owned).ok_or_else(|| Error::from("no plugin".to_owned()))?;
    eprintln!("{:<44}{:>14}{:>14}{:>9}", profile, "linked in", "over the ABI", "ratio");
    let bench = ["bench", "--bench", "boundary", "--profile", profile];
    process::run(process::cargo(bench).env("ITERIT_PLUGIN_PATH", folder))
}
