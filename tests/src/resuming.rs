//! A run goes on as itself or not at all: what a resume refuses, what it may change, and what is
//! left behind for it to put right.

use crate::support::{Outcome, Project, data};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Ten rows whose first output is `first`.
fn rows(first: &str) -> String {
    let output = |row: usize| match row {
        0 => first.to_owned(),
        row => format!("alpha beta gamma {row}"),
    };
    let row =
        |row| json!({"instruction": format!("say {row}"), "input": "", "output": output(row)});
    Value::from_iter((0..10).map(row)).to_string()
}

fn scores(of_first: f64) -> String {
    let score = |id: u32| if id == 0 { of_first } else { f64::from(id) };
    (0..10).map(|id| json!({"id": id, "score": score(id)}).to_string() + "\n").collect()
}

/// A folder with data, scores and a model, of which a copy lies elsewhere.
fn project() -> Project {
    let project = Project::new();
    project.write("data.json", rows("first"));
    project.write("scores.jsonl", scores(0.5));
    for folder in ["model", "elsewhere/model"] {
        for entry in std::fs::read_dir(data("demo/model")).expect("the demo's model") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            project.write(&format!("{folder}/{name}"), std::fs::read(&path).expect("a file"));
        }
    }
    project
}

/// The run of these tests: one epoch of two steps.
fn train(project: &Project, more: &[&str]) -> Command {
    train_by(project, "scores,static", more)
}

fn train_by(project: &Project, plugins: &str, more: &[&str]) -> Command {
    let mut host = project.host();
    host.args(["--plugins", plugins, "--ratio", "4", "--device", "cpu", "--out", "run"])
        .args(["--model", "model", "--data", "data.json"])
        .args(["--set", "plugins.scores.path=scores.jsonl", "--set", "train.epochs=1"])
        .args(["--set", "train.batch=2", "--set", "output.save_every=1"])
        .args(more);
    host
}

fn resume(project: &Project, more: &[&str]) -> Outcome {
    Outcome::of(train(project, &["--resume"]).args(more))
}

fn manifest(project: &Project) -> Value {
    serde_json::from_str(&project.read("run/manifest.json")).expect("a manifest")
}

fn change(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).expect("a file");
    assert!(text.contains(from), "no `{from}` in `{}`", path.display());
    std::fs::write(path, text.replacen(from, to, 1)).expect("a file");
}

#[test]
fn whatever_makes_another_run_is_refused_at_once_with_both_values() {
    let project = project();
    Outcome::of(&mut train(&project, &[])).succeeded();
    let before = [project.read("run/config.toml"), project.read("run/manifest.json")];

    // Other data of equal length, another model with another template, other options and their files.
    project.write("other.json", rows("other"));
    project.write("scores.jsonl", scores(0.7));
    change(&project.path("elsewhere/model/tokenizer_config.json"), "{% for", "{# other #}{% for");
    let refused = resume(
        &project,
        &[
            "--set",
            "data.path=other.json",
            "--set",
            "model.path=elsewhere/model",
            "--set",
            "seed=7",
            "--set",
            "train.learning_rate=0.5",
            "--set",
            "train.schedule=constant",
            "--set",
            "train.max_grad_norm=inf",
            "--set",
            "selection.weights.scores=2",
            "--set",
            "plugins.scores.field=score",
        ],
    );
    let refused = refused.failed(
        1,
        &[
            "was begun with seed 42, now it is 7",
            "was begun with train.learning_rate 0.00002, now it is 0.5",
            "was begun with train.schedule \"cosine\", now it is \"constant\"",
            "was begun with train.max_grad_norm 1.0, now it is \"inf\"",
            "was begun with selection.weights.scores unset, now it is 2.0",
            "was begun with plugins.scores.field unset, now it is \"score\"",
            "was begun with plugins.scores.path `scores.jsonl` of sha256 ",
            "was begun with data.path[0] `data.json` of sha256 ",
            "now it is `other.json` of sha256 ",
            "was begun with data.template `model/tokenizer_config.json` of sha256 ",
            "was begun with model.path/tokenizer_config.json `model/tokenizer_config.json` of sha256 ",
            "hint: resume with what it was begun with, or begin another run",
        ],
    );
    let faults = refused.stderr.matches("was begun with").count();
    assert_eq!(faults, 10 + 1, "each once, and the hint\n{refused}");
    assert_eq!([project.read("run/config.toml"), project.read("run/manifest.json")], before);

    project.write("scores.jsonl", scores(0.5));
    Outcome::of(&mut train_by(&project, "scores,random", &["--resume"])).failed(
        1,
        &["selection.plugins [\"scores\",\"static\"], now it is [\"scores\",\"random\"]"],
    );
    resume(&project, &[]).succeeded();
}

