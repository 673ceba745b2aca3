//! `cargo xtask third-party`: a stranger's way from nothing to plugins that steer a run.
//!
//! Plugins of each kind are begun with `plugins new` outside the workspace, built and tested by
//! another compiler (nightly, in debug, with a lock file of their own) and loaded by the host in
//! release. What a run then picks must be what the plugin's scores demand, and the same holds for a
//! scorer in Python.

use crate::error::{Error, Result};
use crate::steered::{Steered, by_scores, words_in_responses};
use crate::{artifacts, process, setup, workspace};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// The compiler that is not the host's.
const TOOLCHAIN: &str = "nightly";
const KINDS: [&str; 3] = ["complexity", "diversity", "strategy"];

/// Builds the host in a profile, `release` unless one looks for something, and walks the way.
pub(crate) fn run(profile: &str) -> Result<()> {
    setup::run()?;
    let compiler = compiler()?;
    let host = artifacts::build(profile)?.host;
    let home = tempfile::tempdir().map_err(Error::io("create", std::env::temp_dir()))?;
    let mut libraries = Vec::new();
    for kind in KINDS {
        let started = Instant::now();
        let library = begin(&host, home.path(), kind)?;
        let seconds = started.elapsed().as_secs_f64();
        check_manifest(&library, &compiler)?;
        process::run(&mut stranger(home.path(), &name(kind), "test"))?;
        eprintln!("{kind}: {seconds:.1} s from `plugins new` to a checked plugin of {compiler}");
        libraries.push(library.display().to_string());
    }
    steer(&Steered::new(&host, home.path()), &libraries)
}

/// From nothing to a library that the host has loaded and checked.
fn begin(host: &Path, home: &Path, kind: &str) -> Result<PathBuf> {
    let name = name(kind);
    let mut new = Command::new(host);
    new.args(["plugins", "new", &name, "--kind", kind]).current_dir(home).stdout(Stdio::null());
    process::run(&mut new)?;
    process::run(&mut stranger(home, &name, "build"))?;
    let library = target(home).join(format!("debug/lib{}.so", name.replace('-', "_")));
    let mut check = Command::new(host);
    check.args(["plugins", "check"]).arg(&library).stdout(std::io::stderr());
    process::run(&mut check)?;
    Ok(library)
}

fn name(kind: &str) -> String {
    format!("my-{kind}")
}

fn target(home: &Path) -> PathBuf {
    home.join("target")
}

/// The other compiler's cargo in a plugin's folder; nothing of ours leaks into it.
fn stranger(home: &Path, name: &str, verb: &str) -> Command {
    let mut cargo = rustup(&["cargo", verb, "--quiet", "--target-dir"]);
    cargo.arg(target(home)).current_dir(home.join(name)).stdout(std::io::stderr());
    cargo
}

fn rustup(command: &[&str]) -> Command {
    let mut rustup = Command::new("rustup");
    rustup.args(["run", TOOLCHAIN]).args(command);
    for ours in ["CARGO", "RUSTC", "RUSTDOC", "RUSTFLAGS", "RUSTUP_TOOLCHAIN", "CARGO_TARGET_DIR"] {
        rustup.env_remove(ours);
    }
    rustup
}

/// What the other compiler calls itself.
fn compiler() -> Result<String> {
    let said = process::output(rustup(&["rustc", "--version"]).stdout(Stdio::piped()));
    said.map(|version| version.trim().to_owned()).map_err(|error| {
        Error::Told(format!(
            "{error}\nhint: rustup toolchain install {TOOLCHAIN} --profile minimal"
        ))
    })
}

/// The library was built by whom and how it should have been.
fn check_manifest(library: &Path, compiler: &str) -> Result<()> {
    let bytes = fs::read(library).map_err(Error::io("read", library))?;
    let manifest = manifest(&bytes).unwrap_or_default();
    let expected = [("rustc", compiler), ("profile", "debug"), ("panic", "unwind")];
    match expected.iter().find(|(key, value)| manifest[*key] != **value) {
        None => Ok(()),
        Some((key, value)) => {
            let (found, library) = (&manifest[*key], library.display());
            Err(Error::Told(format!("`{library}`: `{key}` is {found}, expected {value:?}")))
        }
    }
}

/// The manifest is JSON in the midst of a library.
fn manifest(library: &[u8]) -> Option<Value> {
    const START: &[u8] = b"{\"iterit_manifest\"";
    let start = library.windows(START.len()).position(|bytes| bytes == START)?;
    serde_json::Deserializer::from_slice(&library[start..]).into_iter().next()?.ok()
}

/// Runs in which the plugins choose, each against what their scores demand.
fn steer(runs: &Steered, libraries: &[String]) -> Result<()> {
    let [scorer, diversity, strategy] = libraries else { unreachable!("a library a kind") };
    let words = words_in_responses(&workspace::root().join("tests/data/demo/instructions.json"))?;

    let theirs = runs.run("theirs", &format!("{scorer},static"), None)?;
    theirs.expect("the nightly scorer", &by_scores(&theirs.scores, theirs.selected.len()))?;

    let script = workspace::root().join("plugins/exec/examples/length.py");
    let command = format!("plugins.exec.command=[\"python3\", {:?}]", script.display().to_string());
    let python = runs.run("python", "exec,static", Some(&command))?;
    python.expect("the scorer in Python", &by_scores(&words, python.selected.len()))?;

    let ours = runs.run("ours", "length,static", None)?;
    for (name, run) in [("the nightly scorer", &theirs), ("the scorer in Python", &python)] {
        if run.selected == ours.selected {
            return Err(Error::Told(format!("{name} picks what `length` picks")));
        }
        eprintln!(
            "{name} steers: {} of its {} picks are not `length`'s",
            run.apart(&ours),
            run.len()
        );
    }
    runs.run("all", &format!("{scorer},{diversity},{strategy}"), None)?;
    eprintln!("plugins of all three kinds choose in one run");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_found_in_a_library() {
        let library = b"\x7fELF{{\"iterit_manifest\":1,\"rustc\":\"rustc 1\"}\0more";
        assert_eq!(manifest(library).unwrap()["rustc"], "rustc 1");
        assert!(manifest(b"{\"iterit\"").is_none());
    }
}
