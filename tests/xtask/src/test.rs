//! `cargo xtask test`: from a fresh clone to the last test.

use crate::error::Result;
use crate::{process, setup};
use std::process::Command;

/// Sets up, and runs `cargo test --locked --workspace` with `arguments`.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    setup::run()?;
    let mut tests = process::cargo(["test", "--locked", "--workspace"]);
    process::run(on_one_thread_each(tests.args(arguments)))
}

/// Tests run beside each other, and libtorch's threads spin while they wait: with more threads
/// than cores everything takes eight times as long.
fn on_one_thread_each(command: &mut Command) -> &mut Command {
    if std::env::var_os("OMP_NUM_THREADS").is_none() {
        command.env("OMP_NUM_THREADS", "1");
    }
    command
}
