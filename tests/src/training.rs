//! The main job on the demo's model and data: what a run leaves, that it can be interrupted and
//! resumed, that its model loads again.

use crate::support::{Outcome, Project, data};
use serde_json::Value;
use std::process::{Command, Stdio};
use std::time::Duration;

fn train(project: &Project, out: &str, more: &[&str]) -> Command {
    train_by(project, "ifd,diversity", out, more)
}

fn train_by(project: &Project, plugins: &str, out: &str, more: &[&str]) -> Command {
    let mut host = project.host();
    host.args(["--plugins", plugins, "--ratio", "40", "--device", "cpu", "--out", out])
        .args(["--model".as_ref(), data("demo/model").as_os_str()])
        .args(["--data".as_ref(), data("demo/instructions.json").as_os_str()])
        .args(["--set", "train.batch=4", "--set", "train.learning_rate=1e-3"])
        .args(more);
    host
}

/// A line of JSON without what the clock puts into it.
fn timeless(line: &str) -> Value {
    let mut value: Value = serde_json::from_str(line).expect("JSON");
    for clock in ["tokens_per_second", "seconds"] {
        value.as_object_mut().expect("an object").remove(clock);
    }
    value
}

fn lines(project: &Project, name: &str) -> Vec<Value> {
    project.read(name).lines().map(timeless).collect()
}

#[test]
fn a_run_leaves_what_it_says() {
    let project = Project::new();
    let outcome = Outcome::of(&mut train(&project, "run", &["--set", "data.eval_fraction=0.05"]));
    let outcome = outcome.succeeded();
    assert_eq!(outcome.stdout, "model   run/model\nreport  run/report.html\n");
    for said in [
        "estimate: scoring all samples",
        "epoch 0: picked 40, rescored 1900",
        "`iterative` is added",
    ] {
        assert!(outcome.stderr.contains(said), "{outcome}");
    }
    let files = project.files();
    for name in [
        "config.toml",
        "manifest.json",
        "metrics.jsonl",
        "report.html",
        "epochs/2/scores.jsonl",
        "epochs/2/selection.json",
        "epochs/2/losses.jsonl",
        "model/model.safetensors",
        "model/config.json",
        "model/tokenizer.json",
        "model/chat_template.jinja",
        "model/generation_config.json",
        "checkpoints/step-30/state.json",
    ] {
        assert!(files.contains(&format!("run/{name}")), "no {name} in {files:?}");
    }
    let metrics = lines(&project, "run/metrics.jsonl");
    assert_eq!(metrics.len(), 30, "⌈40 / 4⌉ steps in each of 3 epochs");
    let summary: Value = serde_json::from_str(&project.read("run/epochs/2/summary.json")).unwrap();
    assert_eq!(summary["rescored"], 120, "three times the budget");
    assert!(summary["eval_loss"].as_f64().is_some_and(|loss| loss > 0.0), "{summary}");

    // The model it leaves is one it can begin with, under the template it was trained with.
    let mut eval = project.host();
    eval.args(["eval", "--model", "run/model", "--device", "cpu"])
        .args(["--data".as_ref(), data("demo/instructions.json").as_os_str()]);
    let evaluated: Value =
        serde_json::from_str(&Outcome::of(&mut eval).succeeded().stdout).unwrap();
    assert_eq!(evaluated["samples"], 2000);
}

#[test]
fn the_same_command_gives_the_same_run() {
    let project = Project::new();
    for out in ["one", "two"] {
        Outcome::of(&mut train(&project, out, &[])).succeeded();
    }
    assert_eq!(lines(&project, "one/metrics.jsonl"), lines(&project, "two/metrics.jsonl"));
    let weights =
        |run| std::fs::read(project.path(&format!("{run}/model/model.safetensors"))).unwrap();
    assert!(weights("one") == weights("two"), "the weights differ");
}

