//! `cargo xtask ci`: what a change has to pass.

use crate::error::Result;
use crate::process::{self, cargo};
use crate::{setup, test};

/// Set-up, format, clippy, documentation, tests; the first that fails ends it. Nothing may need
/// another Cargo.lock than the one committed.
pub(crate) fn run() -> Result<()> {
    setup::run()?;
    process::run(&mut cargo(["fmt", "--all", "--check"]))?;
    let clippy = ["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"];
    process::run(&mut cargo(clippy))?;
    let mut docs = cargo(["doc", "--locked", "--workspace", "--no-deps"]);
    process::run(docs.env("RUSTDOCFLAGS", "-D warnings"))?;
    test::run(&[])
}
