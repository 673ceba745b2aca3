//! `cargo xtask wheel`: the program, its plugins and the Python package as one file for pip.
//!
//! A wheel is a zip file with three texts that say what is in it
//! (<https://packaging.python.org/en/latest/specifications/binary-distribution-format/>). The program lies in
//! the package as `cargo xtask install` lays it out; it finds libtorch in the torch package beside it, by a
//! path relative to itself. The tag says the oldest glibc that all of it runs with, read off the files.

mod glibc;
mod wheel_file;

use crate::error::{Error, Result};
use crate::{artifacts, process, setup, workspace};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use wheel_file::WheelFile;

const NAME: &str = "iterit_host";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Where the program and its plugins lie in the wheel.
const NATIVE: &str = "iterit/_native";

/// libstdc++.so.6 is not shipped: the policy for the tag has to promise what we ask of it. By minor version
/// of glibc, the newest `GLIBCXX` of auditwheel's manylinux policies.
const LIBSTDCXX: [(u32, u32); 6] = [(28, 24), (31, 28), (34, 29), (35, 30), (38, 32), (39, 33)];

/// Builds in a profile, `release` or `dev`, and writes the wheel into `out`; returns where it lies.
pub(crate) fn run(profile: &str, out: &Path) -> Result<PathBuf> {
    setup::run()?;
    let artifacts = artifacts::build(profile)?;
    let scratch = tempfile::tempdir().map_err(Error::io("create", std::env::temp_dir()))?;
    let stripped = |file: &PathBuf| strip(file, scratch.path());
    let host = stripped(&artifacts.host)?;
    forget_build_place(&host)?;
    let plugins: Vec<PathBuf> = artifacts.plugins.iter().map(stripped).collect::<Result<_>>()?;

    let needs = glibc::needs(plugins.iter().chain([&host]))?;
    let tag = format!("py3-none-manylinux_2_{}_x86_64", policy(needs)?);
    fs::create_dir_all(out).map_err(Error::io("create", out))?;
    let path = out.join(format!("{NAME}-{VERSION}-{tag}.whl"));
    let mut wheel = WheelFile::create(&path)?;
    let package = workspace::root().join("host/python/iterit");
    for file in python_files(&package)? {
        let name = file.strip_prefix(&package).unwrap_or(&file);
        wheel.add_file(&format!("iterit/{}", name.display()), &file)?;
    }
    for plugin in &plugins {
        let name = plugin.file_name().unwrap_or_default().to_string_lossy();
        wheel.add_file(&format!("{NATIVE}/lib/iterit/plugins/{name}"), plugin)?;
    }
    wheel.add_program(&format!("{NATIVE}/bin/iterit-host"), &host)?;
    let about = format!("{NAME}-{VERSION}.dist-info");
    for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
        wheel.add_file(&format!("{about}/licenses/{licence}"), &workspace::root().join(licence))?;
    }
    wheel.add(&format!("{about}/METADATA"), metadata()?.as_bytes())?;
    wheel.add(&format!("{about}/WHEEL"), wheel_text(&tag).as_bytes())?;
    wheel.add(&format!("{about}/entry_points.txt"), ENTRY_POINTS.as_bytes())?;
    wheel.finish(&format!("{about}/RECORD"))?;
    let size = fs::metadata(&path).map_err(Error::io("find", &path))?.len();
    eprintln!("{:.1} MB in the {profile} profile, for glibc 2.{}", size as f64 / 1e6, needs.glibc);
    Ok(path)
}

/// A copy without symbols and lines, which nobody looks at and which are most of it.
fn strip(file: &Path, folder: &Path) -> Result<PathBuf> {
    let copy = folder.join(file.file_name().unwrap_or_default());
    process::run(Command::new("strip").arg("-o").arg(&copy).arg(file))?;
    Ok(copy)
}

/// Cuts this machine's libtorch off the list of folders that the program looks for libtorch in.
fn forget_build_place(host: &Path) -> Result<()> {
    let libtorch = workspace::own_libtorch().unwrap_or_else(workspace::libtorch).join("lib");
    let place = format!(":{}\0", libtorch.display());
    let mut bytes = fs::read(host).map_err(Error::io("read", host))?;
    if !blank(&mut bytes, place.as_bytes()) {
        return Err(Error::Told(format!(
            "`{}` does not look for libtorch in `{}`, where it was built with it",
            host.display(),
            libtorch.display()
        )));
    }
    fs::write(host, bytes).map_err(Error::io("write", host))
}

