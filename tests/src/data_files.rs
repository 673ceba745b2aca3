//! Data on its way into a run: pipes, folders, texts that are too long, held-out answers that training
//! repeats.

use crate::support::{Outcome, Project, data};
use serde_json::{Value, json};
use std::process::Command;

const MODEL: &str = "demo/model";

/// A short run on this data, or another command; what it said.
fn run(project: &Project, arguments: &[&str]) -> Outcome {
    let model = data(MODEL);
    let mut host = project.host();
    host.args(arguments).arg("--model").arg(model).args(["--plugins", "random", "--ratio", "4"]);
    host.args(["--device", "cpu", "--set", "train.epochs=1"]);
    Outcome::of(&mut host)
}

fn rows(count: usize) -> Vec<Value> {
    let row =
        |i| json!({"instruction": format!("Say {i}."), "output": format!("It is the number {i}.")});
    (0..count).map(row).collect()
}

fn manifest(project: &Project, run: &str) -> Value {
    serde_json::from_str(&project.read(&format!("{run}/manifest.json"))).expect("JSON")
}

/// A pipe can be read only once, so it is hashed as it is read.
#[test]
fn data_through_a_pipe_has_its_own_hash() {
    let project = Project::new();
    project.write("data.json", Value::from(rows(12)).to_string());
    project.write("other.json", Value::from(rows(13)).to_string());
    run(&project, &["--data", "data.json", "--out", "plain"]).succeeded();
    let piped = |file: &str, more: &[&str]| {
        let host = project.host();
        let mut shell = Command::new("sh");
        let script = format!("rm -f pipe; mkfifo pipe; cat {file} > pipe & exec \"$0\" \"$@\"");
        shell.arg("-c").arg(script).arg(host.get_program());
        for (name, value) in host.get_envs() {
            shell.env(name, value.expect("a value"));
        }
        shell.current_dir(host.get_current_dir().expect("a folder"));
        shell.args(["--data", "pipe", "--out", "piped", "--plugins", "random", "--ratio", "4"]);
        shell.arg("--model").arg(data(MODEL)).args(["--device", "cpu", "--set", "train.epochs=1"]);
        Outcome::of(shell.args(more))
    };
    piped("data.json", &[]).succeeded();
    let plain = &manifest(&project, "plain")["sha256"]["data.json"];
    assert!(plain.is_string());
    assert_eq!(&manifest(&project, "piped")["sha256"]["pipe"], plain);
    piped("other.json", &["--resume"]).failed(1, &["the run to resume was begun with", "pipe"]);
}

#[test]
fn a_folder_is_read_and_what_of_it_is_said() {
    let project = Project::new();
    let lines = |rows: &[Value]| rows.iter().map(|row| format!("{row}\n")).collect::<String>();
    let all = rows(12);
    project.write("set/data/train-00000-of-00002.jsonl", lines(&all[..7]));
    project.write("set/data/train-00001-of-00002.jsonl", lines(&all[7..]));
    project.write("set/data/test-00000-of-00001.jsonl", lines(&rows(3)));
    let told = run(&project, &["--data", "set", "--out", "run"]).succeeded().stderr;
    assert!(told.contains("the split `train` is read, 2 files; left out: `test`"), "{told}");
    let manifest = manifest(&project, "run");
    assert_eq!(manifest["num_samples"], 12);
    let files: Vec<&str> = manifest["sha256"]
        .as_object()
        .expect("hashes")
        .keys()
        .filter_map(|path| path.strip_prefix("set/data/"))
        .collect();
    assert_eq!(files, ["train-00000-of-00002.jsonl", "train-00001-of-00002.jsonl"]);
}

#[test]
fn texts_that_are_too_long_are_cut_or_dropped() {
    let project = Project::new();
    let mut all = rows(12);
    all[3]["output"] = "many words ".repeat(80).into();
    project.write("data.json", Value::from(all).to_string());
    let check = |more: &[&str]| {
        let window = ["check", "--data", "data.json", "--set", "model.max_length=96"];
        run(&project, &[&window, more].concat()).succeeded()
    };
    assert!(check(&[]).stdout.contains("samples     12,"));
    let dropped = check(&["--set", "data.too_long=drop"]);
    assert!(dropped.stdout.contains("samples     11,"), "{dropped}");
    assert!(dropped.stderr.contains("1 samples are left out"), "{dropped}");
}

/// `check` says what the run will say: that words do not fit the texts.
#[test]
fn texts_that_published_words_hardly_fit_are_told_of() {
    let project = Project::new();
    let row = |i| json!({"instruction": "选一个", "output": format!("我们选第{i}个苹果")});
    project.write("data.json", Value::from((0..12).map(row).collect::<Vec<_>>()).to_string());
    let check = |more: &[&str]| {
        let arguments =
            ["check", "--data", "data.json", "--set", "selection.plugins=[\"diversity\"]"];
        let mut host = project.host();
        host.args(arguments).args(more).arg("--model").arg(data(MODEL)).args(["--ratio", "4"]);
        Outcome::of(&mut host).succeeded().stderr
    };
    let told = check(&[]);
    assert!(told.contains("of 12 responses 12 are in scripts without spaces"), "{told}");
    let told = check(&["--set", "plugins.diversity.analyzer=unicode"]);
    assert!(!told.contains("hardly fits"), "{told}");
}

#[test]
fn held_out_answers_that_training_repeats_are_told() {
    let project = Project::new();
    let mut all = rows(20);
    let answer = "The river rises in the hills and falls into the sea after a hundred miles.";
    all[4]["output"] = answer.into();
    all[19]["output"] = answer.to_uppercase().into();
    project.write("data.json", Value::from(all).to_string());
    let told = |more: &[&str]| {
        let share = ["check", "--data", "data.json", "--set", "data.eval_fraction=0.1"];
        run(&project, &[&share, more].concat()).succeeded().stderr
    };
    let said = "1 of 2 held-out responses are nearly repeated by 1 of those trained on, such as held-out \
                sample 1 by sample 4";
    assert!(told(&[]).contains(said), "{}", told(&[]));
}
