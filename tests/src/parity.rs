//! The host computes what transformers computes, on small random checkpoints of every architecture:
//! grouped heads, llama3 RoPE, tied and untied heads, three weight files, the `config.json` of
//! transformers 4 and 5.
//!
//! The other direction, transformers on what the host exports, is `cargo xtask oracle`.

use crate::golden::{self, number};
use crate::support::{Outcome, Project, checkpoint, data, scores_of};
use serde_json::Value;
use std::path::Path;

/// Relative; transformers answered in float64, the host in float32.
const TOLERANCE: f64 = 1e-5;

#[test]
fn losses_of_every_architecture() {
    let demo = data("demo/instructions.json");
    for name in ["llama-tied", "llama-untied", "llama-untied-5", "mistral", "qwen2", "qwen3"] {
        let expected = golden::committed(&format!("models/{name}/expected.json"));
        let expected = golden::array(&expected, "samples");
        let scores = score(&checkpoint(name), &demo, expected.len());
        for (line, expected) in scores.iter().zip(expected) {
            check(name, line, expected);
        }
    }
}

#[test]
fn both_styles_of_configuration_mean_the_same() {
    let demo = data("demo/instructions.json");
    let [four, five] =
        ["llama-untied", "llama-untied-5"].map(|name| score(&checkpoint(name), &demo, 4));
    assert_eq!(four, five);
}

/// A line of `score` against what transformers says of the sample.
pub(crate) fn check(name: &str, line: &Value, expected: &Value) {
    let parts = &line["parts"]["ifd"];
    let pairs = [
        (&line["score"], &expected["ifd"]),
        (&parts["conditional_nll"], &expected["conditional_nll"]),
        (&parts["unconditional_nll"], &expected["unconditional_nll"]),
    ];
    for (found, expected) in pairs {
        let (found, expected) = (number(found), number(expected));
        let is_close = (found - expected).abs() <= TOLERANCE * expected;
        assert!(is_close, "{name}: {found}, expected {expected}: {line}");
    }
    assert_eq!(number(&parts["tokens"]), number(&expected["tokens"]), "{name}: {line}");
    assert_eq!(line["eligible"], number(&expected["ifd"]) < 1.0, "{name}: {line}");
}

fn score(model: &Path, data: &Path, limit: usize) -> Vec<Value> {
    let project = Project::new();
    let mut host = project.host();
    host.args(["score", "--plugins", "ifd", "--device", "cpu", "--out", "scores.jsonl"])
        .args(["--limit", &limit.to_string(), "--set", "model.dtype=float32"])
        .arg("--model")
        .arg(model)
        .arg("--data")
        .arg(data);
    Outcome::of(&mut host).succeeded();
    let scores = scores_of(&project.read("scores.jsonl"));
    assert_eq!(scores.len(), limit);
    scores
}
