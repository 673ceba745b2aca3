//! Crates outside the workspace, as a stranger's are: built, checked, and what is said of them.

use crate::support::{Outcome, Project, artifacts, built, dylib_of};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock};

/// Fails where and how the environment's `FAULT` says.
pub fn faulty() -> &'static Path {
    static FAULTY: OnceLock<PathBuf> = OnceLock::new();
    FAULTY.get_or_init(|| {
        let kept = target().join("kept");
        fs::create_dir_all(&kept).expect("create a folder");
        build(&repository("tests/bad-plugins/Cargo.toml"), "dev", &kept.join("libfaulty.so"))
    })
}

/// A path of this repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Builds the one library or program of a workspace, and puts it where it is wanted.
pub fn build(manifest: &Path, profile: &str, wanted: &Path) -> PathBuf {
    // Copies of a crate share the target folder, and each build replaces the one before.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let mut cargo = cargo(manifest, "build");
    cargo.args(["--profile", profile, "--message-format=json-render-diagnostics"]);
    let output = cargo.output().unwrap_or_else(|it| panic!("cannot start {cargo:?}: {it}"));
    assert!(output.status.success(), "{cargo:?} failed");
    let program = |it: &Value| it["executable"].as_str().map(PathBuf::from);
    let made = artifacts(&output.stdout);
    let mut made = made.iter().filter_map(|it| dylib_of(it).or_else(|| program(it)));
    let built = made.next_back().expect("a library or a program");
    fs::copy(built, wanted).expect("copy what was built");
    wanted.to_owned()
}

/// Cargo on a manifest outside the workspace, with a target folder that all of them share.
pub fn cargo(manifest: &Path, verb: &str) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .arg(verb)
        .arg("--manifest-path")
        .arg(manifest)
        .arg("--target-dir")
        .arg(target())
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .stderr(Stdio::inherit());
    cargo
}

fn target() -> PathBuf {
    built().plugins.join("bad-plugins")
}

/// A project with a library under a name, and four samples with their scores.
pub fn four_samples(library: &Path, name: &str) -> Project {
    let project = Project::new();
    project.write(name, fs::read(library).expect("the library"));
    let (mut rows, mut scores) = (Vec::new(), String::new());
    for id in 0..4 {
        rows.push(format!(r#"{{"instruction": "count to {id}", "output": "{id} and so on"}}"#));
        scores += &format!("{{\"id\": {id}, \"score\": 0.5, \"eligible\": true}}\n");
    }
    project.write("data.json", format!("[{}]", rows.join(",")));
    project.write("scores.jsonl", scores);
    project
}

/// Runs `plugins check` on a library, with a fault in force. Only a hang is not waited for.
pub fn check_library(library: &Path, fault: &str) -> Outcome {
    let seconds = if fault.starts_with("hang") { "3" } else { "600" };
    let project = Project::new();
    Outcome::of(check(&project, library).args(["--timeout", seconds]).env("FAULT", fault))
}

/// Runs `plugins check` on a library, with options as JSON.
pub fn check_options(library: &Path, options: &str) -> Outcome {
    Outcome::of(check(&Project::new(), library).args(["--options", options]))
}

fn check(project: &Project, library: &Path) -> Command {
    let mut host = project.host();
    host.args(["plugins", "check"]).arg(library);
    host
}

/// Asserts that something was said, and that the README's table of failures says so too; `…` stands
/// for what differs from machine to machine.
#[track_caller]
pub fn said(text: &str, words: &str) {
    assert!(contains(text, words), "does not say `{words}`:\n{text}");
    let readme = fs::read_to_string(repository("sdk/README.md")).expect("the SDK's README");
    assert!(readme.contains(words), "the SDK's README does not say `{words}`");
}

/// Whether the pieces between the `…` stand in one text in their order.
fn contains(text: &str, words: &str) -> bool {
    let mut rest = Some(text);
    for piece in words.split('…') {
        rest = rest.and_then(|rest| rest.split_once(piece)).map(|(_, after)| after);
    }
    rest.is_some()
}

#[test]
fn pieces_are_found_only_in_their_order() {
    assert!(contains("a b c", "a…c") && contains("a b c", "b"));
    assert!(!contains("a b c", "c…a") && !contains("a b c", "d"));
}
