//! Plugins as files, good and bad: what is said of each, word for word as the SDK's README says.
//!
//! The bad ones are in `tests/bad-plugins`, a workspace of its own that is built once a run.

use crate::foreign::{build, cargo, check_library, faulty, repository, said};
use crate::support::{Outcome, Project, built};
use std::fs;
use std::path::Path;
use std::process::Command;

/// A project with a library under a name, and four samples scored.
fn project(library: &Path, name: &str) -> Project {
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

/// `select`, which needs no model, with the plugins of the project's folder.
fn select(project: &Project, plugins: &str) -> Command {
    let mut host = project.host();
    let path = [project.path("."), built().plugins.clone()];
    host.env("ITERIT_PLUGIN_PATH", std::env::join_paths(path).expect("folders"))
        .args(["select", "--data", "data.json", "--scores", "scores.jsonl", "--budget", "2"])
        .args(["--set", "data.eos_text=</s>", "--out", "selection.json", "--plugins", plugins]);
    host
}

/// Runs `select` with a fault in force; it must fail and leave nothing behind.
#[track_caller]
fn check_select(plugins: &str, fault: &str, words: &[&str]) {
    let project = project(faulty(), "libplugin.so");
    let outcome = Outcome::of(select(&project, plugins).env("FAULT", fault));
    let outcome = outcome.failed(1, &[]);
    for words in words {
        said(&outcome.stderr, words);
    }
    assert!(!project.path("selection.json").exists(), "{outcome}");
}

#[test]
fn a_sound_plugin_passes_every_check_and_picks() {
    let outcome = check_library(faulty(), "none").succeeded();
    assert!(outcome.stdout.ends_with("checks passed\n"), "{outcome}");
    let project = project(faulty(), "libplugin.so");
    Outcome::of(&mut select(&project, "faulty-diversity")).succeeded();
    assert!(project.read("selection.json").contains("\"selected\""));
}

#[test]
fn a_name_that_means_nothing_or_two_things_is_refused() {
    check_select(
        "faluty-diversity",
        "",
        &[
            "unknown plugin `faluty-diversity`; there are …",
            "hint: did you mean `faulty-diversity`?",
        ],
    );
    check_select(
        "faulty-diversity,faulty-diversity",
        "",
        &["plugin `faulty-diversity` is listed twice"],
    );
    check_select(
        "./libplugin.so",
        "",
        &[
            "offers `faulty`, `needy`, `faulty-diversity`, `faulty-strategy`, and a path can mean only one",
        ],
    );
    let project = project(faulty(), "libplugin.so");
    fs::copy(faulty(), project.path("libother.so")).expect("a copy");
    let outcome = Outcome::of(&mut select(&project, "faulty-diversity")).failed(1, &[]);
    said(
        &outcome.stderr,
        "plugin `faulty-diversity` is offered twice in `…`: by `libother.so` and `libplugin.so`",
    );
}

/// A change to the bytes of a library.
type Damage = fn(&mut Vec<u8>);

#[test]
fn a_file_that_is_no_plugin_for_this_host_is_refused() {
    let libc = || fs::read_to_string("/proc/self/maps").expect("this process's libraries");
    let damages: [(&str, Damage); 5] = [
        ("not a shared library: it begins with \"hello\"", |bytes| *bytes = b"hello".to_vec()),
        ("cut short: … bytes of …", |bytes| bytes.truncate(bytes.len() / 2)),
        ("built for aarch64, this machine is x86_64", |bytes| bytes[18] = 183),
        ("built for plugin ABI 2.0.0 (iterit-sdk 1.0.0), this host speaks ABI 1.0.0", |bytes| {
            replace(bytes, b"\"abi\":\"1.0.0\"", b"\"abi\":\"2.0.0\"")
        }),
        ("a shared library, but no iterit plugin", |bytes| {
            replace(bytes, b"iterit_plugin_manifest_", b"iterit_nothing_to_see__");
        }),
    ];
    for (words, damage) in damages {
        let mut bytes = fs::read(faulty()).expect("the library");
        damage(&mut bytes);
        let project = Project::new();
        let path = project.write("libplugin.so", bytes);
        let outcome = check_library(&path, "");
        let outcome = outcome.failed(1, &[]);
        said(&(outcome.stdout + &outcome.stderr), words);
    }
    let libc = libc();
    let libc =
        libc.lines().find_map(|line| line.split_once('/').filter(|it| it.1.contains("libc.so")));
    let libc = format!("/{}", libc.expect("a program uses libc").1);
    let outcome = check_library(Path::new(&libc), "").failed(1, &[]);
    said(&outcome.stderr, "a shared library, but no iterit plugin");
    let outcome = check_library(Path::new("gone.so"), "").failed(1, &[]);
    said(&outcome.stderr, "cannot be read: No such file or directory (os error 2)");
}

/// Replaces every occurrence by bytes of the same length.
fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    assert_eq!(from.len(), to.len());
    let places: Vec<_> =
        (0..bytes.len() - from.len()).filter(|&at| bytes[at..].starts_with(from)).collect();
    assert!(!places.is_empty(), "nothing to replace");
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
}

#[test]
fn a_plugin_that_would_abort_is_refused() {
    let project = Project::new();
    let manifest = repository("tests/bad-plugins/Cargo.toml");
    let aborting = build(&manifest, "aborting", &project.path("libaborting.so"));
    let outcome = check_library(&aborting, "").failed(1, &[]);
    said(&outcome.stdout, "built with panic = \"abort\", so a panic in it would end the whole run");
}

#[test]
fn a_missing_service_is_refused_before_anything_is_loaded() {
    check_select(
        "needy",
        "abort in new",
        &["plugin `needy` 1.2.3 needs `proxy`, which this run does not offer"],
    );
}

