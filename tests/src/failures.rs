//! Every way a plugin's code can fail, made on purpose: what is said of it, word for word as the
//! SDK's README says, and that nothing half-written is left.
//!
//! The plugin that fails is `tests/bad-plugins/faulty`; what it is to do stands in `FAULT`.

use crate::foreign::{check_library, faulty, four_samples, repository, said};
use crate::support::{Outcome, Project, built, data};
use std::fs;
use std::process::Command;

/// Picks 2 of 4 samples; needs no model.
fn select(project: &Project, plugins: &str) -> Command {
    let mut host = host(project, "select", plugins);
    host.args(["--scores", "scores.jsonl", "--budget", "2", "--set", "data.eos_text=</s>"]);
    host.args(["--out", "selection.json"]);
    host
}

/// Scores 4 samples by the demo's model.
fn score(project: &Project, plugins: &str) -> Command {
    let mut host = host(project, "score", plugins);
    host.arg("--model").arg(data("demo/model")).args(["--out", "made.jsonl"]);
    host
}

/// Trains the demo's model for three epochs on 2 of 4 samples.
fn train(project: &Project, plugins: &str) -> Command {
    let mut host = host(project, "train", plugins);
    host.arg("--model").arg(data("demo/model")).args(["--ratio", "2", "--out", "run"]);
    host
}

fn host(project: &Project, command: &str, plugins: &str) -> Command {
    let mut host = project.host();
    let path = [project.path("."), built().plugins.clone()];
    host.env("ITERIT_PLUGIN_PATH", std::env::join_paths(path).expect("folders"));
    if command != "train" {
        host.arg(command);
    }
    host.args(["--device", "cpu", "--data", "data.json", "--plugins", plugins]);
    host
}

/// Runs a command with a fault in force. It must fail, say these words, and leave whole files.
#[track_caller]
fn check(command: fn(&Project, &str) -> Command, plugins: &str, fault: &str, words: &str) {
    let project = four_samples(faulty(), "libplugin.so");
    let mut command = command(&project, plugins);
    let outcome = Outcome::of(command.env("FAULT", fault)).failed(1, &[]);
    said(&outcome.stderr, words);
    for file in project.files() {
        assert!(!file.contains("/."), "`{file}` is left behind by `{fault}`");
        if file.ends_with(".json") {
            let parsed = serde_json::from_str::<serde_json::Value>(&project.read(&file));
            assert!(parsed.is_ok(), "`{file}` is cut short by `{fault}`");
        }
    }
    for result in ["selection.json", "made.jsonl", "run/model"] {
        assert!(!project.path(result).exists(), "`{result}` is there in spite of `{fault}`");
    }
}

#[test]
fn a_sound_plugin_works_wherever_the_others_fail() {
    let checked = check_library(faulty(), "none").succeeded();
    assert!(checked.stdout.ends_with("checks passed\n"), "{checked}");
    let project = four_samples(faulty(), "libplugin.so");
    Outcome::of(&mut select(&project, "faulty,faulty-diversity")).succeeded();
    assert!(project.read("selection.json").contains("\"selected\""));
    Outcome::of(&mut score(&project, "faulty")).succeeded();
    assert_eq!(project.read("made.jsonl").lines().count(), 4);
    Outcome::of(&mut train(&project, "faulty,faulty-diversity,faulty-strategy")).succeeded();
    assert!(project.path("run/model").exists());
}

