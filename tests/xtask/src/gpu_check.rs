//! `cargo xtask gpu-check`: one archive that tries iterit on a machine with a GPU and torch 2.11.
//!
//! It holds the program, its plugins, the demo's model and data, and the scripts of `tests/gpu-check`; models that
//! are large are made over there.

use crate::artifacts::{self, Artifacts};
use crate::error::{Error, Result};
use crate::{process, setup, workspace};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const NAME: &str = "iterit-gpu-check";

/// Builds in `profile` and returns the archive, `target/gpu-check/iterit-gpu-check.tar.gz`.
pub(crate) fn run(profile: &str) -> Result<PathBuf> {
    setup::run()?;
    let artifacts = artifacts::build(profile)?;
    let home = workspace::root().join("target/gpu-check");
    let folder = home.join(NAME);
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(Error::io("remove", &folder))?;
    }
    gather(&artifacts, &folder)?;
    let archive = home.join(format!("{NAME}.tar.gz"));
    let mut tar = Command::new("tar");
    process::run(tar.arg("-czf").arg(&archive).arg("-C").arg(&home).arg(NAME))?;
    eprintln!("over there: tar -xzf {NAME}.tar.gz && python {NAME}/gpu_check.py");
    Ok(archive)
}

fn gather(artifacts: &Artifacts, folder: &Path) -> Result<()> {
    let tests = workspace::root().join("tests");
    copy(&artifacts.host, &folder.join("bin"))?;
    for plugin in &artifacts.plugins {
        copy(plugin, &folder.join("plugins"))?;
    }
    copy_all(&tests.join("gpu-check"), folder)?;
    copy_all(&tests.join("data/demo"), &folder.join("demo"))?;
    copy_all(&tests.join("data/demo/model"), &folder.join("demo/model"))?;
    copy(&tests.join("golden/loop.json"), folder)
}

/// The files of a folder, without the folders in it.
fn copy_all(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from).map_err(Error::io("read", from))? {
        let path = entry.map_err(Error::io("read", from))?.path();
        if path.is_file() {
            copy(&path, to)?;
        }
    }
    Ok(())
}

fn copy(file: &Path, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let place = folder.join(file.file_name().unwrap_or_default());
    fs::copy(file, &place).map_err(Error::io("copy", file))?;
    Ok(())
}