#[test]
fn a_key_nobody_thought_of_is_part_of_the_identity() {
    let project = project();
    Outcome::of(&mut train(&project, &[])).succeeded();
    let path = project.path("run/manifest.json");
    change(&path, "\"train.epochs\": 1", "\"train.epochs\": 1,\n      \"train.of_tomorrow\": true");
    resume(&project, &[]).failed(1, &["was begun with train.of_tomorrow true, now it is unset"]);
}

#[test]
fn what_no_result_depends_on_may_change() {
    let project = project();
    Outcome::of(&mut train(&project, &[])).succeeded();
    let whole = project.read("run/metrics.jsonl");
    assert_eq!(manifest(&project).get("resumed"), None);
    std::fs::rename(project.path("data.json"), project.path("moved.json")).expect("a move");
    std::fs::rename(project.path("run"), project.path("moved")).expect("a move");
    let sets = ["data.path=moved.json", "model.path=elsewhere/model", "output.path=moved"];
    let sets = [&sets[..], &["output.save_every=0", "output.keep=1"]].concat();
    let sets: Vec<&str> = sets.into_iter().flat_map(|set| ["--set", set]).collect();
    let outcome = resume(&project, &sets).succeeded();
    assert!(!outcome.stderr.contains("warning: the run goes on"), "{outcome}");
    assert_eq!(project.read("moved/metrics.jsonl"), whole);
    let config = project.read("moved/config.toml");
    assert!(config.contains("moved.json") && config.contains("keep = 1"), "{config}");
    project.run(["report", "moved"]).succeeded();
}

#[test]
fn other_threads_libtorch_or_program_are_warned_of_and_recorded() {
    let project = project();
    Outcome::of(&mut train(&project, &[])).succeeded();
    let environment = manifest(&project)["environment"].clone();
    for part in ["iterit", "program", "libtorch", "processor", "device"] {
        assert!(environment[part].as_str().is_some_and(|text| !text.is_empty()), "{environment}");
    }
    assert_eq!(environment["threads"], 1);
    let path = project.path("run/manifest.json");
    let libtorch = environment["libtorch"].as_str().expect("a version").to_owned();
    change(&path, &format!("\"libtorch\": \"{libtorch}\""), "\"libtorch\": \"1.0\"");
    let mut resumed = train(&project, &["--resume", "--set", "train.micro_batch=1"]);
    let outcome = Outcome::of(resumed.env("OMP_NUM_THREADS", "2")).succeeded();
    for said in [
        "warning: the run goes on otherwise than it was begun",
        "train.micro_batch \"auto\", now it is 1",
        &format!("libtorch 1.0, now it is {libtorch}"),
        "threads 1, now it is 2",
    ] {
        assert!(outcome.stderr.contains(said), "{outcome}");
    }
    let manifest = manifest(&project);
    let changed = &manifest["resumed"][0]["changed"];
    assert_eq!(manifest["resumed"][0]["step"], 2);
    assert_eq!(changed[0], json!({"what": "train.micro_batch", "begun": "\"auto\"", "now": "1"}));
    assert_eq!(changed.as_array().map(Vec::len), Some(3), "{changed}");
    assert_eq!(manifest["environment"]["threads"], 2);
}

