//! `cargo xtask install`: the program as one would ship it.
//!
//! The host finds libtorch and its plugins relative to itself, so the folder can be moved.

use crate::error::{Error, Result};
use crate::unpack::LIBRARIES;
use crate::{artifacts, process, setup, workspace};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Builds in release and writes `bin/` and `lib/iterit/{libtorch,plugins}` under `prefix`; returns
/// where the program lies.
pub(crate) fn run(prefix: &Path) -> Result<PathBuf> {
    setup::run()?;
    let artifacts = artifacts::build("release")?;
    let lib = prefix.join("lib/iterit");
    for plugin in &artifacts.plugins {
        put(plugin, &lib.join("plugins"))?;
    }
    match workspace::own_libtorch() {
        None => {
            for library in LIBRARIES {
                put(&workspace::libtorch().join("lib").join(library), &lib.join("libtorch"))?;
            }
        }
        Some(own) => eprintln!("your libtorch is used where it lies, in `{}`", own.display()),
    }
    let host = put(&artifacts.host, &prefix.join("bin"))?;
    // It has to start without cargo's help, and from here it does or does not.
    let mut start = Command::new(&host);
    process::run(start.arg("--version").env_remove("LD_LIBRARY_PATH").stdout(Stdio::null()))?;
    Ok(host)
}

/// Copies a file into a folder. It appears there whole, also over a program that is running.
fn put(file: &Path, folder: &Path) -> Result<PathBuf> {
    fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let place = folder.join(file.file_name().unwrap_or_default());
    let whole = tempfile::NamedTempFile::new_in(folder).map_err(Error::io("write in", folder))?;
    fs::copy(file, whole.path()).map_err(Error::io("copy", file))?;
    whole.persist(&place).map_err(|it| Error::io("write", &place)(it.error))?;
    Ok(place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_is_put_with_its_permissions_and_over_an_older_one() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("tool");
        fs::write(&file, "new").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        let folder = home.path().join("prefix/bin");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("tool"), "old").unwrap();

        let place = put(&file, &folder).unwrap();
        assert_eq!(fs::read_to_string(&place).unwrap(), "new");
        assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o755);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }
}