#[test]
fn options_that_do_not_fit_are_refused() {
    let project = project(faulty(), "libplugin.so");
    let mut select = select(&project, "faulty-diversity");
    select.args(["--set", "plugins.faulty-diversity.decya=1"]);
    let outcome = Outcome::of(&mut select).failed(1, &[]);
    said(
        &outcome.stderr,
        "plugin `faulty-diversity` 1.2.3: `decya`: unknown field `decya`, there are no fields",
    );
}

#[test]
fn a_fault_in_a_run_names_the_plugin_and_leaves_nothing_half_written() {
    check_select(
        "faulty",
        "panic in new",
        &["plugin `faulty` 1.2.3: panicked at faulty/src/lib.rs:…: on purpose"],
    );
    check_select(
        "faulty-diversity",
        "panic in gain",
        &["plugin `faulty-diversity` 1.2.3: gains: panicked at faulty/src/lib.rs:…: on purpose"],
    );
    check_select(
        "faulty-diversity",
        "NaN in gain",
        &["the gain of sample 0 is NaN, expected a finite number of 0 or more"],
    );
    for (fault, words) in [
        ("panic in begin", "plugin `faulty-diversity` 1.2.3: begin: panicked at "),
        ("panic in pick", "plugin `faulty-diversity` 1.2.3: pick: panicked at "),
        ("a negative gain", "plugin `faulty-diversity` 1.2.3: gains: the gain of sample 0 is -1"),
    ] {
        let project = project(faulty(), "libplugin.so");
        let mut select = select(&project, "faulty-diversity");
        Outcome::of(select.env("FAULT", fault)).failed(1, &[words]);
    }
}

#[test]
fn a_panic_while_dropped_harms_nothing() {
    let project = project(faulty(), "libplugin.so");
    let mut select = select(&project, "faulty,faulty-diversity");
    let outcome = Outcome::of(select.env("FAULT", "panic in drop")).succeeded();
    let words = "warning: a plugin's `Drop` panicked at faulty/src/lib.rs:…: on purpose";
    said(&outcome.stderr, words);
    assert!(project.path("selection.json").exists());
}

#[test]
fn a_hang_ends_the_run_and_names_the_plugin() {
    let project = project(faulty(), "libplugin.so");
    let mut select = select(&project, "faulty-diversity");
    select.args(["--set", "selection.plugin_timeout=1"]).env("FAULT", "hang in gain");
    let outcome = Outcome::of(&mut select).failed(1, &[]);
    said(
        &outcome.stderr,
        "plugin `faulty-diversity` 1.2.3: gains: no sign of life for 1s, the run is ended",
    );
    assert!(!project.path("selection.json").exists());
}

#[test]
fn the_check_survives_what_a_run_would_not() {
    for (fault, words) in [
        ("segfault in score", "the process was ended by SIGSEGV (memory that is not its own)"),
        ("abort in score", "the process was ended by SIGABRT (it aborted)"),
        ("hang in score", "hung: no end after 3s"),
        ("wrong length in score", "returned 8 scores for 9 samples"),
        ("NaN in score", "the score of sample 14 is NaN, expected a finite number of 0 or more"),
        ("only NaN in score", "of 64 samples none was eligible"),
        ("a candidate twice", "`rescore` names sample 0 twice"),
    ] {
        let outcome = check_library(faulty(), fault).failed(1, &[]);
        said(&outcome.stdout, words);
    }
}

#[test]
fn the_check_finds_every_other_fault() {
    for (fault, words) in [
        ("exit in score", "returns one score a sample: the process exited with code 0"),
        ("segfault in new", "the process was ended by SIGSEGV"),
        ("abort in drop", "the process was ended by SIGABRT"),
        ("infinity in score", "the score of sample 14 is inf"),
        ("a negative score", "the score of sample 14 is -1"),
        ("panic in save", "goes on after a restore: save: panicked at "),
        ("panic in plan", "plan of epoch 0: panicked at "),
        ("a budget too few", "gives each epoch a budget: budgets: returned 3 budgets for 4 epochs"),
        ("a candidate too many", "`rescore` names sample 64, there are 64"),
    ] {
        let outcome = check_library(faulty(), fault).failed(1, &[]);
        assert!(outcome.stdout.contains(words), "`{fault}` does not say `{words}`\n{outcome}");
    }
}

#[test]
fn a_new_plugin_builds_anywhere_passes_its_tests_and_loads() {
    for kind in ["complexity", "diversity", "strategy"] {
        let project = Project::new();
        project.run(["plugins", "new", "my-plugin", "--kind", kind]).succeeded();
        let manifest = project.path("my-plugin/Cargo.toml");
        // The versions that are on this machine, so that the test needs no network.
        fs::copy(repository("tests/bad-plugins/Cargo.lock"), project.path("my-plugin/Cargo.lock"))
            .expect("a lock file");
        let tested = cargo(&manifest, "test").output().expect("cargo");
        assert!(tested.status.success(), "{}", String::from_utf8_lossy(&tested.stdout));
        let library = build(&manifest, "dev", &project.path("libmy_plugin.so"));
        let mut host = project.host();
        host.args(["plugins", "check"]).arg(&library);
        let outcome = Outcome::of(&mut host).succeeded();
        assert!(outcome.stdout.ends_with("checks passed\n"), "{outcome}");
        let mut host = project.host();
        let listed = host
            .args(["plugins", "list", "--plugin-path"])
            .arg(library.parent().expect("a folder"));
        let outcome = Outcome::of(listed).succeeded();
        assert!(
            outcome.stdout.contains(&format!("my-plugin 0.1.0  {kind}  iterit-sdk")),
            "{outcome}"
        );
    }
}
