//! `cargo xtask setup`: after it, plain cargo builds and tests.

use crate::error::{Error, Result};
use crate::libtorch::{self, CUDA_HALF, LIBTORCH};
use crate::workspace;

/// Makes sure that a libtorch is there which the build can use.
pub(crate) fn run() -> Result<()> {
    if let Some(folder) = workspace::own_libtorch() {
        return libtorch::check_own(&folder);
    }
    check_platform(std::env::consts::OS, std::env::consts::ARCH)?;
    LIBTORCH.provision(&workspace::libtorch())
}

/// Makes sure that its CUDA half is there too, beside it, where the program finds it.
pub(crate) fn run_with_cuda() -> Result<()> {
    run()?;
    if let Some(folder) = workspace::own_libtorch() {
        return Err(Error::Told(format!(
            "LIBTORCH is `{}`, so its CUDA half has to be yours too\nhint: unset LIBTORCH, or set \
             ITERIT_LIBTORCH_CUDA to the `torch/lib` folder of an installed PyTorch 2.11",
            folder.display()
        )));
    }
    CUDA_HALF.provision(&workspace::libtorch_cuda())
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
