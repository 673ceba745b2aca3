//! `cargo xtask python`: the tests of the Python package, those with pandas, the dashboards and the program
//! among them. The ordinary tests run those that need nothing but Python.

use crate::error::Result;
use crate::{artifacts, process, setup, venv, workspace};
use std::process::Command;

/// Builds the program, installs what `host/python/requirements.txt` pins, and runs all tests.
pub(crate) fn run() -> Result<()> {
    setup::run()?;
    let artifacts = artifacts::build("dev")?;
    let pins = "host/python/requirements.txt";
    let python = venv::interpreter(".venv-python", pins, "1 GB")?;
    for folder in ["tests", "tests/program"] {
        let mut tests = Command::new(&python);
        tests
            .args(["-m", "unittest", "discover", "--start-directory", folder])
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("ITERIT_HOST", &artifacts.host)
            .env("ITERIT_DEMO", workspace::root().join("tests/data/demo"))
            .current_dir(workspace::root().join("host/python"));
        process::run(&mut tests)?;
    }
    Ok(())
}
