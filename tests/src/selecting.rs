//! `select` against the published program's picks: the same samples in the same order. The goldens'
//! scores and values are rounded to seven and more digits, so values agree to a relative 1e-6.

use crate::golden::{self, numbers, positions};
use crate::support::{Outcome, Project};
use serde_json::{Value, json};

fn check(case: &str) {
    let Some(expected) = golden::shared(&format!("golden/diversity/{case}.json")) else { return };
    let input = expected["input"].as_str().expect("a file name");
    let data = golden::shared(&format!("alpaca/{input}")).expect("the data is there too");
    let first_n = expected["first_n"].as_u64().expect("a number") as usize;
    let project = Project::new();
    let rows = &data.as_array().expect("an array")[..first_n];
    project.write("data.json", Value::from(rows).to_string());
    let lines: Vec<String> = numbers(&expected, "score_bf16")
        .iter()
        .enumerate()
        .map(|(id, &score)| json!({"id": id, "score": score, "eligible": score < 1.0}).to_string())
        .collect();
    project.write("scores.jsonl", lines.join("\n"));

    let eos_text = format!("data.eos_text={}", expected["eos_text"].as_str().expect("a text"));
    let mut host = project.host();
    host.args(["select", "--data", "data.json", "--scores", "scores.jsonl"])
        .args(["--plugins", "diversity", "--budget", &expected["k"].to_string()])
        .args(["--set", &format!("plugins.diversity.decay={}", expected["decay"])])
        .args(["--set", &eos_text, "--out", "selection.json"]);
    Outcome::of(&mut host).succeeded();

    let selection: Value = serde_json::from_str(&project.read("selection.json")).expect("JSON");
    assert_eq!(positions(&selection, "selected"), positions(&expected, "selected"), "{case}");
    for (value, expected) in
        numbers(&selection, "values").iter().zip(numbers(&expected, "pick_value"))
    {
        assert!((value - expected).abs() <= 1e-6 * expected, "{case}: {value} but {expected}");
    }
}

#[test]
fn picks_are_the_published_ones() {
    for case in [
        "alpaca1000_k100_d0.0",
        "alpaca1000_k100_d0.1",
        "alpaca1000_k100_d0.1_eos_s",
        "alpaca1000_k100_d0.5",
        "alpaca5000_k250_d0.0",
        "alpaca5000_k250_d0.1",
        "alpaca5000_k250_d0.5",
        "alpaca20000_k1000_d0.1",
    ] {
        check(case);
    }
}