/// Ends a text early: puts zeros where `end` stood; whether it stood there.
fn blank(bytes: &mut [u8], end: &[u8]) -> bool {
    let Some(at) = bytes.windows(end.len()).position(|window| window == end) else { return false };
    bytes[at..at + end.len()].fill(0);
    true
}

/// The oldest manylinux policy that promises this much.
fn policy(needs: glibc::Needs) -> Result<u32> {
    let promises =
        |&&(glibc, libstdcxx): &&(u32, u32)| glibc >= needs.glibc && libstdcxx >= needs.libstdcxx;
    LIBSTDCXX.iter().find(promises).map(|&(glibc, _)| glibc).ok_or_else(|| {
        Error::Told(format!(
            "no manylinux policy promises glibc 2.{} and GLIBCXX_3.4.{}\nhint: build on an older system",
            needs.glibc, needs.libstdcxx
        ))
    })
}

/// The package's files, without what Python leaves beside them.
fn python_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let path = entry.map_err(Error::io("read", folder))?.path();
        let is_source = path.extension().is_some_and(|it| it == "py") || path.ends_with("py.typed");
        if path.is_dir() && !path.ends_with("__pycache__") {
            files.extend(python_files(&path)?);
        } else if is_source {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn metadata() -> Result<String> {
    let readme = workspace::root().join("host/python/README.md");
    let readme = fs::read_to_string(&readme).map_err(Error::io("read", &readme))?;
    Ok(format!("{METADATA_BEFORE_VERSION}{VERSION}{METADATA_AFTER_VERSION}\n{readme}"))
}

const METADATA_BEFORE_VERSION: &str = "Metadata-Version: 2.4
Name: iterit-host
Version: ";

// torch is an extra, so that nobody's torch is replaced unasked.
const METADATA_AFTER_VERSION: &str = "
Summary: Fine-tunes a language model on the few percent of an instruction set worth training on
License-Expression: MIT OR Apache-2.0
License-File: LICENSE-APACHE
License-File: LICENSE-MIT
Requires-Python: >=3.10
Provides-Extra: torch
Requires-Dist: torch==2.11.*; extra == 'torch'
Provides-Extra: pandas
Requires-Dist: pandas>=2; extra == 'pandas'
Description-Content-Type: text/markdown
";

fn wheel_text(tag: &str) -> String {
    format!("Wheel-Version: 1.0\nGenerator: iterit xtask\nRoot-Is-Purelib: false\nTag: {tag}\n")
}

const ENTRY_POINTS: &str = "[console_scripts]\niterit-host = iterit.launch:main\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_promises_what_the_files_need() {
        let needs = |glibc, libstdcxx| glibc::Needs { glibc, libstdcxx };
        for (needs, expected) in
            [(needs(17, 0), 28), (needs(28, 24), 28), (needs(28, 25), 31), (needs(34, 29), 34)]
        {
            assert_eq!(policy(needs).unwrap(), expected, "{needs:?}");
        }
        assert!(policy(needs(99, 0)).is_err());
    }

    #[test]
    fn a_text_is_ended_where_the_build_place_began() {
        let mut bytes = b"\0$ORIGIN/a:/build/lib\0next\0".to_vec();
        assert!(blank(&mut bytes, b":/build/lib\0"));
        assert_eq!(bytes, b"\0$ORIGIN/a\0\0\0\0\0\0\0\0\0\0\0\0next\0");
        assert!(!blank(&mut bytes, b":/build/lib\0"));
    }

    #[test]
    fn every_python_file_of_the_package_is_found() {
        let files = python_files(&workspace::root().join("host/python/iterit")).unwrap();
        for name in ["__init__.py", "py.typed", "runs.py", "launch.py", "observers/wandb.py"] {
            assert!(files.iter().any(|it| it.ends_with(name)), "{name}: {files:?}");
        }
        assert!(files.iter().all(|it| !it.to_string_lossy().contains("__pycache__")));
    }
}
