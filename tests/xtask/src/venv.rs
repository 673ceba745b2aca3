//! The Pythons that scripts run in: venvs of the repository's own, with pinned packages.

use crate::error::{Error, Result};
use crate::{process, workspace};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The one version the committed goldens come from: its Unicode tables are part of them.
const PYTHON: &str = "3.11";

/// The interpreter of the oracles, after installing what `tests/golden/requirements.txt` pins.
pub(crate) fn python() -> Result<PathBuf> {
    interpreter(".venv", "tests/golden/requirements.txt", "3 GB, most of it CUDA")
}

/// The interpreter of the venv `folder`, after installing what a file of the repository pins.
pub(crate) fn interpreter(folder: &str, pins: &str, size: &str) -> Result<PathBuf> {
    let folder = workspace::root().join(folder);
    let interpreter = folder.join("bin/python");
    let wanted_file = workspace::root().join(pins);
    let wanted = fs::read_to_string(&wanted_file).map_err(Error::io("read", &wanted_file))?;
    // Written last, so that an interrupted installation goes on the next time.
    let installed_file = folder.join("installed.txt");
    if fs::read_to_string(&installed_file).is_ok_and(|installed| installed == wanted) {
        return Ok(interpreter);
    }
    if !interpreter.exists() {
        let base = base_python()?;
        eprintln!("making a venv in `{}`", folder.display());
        process::run(Command::new(base).args(["-m", "venv"]).arg(&folder))?;
    }
    eprintln!("installing what `{pins}` pins: {size}");
    let mut pip = Command::new(&interpreter);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .args(["--no-cache-dir", "--requirement"])
        .arg(&wanted_file)
        .stdout(Stdio::from(std::io::stderr()));
    process::run(&mut pip)?;
    fs::write(&installed_file, wanted).map_err(Error::io("write", &installed_file))?;
    Ok(interpreter)
}

/// Runs a script, with what it prints on stderr.
pub(crate) fn run(python: &Path, script: &Path, arguments: &[&Path]) -> Result<()> {
    process::run(script_command(python, script).args(arguments).stdout(std::io::stderr()))
}

/// A script, about to run quietly and without leaving compiled files behind.
pub(crate) fn script_command(python: &Path, script: &Path) -> Command {
    let mut command = Command::new(python);
    command
        .arg(script)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("HF_HUB_OFFLINE", "1")
        .env("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        .env("TRANSFORMERS_VERBOSITY", "error");
    command
}

fn base_python() -> Result<&'static str> {
    let is_wanted = |program: &&str| {
        let asked = ["-c", "import sys; print('%d.%d' % sys.version_info[:2])"];
        let answer = Command::new(program).args(asked).stderr(Stdio::null()).output();
        answer.is_ok_and(|it| String::from_utf8_lossy(&it.stdout).trim() == PYTHON)
    };
    ["python3.11", "python3"].into_iter().find(is_wanted).ok_or_else(|| {
        Error::Told(format!(
            "no Python {PYTHON} was found, which the goldens come from\nhint: install it as \
             `python{PYTHON}`; the ordinary tests need no Python"
        ))
    })
}