#[test]
fn a_panic_names_the_plugin_and_the_line() {
    for (command, plugins, fault, words) in [
        (
            score as fn(&Project, &str) -> Command,
            "faulty",
            "panic in new",
            "plugin `faulty` 1.2.3: panicked at faulty/src/lib.rs:…: on purpose",
        ),
        (
            score,
            "faulty",
            "panic in score",
            "plugin `faulty` 1.2.3: score: panicked at faulty/src/lib.rs:…: on purpose",
        ),
        (
            select,
            "faulty-diversity",
            "panic in begin",
            "plugin `faulty-diversity` 1.2.3: begin: panicked at faulty/src/lib.rs:…: on purpose",
        ),
        (
            select,
            "faulty-diversity",
            "panic in gain",
            "plugin `faulty-diversity` 1.2.3: gains: panicked at faulty/src/lib.rs:…: on purpose",
        ),
        (
            select,
            "faulty-diversity",
            "panic in pick",
            "plugin `faulty-diversity` 1.2.3: pick: panicked at faulty/src/lib.rs:…: on purpose",
        ),
        (
            train,
            "faulty,faulty-strategy",
            "panic in plan",
            "plugin `faulty-strategy` 1.2.3: plan: panicked at faulty/src/lib.rs:…: on purpose",
        ),
        (
            train,
            "faulty,faulty-strategy",
            "panic in save",
            "plugin `faulty` 1.2.3: save: panicked at faulty/src/lib.rs:…: on purpose",
        ),
    ] {
        check(command, plugins, fault, words);
    }
}

#[test]
fn a_panic_while_dropped_harms_nothing() {
    let project = four_samples(faulty(), "libplugin.so");
    let mut score = score(&project, "faulty");
    let outcome = Outcome::of(score.env("FAULT", "panic in drop")).succeeded();
    let words = "warning: a plugin's `Drop` panicked at faulty/src/lib.rs:…: on purpose";
    said(&outcome.stderr, words);
    assert!(project.path("made.jsonl").exists());
}

#[test]
fn an_answer_that_cannot_be_names_the_sample() {
    for (fault, words) in [
        ("wrong length in score", "plugin `faulty` 1.2.3: score: returned 3 scores for 4 samples"),
        ("NaN in score", "the score of sample 3 is NaN, expected a finite number of 0 or more"),
        (
            "infinity in score",
            "the score of sample 3 is inf, expected a finite number of 0 or more",
        ),
        ("a negative score", "the score of sample 3 is -1, expected a finite number of 0 or more"),
    ] {
        check(score, "faulty", fault, words);
    }
    for (fault, words) in [
        ("NaN in gain", "the gain of sample 0 is NaN, expected a finite number of 0 or more"),
        ("infinity in gain", "the gain of sample 0 is inf, expected a finite number of 0 or more"),
        ("a negative gain", "the gain of sample 0 is -1, expected a finite number of 0 or more"),
    ] {
        check(select, "faulty-diversity", fault, words);
    }
    for (fault, words) in [
        ("only NaN in score", "epoch 0: none of 4 candidates is eligible"),
        (
            "a candidate twice",
            "plugin `faulty-strategy` 1.2.3: plan: `rescore` names sample 0 twice",
        ),
        (
            "a candidate too many",
            "plugin `faulty-strategy` 1.2.3: plan: `rescore` names sample 4, there are 4",
        ),
        (
            "a budget too few",
            "plugin `faulty-strategy` 1.2.3: budgets: returned 2 budgets for 3 epochs",
        ),
    ] {
        check(train, "faulty,faulty-strategy", fault, words);
    }
}

#[test]
fn a_hang_ends_the_run_and_names_the_plugin() {
    for (command, plugins, fault, words) in [
        (
            hasty_select as fn(&Project, &str) -> Command,
            "faulty-diversity",
            "hang in gain",
            "plugin `faulty-diversity` 1.2.3: gains: no sign of life for 1s, the run is ended",
        ),
        (
            hasty_score,
            "faulty",
            "hang in new",
            "plugin `faulty` 1.2.3: new: no sign of life for 1s, the run is ended",
        ),
    ] {
        check(command, plugins, fault, words);
    }
    let project = four_samples(faulty(), "libplugin.so");
    let mut score = hasty_score(&project, "faulty");
    let outcome = Outcome::of(score.env("FAULT", "hang in drop")).failed(1, &[]);
    said(&outcome.stderr, "plugin `faulty` 1.2.3: drop: no sign of life for 1s, the run is ended");
    assert!(project.path("made.jsonl").exists(), "the work was done before");
}