#[test]
fn an_interrupted_run_goes_on_as_if_it_had_not_been() {
    let project = Project::new();
    Outcome::of(&mut train(&project, "whole", &[])).succeeded();
    let mut begun = train(&project, "cut", &[]).stderr(Stdio::piped()).spawn().expect("a process");
    // In the midst of the second epoch: after its selection, before its summary.
    let deadline = std::time::Instant::now() + Duration::from_secs(300);
    while !project.path("cut/epochs/1/selection.json").exists() {
        assert!(std::time::Instant::now() < deadline, "the run does not come to its second epoch");
        std::thread::sleep(Duration::from_millis(5));
    }
    let interrupted =
        Command::new("kill").args(["-INT", &begun.id().to_string()]).status().expect("kill");
    assert!(interrupted.success());
    assert_eq!(begun.wait().expect("an end").code(), Some(130));
    assert!(!project.path("cut/model").exists());

    Outcome::of(&mut train(&project, "cut", &["--resume"])).succeeded();
    assert_eq!(lines(&project, "cut/metrics.jsonl"), lines(&project, "whole/metrics.jsonl"));
    for epoch in 0..3 {
        let scores = |run: &str| project.read(&format!("{run}/epochs/{epoch}/scores.jsonl"));
        assert_eq!(scores("cut"), scores("whole"));
    }
    let weights =
        |run| std::fs::read(project.path(&format!("{run}/model/model.safetensors"))).unwrap();
    assert!(weights("cut") == weights("whole"), "the weights differ");
}

/// `output.model = "best"` leaves the weights of the lowest held-out loss, and so does `export`.
#[test]
fn the_best_weights_are_left_where_they_are_asked_for() {
    let project = Project::new();
    // Steps so long that the held-out loss rises in the end.
    let sets = ["train.learning_rate=0.03", "train.eval_every=3", "train.patience=4"];
    let sets = [&sets[..], &["data.eval_fraction=0.05", "output.model=best", "output.keep=1"]];
    let sets: Vec<&str> = sets.concat().into_iter().flat_map(|set| ["--set", set]).collect();
    let outcome = Outcome::of(&mut train_by(&project, "random", "run", &sets)).succeeded();
    let evaluations = lines(&project, "run/evaluations.jsonl");
    let loss = |line: &Value| line["loss"].as_f64().expect("a loss");
    let lowest = evaluations.iter().min_by(|a, b| loss(a).total_cmp(&loss(b))).expect("some");
    let best = lowest["step"].as_u64().expect("a step");
    let last = evaluations.last().expect("some")["step"].as_u64().expect("a step");
    assert!(best < last, "the last is no better: {evaluations:?}");
    assert!(outcome.stderr.contains(&format!("those after {best} of {last} steps")), "{outcome}");
    let checkpoints: Vec<u64> = std::fs::read_dir(project.path("run/checkpoints"))
        .expect("checkpoints")
        .filter_map(|it| it.ok()?.file_name().to_str()?.strip_prefix("step-")?.parse().ok())
        .collect();
    assert!(checkpoints.contains(&best) && checkpoints.len() == 2, "{checkpoints:?}");

    let weights = |folder: &str| {
        std::fs::read(project.path(&format!("{folder}/model.safetensors"))).expect("weights")
    };
    project.run(["export", "run", "--out", "best"]).succeeded();
    project.run(["export", "run", "--out", "last", "--step", &last.to_string()]).succeeded();
    assert!(weights("best") == weights("run/model"), "the export has other weights");
    assert!(weights("last") != weights("run/model"), "the last weights are the best");
    // A finished run that is resumed leaves the same once more.
    Outcome::of(train_by(&project, "random", "run", &sets).arg("--resume")).succeeded();
    assert!(weights("best") == weights("run/model"), "a resume leaves other weights");
}

#[test]
fn what_goes_by_held_out_samples_needs_some() {
    let project = Project::new();
    let sets = ["--set", "train.patience=2", "--set", "output.model=best"];
    Outcome::of(&mut train_by(&project, "random", "run", &sets)).failed(
        1,
        &[
            "train.patience goes by the held-out loss, and no samples are held out",
            "output.model = \"best\" goes by the held-out loss",
            "hint: --set data.eval_fraction=0.05",
        ],
    );
    assert!(!project.path("run").exists());
}

#[test]
fn every_published_baseline_runs() {
    let project = Project::new();
    for plugins in ["ifd,static", "full", "random", "static-random", "length,static", "diversity"] {
        let out = plugins.replace(',', "-");
        let short = ["--set", "train.epochs=1", "--set", "data.eval_fraction=0.9"];
        Outcome::of(&mut train_by(&project, plugins, &out, &short)).succeeded();
    }
}
