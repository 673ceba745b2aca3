//! Every scorer of the platform by the whole program, against other programs: losses of the demo's
//! samples by transformers, near-duplicates by comparing all pairs in Python.

use crate::golden::{self, array, number, numbers, positions, texts};
use crate::support::{Outcome, Project, checkpoint, data, scores_of};
use serde_json::{Value, json};

/// Losses in the golden are transformers' own float32 forward.
const TOLERANCE: f64 = 1e-4;

/// The demo's samples of the golden, scored by one plugin with these settings.
fn score(golden: &Value, plugin: &str, model: &str, settings: &[String]) -> Vec<Value> {
    let all: Vec<Value> =
        serde_json::from_slice(&std::fs::read(data("demo/instructions.json")).expect("the demo"))
            .expect("JSON");
    let id = |sample: &Value| sample["id"].as_u64().expect("an id") as usize;
    let rows: Vec<&Value> = array(golden, "samples").iter().map(|it| &all[id(it)]).collect();
    let project = Project::new();
    project.write("rows.json", json!(rows).to_string());
    let mut host = project.host();
    host.args(["score", "--plugins", plugin, "--device", "cpu", "--data", "rows.json"]).args([
        "--out",
        "scores.jsonl",
        "--set",
        "model.dtype=float32",
        "--model",
        model,
    ]);
    for setting in settings {
        host.args(["--set", setting]);
    }
    Outcome::of(&mut host).succeeded();
    scores_of(&project.read("scores.jsonl"))
}

/// The proxy's texts are cut where the model's are; so by the same model the score is the same.
#[test]
fn the_proxy_is_read_under_the_same_settings() {
    let golden = golden::committed("demo.json");
    let demo = data("demo/model").display().to_string();
    let cut = vec!["model.max_length=48".to_owned()];
    let by_model = score(&golden, "ifd", &demo, &cut);
    let settings = [cut, vec![format!("model.proxy={demo}")]].concat();
    let by_proxy = score(&golden, "superfilter", &demo, &settings);
    let tokens = |line: &Value, scorer: &str| line["parts"][scorer]["tokens"].clone();
    assert!(by_model.iter().any(|line| line["score"].is_number()), "the cut leaves some");
    for (one, other) in by_model.iter().zip(&by_proxy) {
        assert_eq!(one["score"], other["score"], "{one} {other}");
        assert_eq!(tokens(one, "ifd"), tokens(other, "superfilter"), "{one} {other}");
    }
}

/// Scores a sample by what transformers says of it.
type Definition = fn(&Value) -> f64;

fn conditional(sample: &Value) -> f64 {
    number(&sample["conditional_nll"])
}

fn unconditional(sample: &Value) -> f64 {
    number(&sample["unconditional_nll"])
}

fn ifd(sample: &Value) -> f64 {
    number(&sample["ifd"])
}

#[test]
fn scores_are_what_the_definitions_make_of_the_losses_of_transformers() {
    let golden = golden::committed("demo.json");
    let demo = data("demo/model").display().to_string();
    // The model being trained is another, so that only the proxy can have answered.
    let other = checkpoint("llama-untied").display().to_string();
    let python = format!("{}/../plugins/exec/examples/ifd.py", env!("CARGO_MANIFEST_DIR"));
    let python = format!("plugins.exec-loss.command=[\"python3\", {python:?}]");
    let cases: [(&str, &str, Vec<String>, Definition); 9] = [
        ("loss", &demo, vec![], conditional),
        ("loss", &demo, vec!["plugins.loss.given=nothing".into()], unconditional),
        ("ppl", &demo, vec![], |it| conditional(it).exp()),
        ("ppl", &demo, vec!["plugins.ppl.given=nothing".into()], |it| unconditional(it).exp()),
        ("ifd", &demo, vec!["plugins.ifd.definition=ppl_ratio".into()], ifd),
        ("ifd", &demo, vec!["plugins.ifd.definition=loss_ratio".into()], |it| {
            conditional(it) / unconditional(it)
        }),
        ("superfilter", &other, vec![format!("model.proxy={demo}")], ifd),
        ("exec-loss", &demo, vec![python], ifd),
        ("length", &demo, vec![], |it| it["tokens"].as_f64().expect("a count")),
    ];
    for (plugin, model, settings, definition) in cases {
        let lines = score(&golden, plugin, model, &settings);
        let samples = array(&golden, "samples");
        assert_eq!(lines.len(), samples.len());
        for (line, sample) in lines.iter().zip(samples) {
            let (found, expected) = (number(&line["score"]), definition(sample));
            let is_close = (found - expected).abs() <= TOLERANCE * expected.abs();
            assert!(is_close, "{plugin} {settings:?}: {found}, expected {expected}: {line}");
        }
    }
}

#[test]
fn dedup_picks_what_comparing_all_pairs_picks() {
    let golden = golden::committed("dedup.json");
    let texts = texts(&golden, "texts");
    let scores = numbers(&golden, "scores");
    let rows = texts.iter().map(|text| json!({"instruction": "Say it", "output": text}));
    let lines = scores
        .iter()
        .enumerate()
        .map(|(id, score)| json!({"id": id, "score": score, "eligible": true}).to_string() + "\n");
    let project = Project::new();
    project.write("rows.json", Value::from_iter(rows).to_string());
    project.write("scores.jsonl", lines.collect::<String>());
    for case in array(&golden, "cases") {
        let expected = positions(case, "picks");
        let budget = expected.len().to_string();
        let mut host = project.host();
        host.args(["select", "--plugins", "dedup", "--data", "rows.json", "--budget", &budget])
            .args(["--scores", "scores.jsonl", "--out", "selection.json"])
            .args(["--set", "data.eos_text=", "--set", "selection.ties=input", "--set"])
            .arg(format!("plugins.dedup.threshold={}", case["threshold"]))
            .arg("--set")
            .arg(format!("plugins.dedup.shingle={}", case["shingle"]));
        Outcome::of(&mut host).succeeded();
        let selection: Value = serde_json::from_str(&project.read("selection.json")).expect("JSON");
        assert_eq!(positions(&selection, "selected"), expected, "{case}");
    }
}

#[test]
fn scores_made_elsewhere_are_taken_as_they_are() {
    let golden = golden::committed("demo.json");
    let judged: Vec<f64> = (0..array(&golden, "samples").len()).map(|id| (id % 7) as f64).collect();
    let project = Project::new();
    let lines = judged
        .iter()
        .enumerate()
        .rev()
        .map(|(id, score)| json!({"id": id, "judge": score}).to_string() + "\n");
    let path = project.write("judged.jsonl", lines.collect::<String>());
    let settings =
        [format!("plugins.scores.path={}", path.display()), "plugins.scores.field=judge".into()];
    let demo = data("demo/model").display().to_string();
    let found = score(&golden, "scores", &demo, &settings);
    assert_eq!(found.iter().map(|line| number(&line["score"])).collect::<Vec<_>>(), judged);
}
