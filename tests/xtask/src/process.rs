//! Starting other programs: cargo, Python, and what we built.

use crate::error::{Error, Result};
use crate::workspace;
use std::ffi::OsStr;
use std::process::{Command, ExitStatus, Stdio};

/// A cargo command in the workspace.
pub(crate) fn cargo<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(workspace::root());
    command
}

/// Runs a command to its end. It says itself what goes wrong; its exit status is checked.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().map_err(could_not_start(command))?;
    check(command, status)
}

/// Runs a command to its end and returns what it wrote to stdout.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::inherit()).output().map_err(could_not_start(command))?;
    check(command, output.status)?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// For `map_err`: names the program that could not be started.
pub(crate) fn could_not_start(command: &Command) -> impl FnOnce(std::io::Error) -> Error + use<> {
    let program = command.get_program().to_string_lossy().into_owned();
    |source| Error::Start { program, source }
}

fn check(command: &Command, status: ExitStatus) -> Result<()> {
    if status.success() {
        return Ok(());
    }
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let command = words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ");
    Err(Error::Failed { command, status })
}
