//! `select` against the published program's picks: the same samples in the same order. The goldens'
//! scores and values are rounded to seven and more digits, so values agree to a relative 1e-6.

use crate::golden::{self, numbers, positions};
use crate::picks::PUBLISHED;
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
        .args(["--set", &eos_text, "--set", "selection.ties=input", "--out", "selection.json"]);
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
    for case in PUBLISHED {
        check(case);
    }
}

/// The picks of `select` from these responses, each of as much complexity as its place says, and what
/// is said of them.
fn select(responses: &[&str], options: &[&str]) -> (Vec<usize>, String) {
    let project = Project::new();
    let rows: Vec<Value> =
        responses.iter().map(|it| json!({"instruction": "a", "output": it})).collect();
    let scores = (0..responses.len()).map(|id| {
        json!({"id": id, "score": 0.01 * id as f64, "eligible": true}).to_string() + "\n"
    });
    project.write("data.json", Value::from(rows).to_string());
    project.write("scores.jsonl", scores.collect::<String>());
    let mut host = project.host();
    host.args(["select", "--data", "data.json", "--scores", "scores.jsonl", "--out", "picks.json"])
        .args(["--plugins", "diversity", "--budget", "12", "--set", "data.eos_text=</s>"]);
    for option in options {
        host.args(["--set", option]);
    }
    let outcome = Outcome::of(&mut host).succeeded();
    let picks: Value = serde_json::from_str(&project.read("picks.json")).expect("JSON");
    (positions(&picks, "selected"), outcome.stderr)
}

#[test]
fn picks_that_add_nothing_are_told_and_ordered() {
    // No answer has a word of two letters, so by published words every gain is 0.
    let letters = ["A", "B", "C", "D"].repeat(4);
    let (picks, told) = select(&letters, &[]);
    assert_eq!(picks, (4..16).rev().collect::<Vec<_>>());
    assert!(
        told.contains("12 of 12 picks have a diversity gain of 0, so their complexity"),
        "{told}"
    );
    assert!(told.contains("16 have no word of two characters"), "{told}");
    assert!(told.contains("plugins.diversity.analyzer=unicode"), "{told}");
    let (picks, told) = select(&letters, &["selection.ties=input"]);
    assert_eq!(picks, (0..12).collect::<Vec<_>>());
    assert!(told.contains("so the order of the data decided"), "{told}");

    let (picks, told) = select(&letters, &["plugins.diversity.analyzer=unicode"]);
    assert_eq!(sorted(picks[..4].iter().map(|pick| pick % 4).collect()), [0, 1, 2, 3]);
    assert!(!told.contains("gain of 0"), "{told}");
}

#[test]
fn analyzers_cut_chinese_where_published_words_do_not() {
    let sentences = ["我们喜欢吃苹果", "我们喜欢吃香蕉", "北京大学的学生", "今天天气很好"];
    let sentences: Vec<&str> = sentences.iter().copied().cycle().take(16).collect();
    let (_, told) = select(&sentences, &[]);
    assert!(told.contains("of 16 responses 16 are in scripts without spaces"), "{told}");
    for analyzer in ["char_wb", "unicode"] {
        let (picks, told) =
            select(&sentences, &[&format!("plugins.diversity.analyzer={analyzer}")]);
        // The second sentence shares most with the first, so of the first three picks one is of each kind.
        let kinds = sorted(picks[..3].iter().map(|pick| (pick % 4).max(1)).collect());
        assert_eq!(kinds, [1, 2, 3], "{analyzer}: {picks:?}");
        assert!(!told.contains("hardly fits"), "{told}");
    }
}

fn sorted(mut numbers: Vec<usize>) -> Vec<usize> {
    numbers.sort_unstable();
    numbers
}
