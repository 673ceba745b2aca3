//! `cargo xtask bench`: scoring, training and picking, side by side with the Python that one writes first and the best
//! that one writes by hand.

use crate::error::Result;
use crate::{artifacts, process, setup, venv, workspace};
use std::num::NonZeroUsize;

/// Builds in release and times both; `arguments` go to `tests/golden/bench`.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    setup::run()?;
    let python = venv::python()?;
    let host = artifacts::build("release")?.host;
    let script = workspace::root().join("tests/golden/bench");
    let mut bench = venv::script_command(&python, &script);
    bench.arg(host).args(arguments);
    // Both sides get the same number, and neither is left to guess.
    if std::env::var_os("OMP_NUM_THREADS").is_none() {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        bench.env("OMP_NUM_THREADS", cores.to_string());
    }
    process::run(&mut bench)
}
