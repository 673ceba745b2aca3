//! Where things lie in the repository.

use std::path::{Path, PathBuf};

/// The folder of the workspace's `Cargo.toml`.
///
/// Cargo tells a program it runs where its package lies; the path this binary was built from is
/// for those who start it without cargo.
pub(crate) fn root() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    package.ancestors().nth(2).map_or_else(|| package.clone(), Path::to_owned)
}

/// Where the provisioned libtorch lies; `.cargo/config.toml` says the same.
pub(crate) fn libtorch() -> PathBuf {
    root().join(".libtorch")
}

/// Where its CUDA half lies: the program looks beside the folder of its libtorch.
pub(crate) fn libtorch_cuda() -> PathBuf {
    root().join(".libtorch-cuda")
}

/// The libtorch that the user brought along: a `LIBTORCH` that is not the one which
/// `.cargo/config.toml` sets.
pub(crate) fn own_libtorch() -> Option<PathBuf> {
    let named = PathBuf::from(std::env::var_os("LIBTORCH")?);
    let is_ours = named == libtorch()
        || named.canonicalize().is_ok_and(|it| libtorch().canonicalize().is_ok_and(|us| it == us));
    (!is_ours).then_some(named)
}
