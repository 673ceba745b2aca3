//! `output.observers` by the whole program: what programs are told, that none of them can break a run,
//! and the Python package's scorer steering one.

use crate::support::{Outcome, Project, data};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// Writes what it is told to the file that it is given.
const SCRIBE: &str = "import sys\nwith open(sys.argv[1], 'w') as out:\n    for line in sys.stdin:\n        \
                      out.write(line)\n    out.write(\"closed\\n\")\n";

fn train(project: &Project, out: &str, more: &[&str]) -> Command {
    let mut host = project.host();
    host.args(["--ratio", "24", "--device", "cpu", "--out", out])
        .args(["--model".as_ref(), data("demo/model").as_os_str()])
        .args(["--data".as_ref(), data("demo/instructions.json").as_os_str()])
        .args(["--set", "train.batch=4", "--set", "train.epochs=2"])
        .args(["--set", "data.eval_fraction=0.01"])
        .args(more);
    host
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

#[test]
fn an_observer_is_told_everything_that_is_recorded() {
    let project = Project::new();
    project.write("my logger.py", SCRIBE);
    let observers = "output.observers=[\"python3 'my logger.py' told\"]";
    let plugins = ["--plugins", "random", "--set", observers, "--set", "train.eval_every=5"];
    Outcome::of(&mut train(&project, "runs/mine", &plugins)).succeeded();

    let told = project.read("told");
    let told = lines(told.strip_suffix("closed\n").expect("its stdin was closed"));
    let begin = &told[0];
    assert_eq!((&begin["event"], &begin["name"]), (&"begin".into(), &"mine".into()));
    assert_eq!((&begin["version"], &begin["step"]), (&1.into(), &0.into()));
    assert_eq!(begin["total_steps"], 12);
    assert_eq!(begin["config"]["train.batch"], 4);
    assert!(begin["folder"].as_str().is_some_and(|it| it.ends_with("/runs/mine")), "{begin}");
    let last = told.last().expect("some");
    assert_eq!((&last["event"], &last["outcome"]), (&"end".into(), &"finished".into()));

    let of = |event: &str| told.iter().filter(|it| it["event"] == event).collect::<Vec<_>>();
    let steps = lines(&project.read("runs/mine/metrics.jsonl"));
    assert_eq!((of("step").len(), of("epoch").len(), told.len()), (12, 2, 18));
    let evaluations = lines(&project.read("runs/mine/evaluations.jsonl"));
    for (told, at) in of("evaluation").iter().zip([5, 10]) {
        let record = evaluations.iter().find(|it| it["step"] == at).expect("an evaluation");
        assert_eq!((&told["record"], &told["step"]), (record, &(at - 1).into()));
        assert_eq!(told["metrics"]["eval/loss"], record["loss"]);
    }
    for (told, step) in of("step").iter().zip(&steps) {
        assert_eq!((&told["record"], &told["step"]), (step, &step["step"]));
        for (name, field) in [
            ("train/loss", "loss"),
            ("train/learning_rate", "lr"),
            ("train/grad_norm", "grad_norm"),
        ] {
            assert_eq!(told["metrics"][name], step[field], "{name}");
        }
    }
    for (number, told) in of("epoch").iter().enumerate() {
        let summary = project.read(&format!("runs/mine/epochs/{number}/summary.json"));
        let summary: Value = serde_json::from_str(&summary).expect("JSON");
        assert_eq!(told["record"], summary);
        assert_eq!(told["metrics"]["eval/loss"], summary["eval_loss"]);
        assert_eq!(told["metrics"]["selection/picked"], 24.0);
    }
}

#[test]
fn no_observer_breaks_a_run() {
    let project = Project::new();
    let observers = "output.observers=[\"no-such-program\", \"sh -c 'echo no token >&2; exit 3'\", \
                     \"sh -c 'read -r line; echo heard; exit 0'\", \"sh -c 'cat > /dev/null; exit 4'\"]";
    let plugins = ["--plugins", "random"];
    let watched = [&plugins[..], &["--set", observers]].concat();
    let outcome = Outcome::of(&mut train(&project, "watched", &watched)).succeeded();
    for said in [
        "observer `no-such-program` cannot be started: ",
        "ended (exit status: 3); the end of `",
        "\n  no token",
        "ended (exit status: 0); the end of `",
        "; the run goes on without it",
        "`sh -c 'cat > /dev/null; exit 4'` ended (exit status: 4)",
    ] {
        assert!(outcome.stderr.contains(said), "does not say `{said}`\n{outcome}");
    }
    assert_eq!(project.read("watched/observers/2.log"), "heard\n");
    Outcome::of(&mut train(&project, "alone", &plugins)).succeeded();
    let weights = |run| std::fs::read(project.path(run).join("model/model.safetensors")).unwrap();
    assert!(weights("watched") == weights("alone"), "what a run does depends on who hears of it");
}

#[test]
fn a_command_that_is_none_is_refused() {
    let project = Project::new();
    let mut host = train(&project, "run", &["--set", "output.observers=python 'logger.py"]);
    Outcome::of(&mut host).failed(1, &["`output.observers` is ", "expected a command such as"]);
}

/// Ten lines of Python, by the package in `host/python`.
#[test]
fn a_scorer_in_python_steers_a_run() {
    let project = Project::new();
    let scorer = "from iterit import scorer\n\n@scorer\ndef words(samples):\n    print('scores', \
                  len(samples))\n    return [len(it.response.split()) for it in samples]\n\n\
                  words.serve()\n";
    project.write("words.py", scorer);
    let command = "plugins.exec.command=[\"python3\", \"words.py\"]";
    let mut host = train(&project, "run", &["--plugins", "exec", "--set", command]);
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/python");
    Outcome::of(host.env("PYTHONPATH", package)).succeeded();
    let data = std::fs::read_to_string(data("demo/instructions.json")).expect("the data");
    let rows: Vec<Value> = serde_json::from_str(&data).expect("JSON");
    let words = |id: &Value| {
        let row = &rows[id.as_u64().expect("an id") as usize];
        row["output"].as_str().expect("a text").split_whitespace().count()
    };
    let scores = lines(&project.read("run/epochs/0/scores.jsonl"));
    assert!(scores.iter().all(|line| line["score"] == words(&line["id"]) as f64));
    let picks: Value =
        serde_json::from_str(&project.read("run/epochs/0/selection.json")).expect("JSON");
    let picked = picks["selected"].as_array().expect("ids").iter().map(words).min();
    let mut all: Vec<usize> = scores.iter().map(|line| words(&line["id"])).collect();
    all.sort_unstable();
    assert_eq!(picked, Some(all[all.len() - 24]), "the longest are picked");
}

/// The package's own tests that need nothing but Python.
#[test]
fn the_python_package_tests_itself() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/python");
    let mut python = Command::new("python3");
    python
        .args(["-m", "unittest", "discover", "--start-directory", "tests"])
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(package);
    Outcome::of(&mut python).succeeded();
}
