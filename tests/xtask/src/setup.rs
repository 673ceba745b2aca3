//! `cargo xtask setup`: after it, plain cargo builds and tests.

use crate::error::{Error, Result};
use crate::{libtorch, workspace};

/// Makes sure that a libtorch is there which the build can use.
pub(crate) fn run() -> Result<()> {
    if let Some(folder) = workspace::own_libtorch() {
        return libtorch::check_own(&folder);
    }
    check_platform(std::env::consts::OS, std::env::consts::ARCH)?;
    libtorch::provision(&workspace::libtorch())
}

fn check_platform(os: &str, arch: &str) -> Result<()> {
    let has_wheels = (os, arch) == ("linux", "x86_64") && cfg!(target_env = "gnu");
    if has_wheels {
        return Ok(());
    }
    Err(Error::Told(format!(
        "this is {os} on {arch}; iterit is built and tested on Linux x86_64 with glibc only\nhint: \
         use such a machine or a container; a libtorch 2.11 of your own (LIBTORCH=FOLDER) is taken \
         untested"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_platforms_are_refused_by_name() {
        check_platform("linux", "x86_64").unwrap();
        for (os, arch) in [("macos", "aarch64"), ("windows", "x86_64"), ("linux", "aarch64")] {
            let message = check_platform(os, arch).unwrap_err().to_string();
            assert!(message.contains(&format!("{os} on {arch}")), "{message}");
        }
    }
}
