//! The host computes what transformers computes, on small random checkpoints of every architecture:
//! grouped heads, llama3 RoPE, tied and untied heads, three weight files, the `config.json` of
//! transformers 4 and 5, and text models within models that also see.
//!
//! The other direction, transformers on what the host exports, is `cargo xtask oracle`.

use crate::golden::{self, number};
use crate::support::{Outcome, Project, checkpoint, data, scores_of};
use serde_json::Value;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

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

/// The tiny checkpoints that transformers wrote, with the tokenizer of the others.
#[test]
fn losses_of_every_architecture_that_transformers_wrote() {
    let demo = data("demo/instructions.json");
    for (name, folder) in architectures() {
        let expected = golden::committed(&format!("architectures/{name}/expected.json"));
        let expected = golden::array(&expected, "samples");
        let scores = score(folder.path(), &demo, expected.len());
        for (line, expected) in scores.iter().zip(expected) {
            check(&name, line, expected);
        }
    }
}

/// Every folder of `golden/architectures`, made whole.
fn architectures() -> Vec<(String, TempDir)> {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/architectures");
    let mut names: Vec<String> = fs::read_dir(&all)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    let whole = |name: String| {
        let folder = tempfile::tempdir().expect("a folder");
        for file in ["config.json", "model.safetensors"] {
            fs::copy(all.join(&name).join(file), folder.path().join(file)).expect("a copy");
        }
        for file in ["tokenizer.json", "tokenizer_config.json"] {
            fs::copy(checkpoint("llama-tied").join(file), folder.path().join(file))
                .expect("a copy");
        }
        (name, folder)
    };
    names.into_iter().map(whole).collect()
}

/// Positions come from the architecture, wherever it keeps them, and are known before anything runs; a
/// window is no limit of length.
#[test]
fn limits_of_the_model_reach_the_texts() {
    for (name, window) in [("llama-tied", None), ("mistral", Some(20))] {
        let project = Project::new();
        let model = project.path("model");
        fs::create_dir(&model).expect("a folder");
        for file in ["model.safetensors", "tokenizer.json"] {
            fs::copy(checkpoint(name).join(file), model.join(file)).expect("a copy");
        }
        let edit = |file: &str, edit: &dyn Fn(&mut Value)| {
            let text = fs::read_to_string(checkpoint(name).join(file)).expect("a file");
            let mut value: Value = serde_json::from_str(&text).expect("JSON");
            edit(&mut value);
            fs::write(model.join(file), value.to_string()).expect("a file");
        };
        edit("tokenizer_config.json", &|value| value["model_max_length"] = Value::Null);
        edit("config.json", &|value| {
            value["max_position_embeddings"] = 100.into();
            value["sliding_window"] = window.into();
        });
        let data = data("demo/instructions.json");
        let model = model.to_str().expect("a path");
        let data = data.to_str().expect("a path");
        let common = ["--plugins", "ifd", "--model", model, "--data", data, "--device", "cpu"];
        let checked = project.run(["check"].iter().chain(&common)).succeeded();
        assert!(checked.stdout.contains("texts cut at 100 tokens"), "{name}: {checked}");
        let scored = ["score", "--limit", "20", "--out", "scores.jsonl"];
        project.run(scored.iter().chain(&common)).succeeded();
        let long = ["check", "--set", "model.max_length=101"];
        let said = ["`model.max_length` is 101, but the model has 100 positions"];
        project.run(long.iter().chain(&common)).failed(1, &said);
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
