//! Every turn of the assistant, scored and trained on: losses and IFD as transformers has them, and
//! plugins that know nothing of it.

use crate::golden::{self, array};
use crate::parity;
use crate::support::{Outcome, Project, checkpoint, scores_of};
use serde_json::{Value, json};

/// A case of the golden as files, and the host about to do something with it.
struct Case {
    project: Project,
    expected: Vec<Value>,
}

impl Case {
    fn new(name: &str) -> Self {
        let golden = golden::committed("turns.json");
        let case = &golden[name];
        let project = Project::new();
        project.write("template.jinja", case["template"].as_str().expect("a template"));
        project.write("rows.json", case["rows"].to_string());
        Self { project, expected: array(case, "expected").to_vec() }
    }

    fn host(&self, arguments: &[&str]) -> Outcome {
        let mut host = self.project.host();
        host.args(arguments)
            .args(["--device", "cpu", "--data", "rows.json", "--template", "template.jinja"])
            .args(["--set", "model.dtype=float32", "--set", "data.turns=all"])
            .arg("--model")
            .arg(checkpoint("llama-tied"));
        Outcome::of(&mut host).succeeded()
    }
}

#[test]
fn losses_are_those_of_transformers() {
    for name in ["plain", "thoughts", "tools"] {
        let case = Case::new(name);
        case.host(&["score", "--plugins", "ifd", "--out", "scores.jsonl"]);
        let scores = scores_of(&case.project.read("scores.jsonl"));
        assert_eq!(scores.len(), case.expected.len());
        for (line, expected) in scores.iter().zip(&case.expected) {
            parity::check(name, line, expected);
        }
        assert_eq!(scores[0]["texts"]["turns"], "all");
    }
}

#[test]
fn a_turn_that_is_rewritten_has_a_text_of_its_own() {
    for (name, is_rewritten) in [("plain", false), ("thoughts", true)] {
        let case = Case::new(name);
        case.host(&["check", "--plugins", "ifd", "--show", "0", "--dump", "dump.jsonl"]);
        for (row, expected) in
            scores_of(&case.project.read("dump.jsonl")).iter().zip(&case.expected)
        {
            let turns = row["unconditional"].as_array().map_or(1, Vec::len);
            let texts = row["conditional"].as_array().map_or(1, Vec::len);
            assert_eq!(texts, if is_rewritten { turns } else { 1 }, "{row}");
            let all = |value: &Value| value.as_array().cloned().unwrap_or(vec![value.clone()]);
            let scored = |key: &str| -> u64 {
                let texts = all(&row[key]);
                let ranges = texts.iter().flat_map(|text| array(text, "scored"));
                ranges.map(|it| it[1].as_u64().unwrap() - it[0].as_u64().unwrap()).sum()
            };
            let tokens = expected["tokens"].as_u64().expect("a count");
            assert_eq!((scored("conditional"), scored("unconditional")), (tokens, tokens), "{row}");
        }
    }
}

#[test]
fn a_run_trains_on_every_turn() {
    let case = Case::new("thoughts");
    case.host(&[
        "--plugins",
        "ifd,diversity",
        "--ratio",
        "3",
        "--out",
        "run",
        "--set",
        "train.epochs=2",
    ]);
    let manifest: Value = serde_json::from_str(&case.project.read("run/manifest.json")).unwrap();
    let texts = json!({"texts": "template", "turns": "all", "template_frames": 6,
                       "header_frames": 0, "no_frames": 0});
    assert_eq!(manifest["texts"], texts);
    let losses = scores_of(&case.project.read("run/epochs/0/losses.jsonl"));
    let expected: u64 = losses
        .iter()
        .map(|line| {
            case.expected[line["id"].as_u64().unwrap() as usize]["tokens"].as_u64().unwrap()
        })
        .sum();
    let trained: u64 = losses.iter().map(|line| line["tokens"].as_u64().unwrap()).sum();
    assert_eq!((losses.len(), trained), (3, expected));
    let scores = scores_of(&case.project.read("run/epochs/0/scores.jsonl"));
    assert_eq!(scores[0]["texts"], manifest["texts"]);
    assert!(scores[1].get("texts").is_none());
}

#[test]
fn scores_of_other_rules_are_refused() {
    let case = Case::new("plain");
    case.host(&["score", "--plugins", "ifd", "--out", "scores.jsonl"]);
    let select = |turns: &str| {
        let mut host = case.project.host();
        host.args([
            "select",
            "--scores",
            "scores.jsonl",
            "--plugins",
            "diversity",
            "--budget",
            "1",
        ])
        .args(["--data", "rows.json", "--set", "data.eos_text=</s>", "--set", turns]);
        Outcome::of(&mut host)
    };
    select("data.turns=all").succeeded();
    let said = [
        "made under data.texts=template, data.turns=all",
        "has data.texts=template, data.turns=last",
    ];
    select("data.turns=last").failed(1, &said);
}
