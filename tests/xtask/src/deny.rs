//! `cargo xtask deny`: licences, advisories and origins of what we did not write.
//!
//! What may come along, and why, stands in `.cargo/deny.toml`.

use crate::error::{Error, Result};
use crate::process::{self, cargo};

/// Runs cargo-deny, which is not built along: it has more dependencies than we have.
pub(crate) fn run() -> Result<()> {
    process::output(&mut cargo(["deny", "--version"])).map_err(|_| {
        Error::Told(
            "cargo-deny is not there\nhint: cargo install --locked cargo-deny; it fetches the \
             database of advisories from GitHub"
                .into(),
        )
    })?;
    process::run(&mut cargo(["deny", "--locked", "--workspace", "check"]))
}
