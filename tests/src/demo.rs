//! The demo's data and model, as transformers and scikit-learn see them: texts, tokens, spans,
//! scores and picks, so that a clone proves conformity with nothing but itself.

use crate::golden::{self, array, number, numbers, positions};
use crate::parity;
use crate::support::{Outcome, Project, data, scores_of};
use iterit_core::dataset::{self, DataFormat};
use iterit_core::span::{Encoder, EncoderOptions};
use iterit_core::template::ChatTemplate;
use iterit_core::tokenizer::Tokenizer;
use serde_json::{Value, json};

#[test]
fn texts_tokens_and_spans_are_those_of_transformers() {
    let golden = golden::committed("demo.json");
    let rows = dataset::load(&[data("demo/instructions.json")], DataFormat::Auto).unwrap().rows;
    let model = data("demo/model");
    let template = ChatTemplate::choose(None, &model).unwrap();
    let tokenizer = Tokenizer::open(&model).unwrap();
    let encoder = Encoder::new(tokenizer, template, EncoderOptions::default()).unwrap();
    for expected in array(&golden, "samples") {
        let id = &expected["id"];
        let row = &rows[id.as_u64().unwrap() as usize].conversation;
        let (texts, encoded) = (encoder.texts(row).unwrap(), encoder.encode(row).unwrap());
        for (name, texts, sequences) in [
            ("conditional", texts.conditional, encoded.conditional),
            ("unconditional", texts.unconditional.unwrap(), encoded.unconditional.unwrap()),
            ("training", texts.training, encoded.training),
        ] {
            let ([text], [sequence]) = (&texts[..], &sequences[..]) else { panic!("one of each") };
            let expected = &expected[name];
            assert_eq!(text.text, expected["text"], "{name} of {id}");
            let tokens: Vec<usize> = sequence.tokens.iter().map(|&it| it as usize).collect();
            assert_eq!(tokens, positions(expected, "ids"), "{name} of {id}");
            assert_eq!(json!(sequence.scored.start()), expected["start"], "{name} of {id}");
        }
    }
}

#[test]
fn scores_are_those_of_transformers() {
    let golden = golden::committed("demo.json");
    let all: Vec<Value> =
        serde_json::from_slice(&std::fs::read(data("demo/instructions.json")).unwrap()).unwrap();
    let expected = array(&golden, "samples");
    let rows: Vec<&Value> =
        expected.iter().map(|it| &all[it["id"].as_u64().unwrap() as usize]).collect();
    let project = Project::new();
    project.write("rows.json", json!(rows).to_string());
    let mut host = project.host();
    host.args(["score", "--plugins", "ifd", "--device", "cpu", "--data", "rows.json"])
        .args(["--out", "scores.jsonl", "--set", "model.dtype=float32"])
        .arg("--model")
        .arg(data("demo/model"));
    Outcome::of(&mut host).succeeded();
    let scores = scores_of(&project.read("scores.jsonl"));
    assert_eq!(scores.len(), expected.len());
    for (line, expected) in scores.iter().zip(expected) {
        parity::check("demo", line, expected);
    }
}

#[test]
fn picks_are_those_of_a_plain_greedy() {
    let golden = golden::committed("demo.json");
    let golden = &golden["picks"];
    let project = Project::new();
    let lines = numbers(golden, "scores").into_iter().enumerate().map(|(id, score)| {
        json!({"id": id, "score": score, "eligible": score < 1.0}).to_string() + "\n"
    });
    project.write("scores.jsonl", lines.collect::<String>());
    let expected = positions(golden, "selected");
    let mut host = project.host();
    host.args(["select", "--scores", "scores.jsonl", "--plugins", "diversity"])
        .args(["--budget", &expected.len().to_string(), "--out", "selection.json"])
        .args(["--set", &format!("plugins.diversity.decay={}", golden["decay"])])
        .args(["--set", &format!("data.eos_text={}", golden["eos_text"].as_str().unwrap())])
        .arg("--data")
        .arg(data("demo/instructions.json"));
    Outcome::of(&mut host).succeeded();
    let selection: Value = serde_json::from_str(&project.read("selection.json")).unwrap();
    assert_eq!(positions(&selection, "selected"), expected);
    for (value, expected) in array(&selection, "values").iter().zip(numbers(golden, "values")) {
        assert!(
            (number(value) - expected).abs() <= 1e-9 * expected,
            "{value}, expected {expected}"
        );
    }
}