fn hasty_score(project: &Project, plugins: &str) -> Command {
    let mut score = score(project, plugins);
    score.args(["--set", "selection.plugin_timeout=1"]);
    score
}

fn hasty_select(project: &Project, plugins: &str) -> Command {
    let mut select = select(project, plugins);
    select.args(["--set", "selection.plugin_timeout=1"]);
    select
}

#[test]
fn the_check_survives_what_a_run_would_not() {
    for (fault, words) in [
        ("segfault in score", "the process was ended by SIGSEGV (memory that is not its own)"),
        ("abort in score", "the process was ended by SIGABRT (it aborted)"),
        ("exit in score", "the process exited with code 0"),
        ("hang in score", "hung: no end after 3s"),
    ] {
        let outcome = check_library(faulty(), fault).failed(1, &[]);
        said(&outcome.stdout, words);
    }
}

#[test]
fn the_check_finds_every_other_fault() {
    for (fault, words) in [
        ("segfault in new", "the process was ended by SIGSEGV"),
        ("abort in drop", "the process was ended by SIGABRT"),
        ("hang in drop", "hung: no end after 3s"),
        ("panic in new", "new: panicked at faulty/src/lib.rs:"),
        ("panic in score", "score: panicked at faulty/src/lib.rs:"),
        ("panic in begin", "begin: panicked at faulty/src/lib.rs:"),
        ("panic in gain", "gains: panicked at faulty/src/lib.rs:"),
        ("panic in pick", "pick: panicked at faulty/src/lib.rs:"),
        ("panic in save", "goes on after a restore: save: panicked at "),
        ("panic in plan", "plan of epoch 0: panicked at "),
        ("wrong length in score", "returned 8 scores for 9 samples"),
        ("NaN in score", "the score of sample 14 is NaN"),
        ("infinity in score", "the score of sample 14 is inf"),
        ("a negative score", "the score of sample 14 is -1"),
        ("only NaN in score", "of 64 samples none was eligible"),
        ("NaN in gain", "the gain of sample 3 is NaN"),
        ("infinity in gain", "the gain of sample 3 is inf"),
        ("a budget too few", "gives each epoch a budget: budgets: returned 3 budgets for 4 epochs"),
        ("a candidate twice", "`rescore` names sample 0 twice"),
        ("a candidate too many", "`rescore` names sample 64, there are 64"),
    ] {
        let outcome = check_library(faulty(), fault).failed(1, &[]);
        assert!(outcome.stdout.contains(words), "`{fault}` does not say `{words}`\n{outcome}");
    }
}

#[test]
fn each_row_of_the_table_of_failures_is_made_by_a_test() {
    let readme = fs::read_to_string(repository("sdk/README.md")).expect("the SDK's README");
    let (_, table) = readme.split_once("| what is wrong | what is said |").expect("the table");
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert!(rows.len() > 30, "{} rows", rows.len());
    let tests: String = ["failures", "plugins", "evolution"]
        .map(|module| format!("tests/src/{module}.rs"))
        .into_iter()
        .chain(["sdk/src/testkit/tests.rs".to_owned()])
        .map(|file| fs::read_to_string(repository(&file)).expect("a test").replace("\\\"", "\""))
        .collect();
    let row_of = |row: &str| -> Vec<String> {
        let (_, said) = row.trim_matches(['|', ' ']).split_once(" | ").expect("two columns");
        said.split("``").skip(1).step_by(2).map(|words| words.trim().to_owned()).collect()
    };
    for row in rows {
        let said = row_of(row);
        assert!(!said.is_empty(), "says nothing: {row}");
        for words in said {
            assert!(tests.contains(&words), "no test expects `{words}`");
        }
    }
}
