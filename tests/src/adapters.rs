//! Adapters on the demo's model: what a run leaves, that it is interrupted and resumed, asked, merged,
//! begun from and compared. That adapters compute as PEFT's is held in the torch crate.

use crate::support::{Outcome, Project, data};
use serde_json::Value;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const LORA: [&str; 6] = [
    "--set",
    "train.lora.rank=4",
    "--set",
    "train.lora.dropout=0.2",
    "--set",
    "train.learning_rate=1e-2",
];

fn host(project: &Project, words: &[&str]) -> Command {
    let mut host = project.host();
    host.args(words)
        .args(["--device", "cpu"])
        .args(["--model".as_ref(), data("demo/model").as_os_str()])
        .args(["--data".as_ref(), data("demo/instructions.json").as_os_str()])
        .args(["--set", "data.sources.instructions=200"]);
    host
}

fn train(project: &Project, out: &str, more: &[&str]) -> Command {
    let words = ["--plugins", "random", "--ratio", "24", "--out", out, "--set", "train.batch=4"];
    host(project, &[&words, &LORA[..], more].concat())
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

/// A line of metrics without what the clock puts into it.
fn losses(project: &Project, run: &str) -> Vec<Value> {
    let line = |line: &str| {
        let line = json(line);
        Value::from(vec![line["loss"].clone(), line["grad_norm"].clone()])
    };
    project.read(&format!("{run}/metrics.jsonl")).lines().map(line).collect()
}

fn adapter(project: &Project, run: &str) -> Vec<u8> {
    let path = project.path(&format!("{run}/model/adapter_model.safetensors"));
    std::fs::read(path).expect("an adapter")
}

fn loss(project: &Project, more: &[&str]) -> f64 {
    let outcome = Outcome::of(&mut host(project, &[&["eval"], more].concat())).succeeded();
    json(&outcome.stdout)["loss"].as_f64().expect("a loss")
}

#[test]
fn a_run_leaves_an_adapter_that_is_asked_merged_and_begun_from() {
    let project = Project::new();
    let outcome = Outcome::of(&mut train(&project, "run", &[])).succeeded();
    assert!(outcome.stderr.contains("of them trained, in float32"), "{outcome}");
    let files = project.files();
    let has = |name: &str| files.contains(&format!("run/{name}"));
    for name in ["adapter_config.json", "adapter_model.safetensors", "tokenizer.json"] {
        assert!(has(&format!("model/{name}")), "no {name} in {files:?}");
    }
    assert!(!has("model/config.json") && !has("model/model.safetensors"), "{files:?}");
    let weights = std::fs::metadata(data("demo/model/model.safetensors")).unwrap().len();
    let saved = project.path("run/checkpoints/step-18/learner/weights.safetensors");
    assert!(std::fs::metadata(saved).unwrap().len() < weights / 2, "the adapter alone is saved");

    let before = loss(&project, &[]);
    let adapted = loss(&project, &["--set", "model.adapter=run/model"]);
    assert!(adapted < before - 0.01, "{adapted} {before}");
    project.run(["export", "run", "--out", "merged", "--merge"]).succeeded();
    let mut merged = project.host();
    merged
        .args(["eval", "--device", "cpu", "--model", "merged"])
        .args(["--data".as_ref(), data("demo/instructions.json").as_os_str()])
        .args(["--set", "data.sources.instructions=200"]);
    let merged = json(&Outcome::of(&mut merged).succeeded().stdout)["loss"].as_f64().unwrap();
    assert!((merged - adapted).abs() < 1e-5, "{merged} {adapted}");
    project.run(["export", "run", "--out", "again"]).succeeded();
    assert_eq!(
        std::fs::read(project.path("again/adapter_model.safetensors")).unwrap(),
        adapter(&project, "run")
    );

    // A second run begins where the first ended, with its rank and its dropout.
    let mut second = host(
        &project,
        &["--plugins", "random", "--ratio", "8", "--out", "second", "--set", "train.epochs=1"],
    );
    second.args(["--set", "train.batch=2", "--set", "model.adapter=run/model"]);
    Outcome::of(&mut second).succeeded();
    let config = |run: &str| json(&project.read(&format!("{run}/model/adapter_config.json")));
    for field in ["r", "lora_alpha", "lora_dropout", "target_modules"] {
        assert_eq!(config("second")[field], config("run")[field]);
    }
    assert!(adapter(&project, "second") != adapter(&project, "run"), "nothing was trained");
    let mut changed = host(&project, &["--plugins", "random", "--ratio", "8", "--out", "second"]);
    changed.args(["--set", "train.epochs=1", "--set", "train.batch=2", "--resume"]);
    changed.args(["--set", "model.adapter=second/model"]);
    Outcome::of(&mut changed).failed(
        1,
        &["was begun with model.adapter/adapter_model.safetensors `run/model/adapter_model"],
    );
}

#[test]
fn an_interrupted_run_with_dropout_goes_on_as_if_it_had_not_been() {
    let project = Project::new();
    let long = ["--set", "output.save_every=1"];
    Outcome::of(&mut train(&project, "whole", &long)).succeeded();
    let mut begun = train(&project, "cut", &long).stderr(Stdio::null()).spawn().expect("a process");
    let deadline = Instant::now() + Duration::from_secs(300);
    while !project.path("cut/checkpoints/step-7").exists() {
        assert!(Instant::now() < deadline, "the run does not come to step 7");
        std::thread::sleep(Duration::from_millis(2));
    }
    begun.kill().expect("a kill");
    begun.wait().expect("an end");
    assert!(!project.path("cut/model").exists(), "it was done before it was killed");
    Outcome::of(&mut train(&project, "cut", &["--set", "train.lora.alpha=9", "--resume"]))
        .failed(1, &["was begun with train.lora.alpha unset, now it is 9.0"]);
    Outcome::of(&mut train(&project, "cut", &[&long[..], &["--resume"]].concat())).succeeded();
    assert_eq!(losses(&project, "cut"), losses(&project, "whole"));
    assert!(adapter(&project, "cut") == adapter(&project, "whole"), "the adapters differ");
}

/// What few bits cost is told by the loss; beside them an adapter is trained as beside others.
#[test]
fn a_base_in_few_bits_is_asked_and_trained_beside() {
    let project = Project::new();
    let before = loss(&project, &[]);
    for (base, most) in [("int8", 0.003), ("nf4", 0.1)] {
        let set = format!("model.base={base}");
        let rounded = loss(&project, &["--set", &set, "--set", "train.lora.rank=4"]);
        assert!((rounded - before).abs() < most && rounded != before, "{base}: {rounded} {before}");
        let outcome = Outcome::of(&mut train(&project, base, &["--set", &set])).succeeded();
        assert!(outcome.stderr.contains(&format!("in float32 over {base}")), "{outcome}");
        let adapter = format!("model.adapter={base}/model");
        let trained = loss(&project, &["--set", &set, "--set", &adapter]);
        assert!(trained < rounded - 0.01, "{base}: {trained} {rounded}");
    }
}

#[test]
fn what_says_nothing_or_says_it_twice_is_refused() {
    let project = Project::new();
    for (sets, faults) in [
        (
            &["train.lora.alpha=16", "train.lora.dropout=0.1"][..],
            &[
                "`train.lora.alpha` is set, but no adapter is trained",
                "`train.lora.dropout` is set",
            ][..],
        ),
        (
            &["model.adapter=adapter", "train.lora.rank=4", "train.lora.targets=q_proj"],
            &[
                "`train.lora.rank` is set, but `model.adapter` says it",
                "`train.lora.targets` is set",
            ],
        ),
        (&["model.adapter=nowhere"], &["`nowhere`"]),
        (&["model.base=nf4"], &["`model.base` is set, but weights in few bits cannot be trained"]),
        (
            &["train.lora.rank=4", "train.lora.targets=[\"q_proj\", \"query\"]"],
            &["train.lora.targets names `query`", "hint: its layers are `q_proj`, `k_proj`"],
        ),
    ] {
        let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
        Outcome::of(&mut host(&project, &[&["eval"], &sets[..]].concat())).failed(1, faults);
    }
    // One step, at the rate that warm-up begins with, leaves an adapter that adds nothing.
    let words = ["--plugins", "random", "--ratio", "4", "--out", "idle"];
    let mut idle = host(&project, &[&words, &LORA[..], &["--set", "train.epochs=1"]].concat());
    let said = &["every lora_B is zero, so that the adapter would change nothing"];
    Outcome::of(&mut idle).failed(1, said);
    assert!(!project.path("idle/model").exists());
    project.write("adapter/adapter_config.json", r#"{"base_model_name_or_path": "org/base"}"#);
    project
        .run(["eval", "--model", "adapter", "--data", "none.json"])
        .failed(1, &["an adapter of `org/base`", "--set model.adapter=FOLDER"]);
}

#[test]
fn a_comparison_has_arms_with_adapters() {
    let project = Project::new();
    project.write(
        "compare.toml",
        "[compare]\n\
         arms = [\n\
           { name = \"whole\", plugins = [\"random\"] },\n\
           { name = \"adapted\", plugins = [\"random\"], set = [\"train.lora.rank=4\"] },\n\
         ]\n\
         refuse = [\"random\", \"full\"]\n\
         baseline = \"whole\"\n\
         seeds = [1, 2]\n\
         resamples = 200\n",
    );
    let words = ["compare", "compare.toml", "--out", "out", "--ratio", "8"];
    let mut compare = host(&project, &words);
    compare.args(["--set", "train.epochs=1", "--set", "train.batch=4", "--jobs", "2"]);
    Outcome::of(&mut compare).succeeded();
    let files = project.files();
    for (run, file) in [("whole", "model.safetensors"), ("adapted", "adapter_model.safetensors")] {
        let name = format!("out/runs/{run}/seed-1/model/{file}");
        assert!(files.contains(&name), "no {name} in {files:?}");
    }
    // Beside a base that others use too, a run is to the byte what it is alone.
    let config = "out/runs/adapted/seed-2/config.toml";
    project.run(["--config", config, "--out", "alone"]).succeeded();
    assert!(adapter(&project, "alone") == adapter(&project, "out/runs/adapted/seed-2"));
}
