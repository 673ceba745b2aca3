//! Plugins as files: found by name, refused before any of their code runs, listed, and begun. What
//! is said stands word for word in the SDK's README; what their code can do wrong is in `failures`.

use crate::foreign::{
    build, cargo, check_library, check_options, faulty, four_samples, repository, said,
};
use crate::support::{Outcome, Project, built, data};
use std::fs;
use std::path::Path;
use std::process::Command;

/// `select`, which needs no model, with the plugins of the project's folder.
fn select(project: &Project, plugins: &str) -> Command {
    let mut host = project.host();
    let path = [project.path("."), built().plugins.clone()];
    host.env("ITERIT_PLUGIN_PATH", std::env::join_paths(path).expect("folders"))
        .args(["select", "--data", "data.json", "--scores", "scores.jsonl", "--budget", "2"])
        .args(["--set", "data.eos_text=</s>", "--out", "selection.json", "--plugins", plugins]);
    host
}

/// Scores the samples by the demo's model.
fn score(project: &Project, plugins: &str) -> Command {
    let mut host = project.host();
    host.env("ITERIT_PLUGIN_PATH", project.path("."))
        .args(["score", "--device", "cpu", "--data", "data.json", "--out", "made.jsonl"])
        .arg("--model")
        .arg(data("demo/model"))
        .args(["--plugins", plugins]);
    host
}

/// Runs `select` with a fault in force; it must fail and leave nothing behind.
#[track_caller]
fn check_select(plugins: &str, fault: &str, words: &[&str]) {
    let project = four_samples(faulty(), "libplugin.so");
    let outcome = Outcome::of(select(&project, plugins).env("FAULT", fault));
    let outcome = outcome.failed(1, &[]);
    for words in words {
        said(&outcome.stderr, words);
    }
    assert!(!project.path("selection.json").exists(), "{outcome}");
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
    let project = four_samples(faulty(), "libplugin.so");
    fs::copy(faulty(), project.path("libother.so")).expect("a copy");
    let outcome = Outcome::of(&mut select(&project, "faulty-diversity")).failed(1, &[]);
    said(
        &outcome.stderr,
        "plugin `faulty-diversity` is offered twice in `…`: by `libother.so` and `libplugin.so`",
    );
}

#[test]
fn two_paths_to_one_name_are_refused() {
    let length = built().plugins.join("libiterit_plugin_length.so");
    let project = four_samples(&length, "libone.so");
    fs::copy(&length, project.path("libother.so")).expect("a copy");
    let outcome = Outcome::of(&mut select(&project, "./libone.so,./libother.so")).failed(1, &[]);
    said(&outcome.stderr, "two plugins are named `length`: `…libone.so` and `…libother.so`");
}

/// A change to the bytes of a library.
type Damage = fn(&mut Vec<u8>);

#[test]
fn a_file_that_is_no_plugin_for_this_host_is_refused() {
    let libc = || fs::read_to_string("/proc/self/maps").expect("this process's libraries");
    let damages: [(&str, Damage); 6] = [
        ("not a shared library: it begins with \"hello\"", |bytes| *bytes = b"hello".to_vec()),
        ("cut short: … bytes of …", |bytes| bytes.truncate(bytes.len() / 2)),
        ("built for aarch64, this machine is x86_64", |bytes| bytes[18] = 183),
        ("built for plugin ABI 2.0.0 (iterit-sdk 1.0.0), this host speaks ABI 1.0.0", |bytes| {
            replace(bytes, b"\"abi\":\"1.0.0\"", b"\"abi\":\"2.0.0\"")
        }),
        ("built for x86_64-unknown-linux-non, this host for x86_64-unknown-linux-gnu", |bytes| {
            replace(bytes, b"x86_64-unknown-linux-gnu\"", b"x86_64-unknown-linux-non\"")
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
    let project = four_samples(faulty(), "libplugin.so");
    let mut score = score(&project, "needy");
    let outcome = Outcome::of(score.env("FAULT", "abort in new")).failed(1, &[]);
    said(&outcome.stderr, "plugin `needy` 1.2.3 needs `proxy`, which this run does not offer");
    assert!(!project.path("made.jsonl").exists(), "{outcome}");
}

#[test]
fn options_that_do_not_fit_are_refused() {
    for (plugin, option, words) in [
        (
            "faulty-diversity",
            "decya=1",
            "plugin `faulty-diversity` 1.2.3: `decya`: unknown field `decya`, there are no fields",
        ),
        (
            "diversity",
            "decay=much",
            "plugin `diversity` 1.0.0: `decay`: invalid type: string \"much\", expected f64",
        ),
    ] {
        let project = four_samples(faulty(), "libplugin.so");
        let mut select = select(&project, plugin);
        select.args(["--set", &format!("plugins.{plugin}.{option}")]);
        let outcome = Outcome::of(&mut select).failed(1, &[]);
        said(&outcome.stderr, words);
    }
    let outcome = check_options(faulty(), "{").failed(1, &[]);
    said(&outcome.stdout, "new: EOF while parsing an object");
}

/// The other kinds, and a compiler that is not ours, are `cargo xtask third-party`'s.
#[test]
fn a_new_plugin_builds_anywhere_passes_its_tests_and_loads() {
    let project = Project::new();
    project.run(["plugins", "new", "my-plugin", "--kind", "diversity"]).succeeded();
    let manifest = project.path("my-plugin/Cargo.toml");
    // The versions that are on this machine, so that the test needs no network.
    fs::copy(repository("tests/bad-plugins/Cargo.lock"), project.path("my-plugin/Cargo.lock"))
        .expect("a lock file");
    let tested = cargo(&manifest, "test").output().expect("cargo");
    assert!(tested.status.success(), "{}", String::from_utf8_lossy(&tested.stdout));
    let library = build(&manifest, "dev", &project.path("libmy_plugin.so"));
    let outcome = check_library(&library, "").succeeded();
    assert!(outcome.stdout.ends_with("checks passed\n"), "{outcome}");
    let mut host = project.host();
    let folder = library.parent().expect("a folder");
    let outcome = Outcome::of(host.args(["plugins", "list", "--plugin-path"]).arg(folder));
    let outcome = outcome.succeeded();
    for said in [
        "my-plugin 0.1.0  diversity  iterit-sdk 1.0.0\n",
        "  options   {\"min_length\":1}\n",
        &format!("  path      {}\n", library.display()),
        "superfilter 1.0.0  complexity  iterit-sdk 1.0.0\n  services  response_nll, proxy\n",
    ] {
        assert!(outcome.stdout.contains(said), "does not say `{said}`\n{outcome}");
    }
}