/// Folders of versions that knew neither identities nor `train.batch`.
#[test]
fn a_run_of_an_older_version_goes_on_or_is_refused_too() {
    let project = project();
    Outcome::of(&mut train(&project, &[])).succeeded();
    let mut older = manifest(&project);
    older.as_object_mut().expect("an object").remove("identity");
    older.as_object_mut().expect("an object").remove("environment");
    project.write("run/manifest.json", older.to_string());
    change(&project.path("run/config.toml"), "batch = 2", "gradient_accumulation = 2");
    let rows = project.read("data.json");
    project.write("data.json", rows.replacen("first", "frist", 1));
    resume(&project, &["--set", "train.warmup_ratio=0.5"]).failed(
        1,
        &[
            "was begun with train.warmup_ratio 0.03, now it is 0.5",
            "was begun with `data.json` of sha256 ",
        ],
    );
    project.write("data.json", rows);
    resume(&project, &[]).succeeded();
    assert_eq!(manifest(&project)["identity"]["config"]["train.batch"], 2);
}

/// What writes of a killed process leave is taken away by the next start, and nothing else is.
#[test]
fn what_a_kill_left_half_written_is_swept() {
    let project = project();
    let kept = project.write("run/.partial-of-theirs", "");
    Outcome::of(&mut train(&project, &[])).failed(1, &["`run` is not empty"]);
    std::fs::remove_file(kept).expect("a file");
    project.write("run/.partial-aB3dE6", "half a manifest");
    Outcome::of(&mut train(&project, &[])).succeeded();
    let whole = project.files();
    assert!(whole.iter().all(|name| !name.contains(".partial")), "{whole:?}");

    for name in [
        "checkpoints/.partial-aB3dE6/learner/model.safetensors",
        "checkpoints/.partial-zZ9yY8/learner/moments.safetensors",
        "epochs/0/.partial-000000",
        ".partial-model1/model.safetensors",
    ] {
        project.write(&format!("run/{name}"), "half");
    }
    // Killed in the midst of replacing a folder, on a file system that cannot swap two.
    std::fs::rename(
        project.path("run/checkpoints/step-2"),
        project.path("run/checkpoints/.replaced-step-2"),
    )
    .expect("a move");
    let theirs = project.write("run/.partial-of-theirs", "");
    resume(&project, &[]).succeeded();
    std::fs::remove_file(theirs).expect("it was left alone");
    assert_eq!(project.files(), whole);
}

#[test]
fn two_processes_do_not_work_in_one_folder() {
    let project = project();
    let long = ["--set", "train.epochs=2000"];
    let mut begun = train(&project, &long).stderr(Stdio::null()).spawn().expect("a process");
    let deadline = Instant::now() + Duration::from_secs(300);
    while !project.path("run/config.toml").exists() {
        assert!(Instant::now() < deadline, "the run does not begin");
        std::thread::sleep(Duration::from_millis(5));
    }
    let second = resume(&project, &long);
    begun.kill().expect("a kill");
    begun.wait().expect("an end");
    second.failed(1, &["another process works in `run`\nhint: wait until it has ended"]);
}

#[test]
fn metrics_that_lost_lines_are_named_with_a_way_on() {
    let project = project();
    Outcome::of(&mut train(&project, &[])).succeeded();
    let whole = project.read("run/metrics.jsonl");
    let first = whole.lines().next().expect("a line");
    project.write("run/metrics.jsonl", format!("{first}\n{{\"st"));
    resume(&project, &[]).failed(
        1,
        &[
            "`run/metrics.jsonl`: has 1 whole lines, expected 2",
            "hint: remove `run/checkpoints/step-2` to go on from step 1",
        ],
    );
    std::fs::remove_dir_all(project.path("run/checkpoints/step-2")).expect("a checkpoint");
    resume(&project, &[]).succeeded();
    assert_eq!(project.read("run/metrics.jsonl").lines().count(), 2);
}
