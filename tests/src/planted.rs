//! Comparisons whose outcome is known before they run.

use crate::compare::{compare, comparison, demo_rows, project};
use crate::support::{Outcome, Project, data};
use iterit_core::compare::{Comparison, Evidence};
use serde_json::{Value, json};

/// Known-good samples, samples that repeat a few, samples whose responses say nothing: what is best
/// and what is worst is known, and the report must say so.
#[test]
fn planted_arms_are_ranked_as_planted() {
    let project = Project::new();
    let (pool, held_out) = planted();
    project.write("pool.json", Value::from(pool.clone()).to_string());
    project.write("held-out.json", Value::from(held_out).to_string());
    let arms: Vec<String> =
        KINDS.iter().map(|(name, kind)| arm_of_kind(&project, &pool, name, kind)).collect();
    project.write(
        "exp.toml",
        format!(
            "[compare]\narms = [{}]\nseeds = [1, 2, 3, 4, 5]\nrefuse = ['full', 'static-random']\npairs = 'all'\n",
            arms.join(", ")
        ),
    );
    let mut host = project.host();
    host.args(["compare", "exp.toml", "--data", "pool.json", "--out", "out", "--jobs", "2"])
        .args(["--set", "data.eval_path=held-out.json", "--device", "cpu", "--ratio", "150"])
        .args(["--set", "train.gradient_accumulation=10", "--set", "train.learning_rate=2e-3"])
        .arg("--model")
        .arg(data("demo/model"));
    Outcome::of(&mut host).succeeded();

    let comparison = comparison(&project, "out");
    check_ranked(&comparison, "known good", "random");
    check_ranked(&comparison, "known good", "repeated");
    check_ranked(&comparison, "random", "noise");
    check_ranked(&comparison, "known good", "noise");
}

/// The same pool, judged by whether the right answer is found likelier than the same words backwards: who
/// trains on good samples is right more often than who trains on any, and he than who trains on noise.
#[test]
fn planted_arms_are_ranked_by_accuracy() {
    let project = Project::new();
    let (pool, held_out) = planted();
    project.write("pool.json", Value::from(pool.clone()).to_string());
    project.write("questions.jsonl", held_out.iter().enumerate().map(question).collect::<String>());
    let arms = KINDS.iter().filter(|(name, _)| *name != "repeated");
    let arms: Vec<String> =
        arms.map(|(name, kind)| arm_of_kind(&project, &pool, name, kind)).collect();
    project.write(
        "exp.toml",
        format!(
            "[compare]\narms = [{}]\nrefuse = ['full', 'static-random']\npairs = 'all'\n\
             measure = 'accuracy'\nquestions = 'questions.jsonl'\n",
            arms.join(", ")
        ),
    );
    let mut host = project.host();
    host.args(["compare", "exp.toml", "--data", "pool.json", "--out", "out", "--jobs", "2"])
        .args(["--device", "cpu", "--ratio", "150", "--set", "train.epochs=2"])
        .args(["--set", "train.batch=10", "--set", "train.learning_rate=2e-3"])
        .arg("--model")
        .arg(data("demo/model"));
    let outcome = Outcome::of(&mut host).succeeded();
    assert!(outcome.stderr.contains("share of wrong answers 0."), "{outcome}");

    let comparison = comparison(&project, "out");
    check_ranked(&comparison, "known good", "noise");
    check_ranked(&comparison, "random", "noise");
    check_ranked(&comparison, "known good", "random");
    assert_eq!(comparison.held_out.samples, 150);
    let said = project.read("out/comparison.md");
    assert!(said.contains("by the share of wrong answers to 150 questions"), "{said}");
    assert!(!said.contains("nats") && !said.contains("held-out"), "{said}");
    let run = project.read("out/runs/noise/seed-1/questions.jsonl");
    let wrong = run.lines().filter(|line| {
        let line: Value = serde_json::from_str(line).expect("JSON");
        line["chosen"] != line["answer"]
    });
    let share = wrong.count() as f64 / 150.0;
    let noise = comparison.arms.iter().find(|arm| arm.name == "noise").expect("the arm");
    assert!((noise.seeds[0].held_out_loss - share).abs() < 1e-12, "{share} {noise:?}");
}

/// A row asked with two choices: what it says, and that backwards.
fn question((at, row): (usize, &Value)) -> String {
    let text = |field: &str| row[field].as_str().expect("a text");
    let backwards: Vec<&str> = text("output").split_whitespace().rev().collect();
    let mut choices = [text("output").to_owned(), backwards.join(" ")];
    choices.rotate_left(at % 2);
    let question = format!("{}\nInput: {}", text("instruction"), text("input"));
    json!({"question": question, "choices": choices, "answer": at % 2}).to_string() + "\n"
}

/// The arms that pick one kind of sample, and the kind.
const KINDS: [(&str, &str); 3] =
    [("known good", "task"), ("repeated", "duplicate"), ("noise", "noise")];

/// A pool of 150 good samples, 150 that repeat five of them, and 300 whose responses are read
/// backwards; and 150 good ones to be judged by.
fn planted() -> (Vec<Value>, Vec<Value>) {
    let honest: Vec<Value> = demo_rows().into_iter().filter(|row| row["kind"] == "task").collect();
    let (good, rest) = honest.split_at(150);
    let (sources, held_out) = rest.split_at(300);
    let repeated = (0..150).map(|at| with(&good[at % 5], "kind", "duplicate"));
    let noise = sources.iter().map(|row| {
        let output = row["output"].as_str().expect("a text");
        let words: Vec<&str> = output.split_whitespace().rev().collect();
        with(&with(row, "output", &words.join(" ")), "kind", "noise")
    });
    let pool = good.iter().cloned().chain(repeated).chain(noise).collect();
    (pool, held_out[..150].to_vec())
}

fn with(row: &Value, field: &str, text: &str) -> Value {
    let mut row = row.clone();
    row[field] = text.into();
    row
}

/// An arm that knows which samples are of a kind, and picks only those.
fn arm_of_kind(project: &Project, pool: &[Value], name: &str, kind: &str) -> String {
    let scores = pool.iter().enumerate().map(|(id, row)| {
        json!({ "id": id, "score": u8::from(row["kind"] == kind) }).to_string() + "\n"
    });
    let path = project.write(&format!("{kind}.jsonl"), scores.collect::<String>());
    format!(
        "{{ name = '{name}', plugins = ['scores', 'static'], set = ['plugins.scores.path={}'] }}",
        path.display()
    )
}

/// One arm's loss is below the other's, and the verdict on the two says so.
#[track_caller]
fn check_ranked(comparison: &Comparison, better: &str, worse: &str) {
    let loss = |name: &str| {
        let arm = comparison.arms.iter().find(|arm| arm.name == name).expect("the arm");
        arm.held_out_loss
    };
    assert!(loss(better) < loss(worse), "{better} {}, {worse} {}", loss(better), loss(worse));
    let verdict = |arm: &str, baseline: &str| {
        let mut pairs = comparison.pairs.iter();
        pairs.find(|pair| pair.arm == arm && pair.baseline == baseline).map(|pair| &pair.verdict)
    };
    match (verdict(better, worse), verdict(worse, better)) {
        (Some(said), _) => assert_eq!(said.evidence, Evidence::Better, "{}", said.text),
        (_, Some(said)) => assert_eq!(said.evidence, Evidence::Worse, "{}", said.text),
        _ => panic!("{better} and {worse} were not compared"),
    }
}

/// With tokens as the budget, arms of long and of short responses train on equally many.
#[test]
fn budgets_in_tokens_are_equal_in_tokens() {
    let project = project();
    let arms = ["--arm", "length,static", "--arm", "ifd,diversity"];
    let tokens =
        [&arms[..], &["--set", "selection.budget=tokens", "--set", "compare.pool=1"]].concat();
    Outcome::of(&mut compare(&project, "out", &tokens)).succeeded();
    let comparison = comparison(&project, "out");
    let trained: Vec<f64> = comparison.arms.iter().map(|arm| arm.cost.tokens_trained).collect();
    let samples: Vec<f64> = comparison.arms.iter().map(|arm| arm.cost.samples_trained).collect();
    // Two epochs of 12 samples of mean length: a tenth of what all the data are in two epochs.
    let budget = trained[4] / 10.0;
    for (arm, trained) in comparison.arms[..4].iter().zip(&trained) {
        assert!(
            *trained <= budget && *trained > 0.85 * budget,
            "{}: {trained} of {budget}",
            arm.name
        );
    }
    assert!(samples[0] < 24.0, "the longest are fewer: {samples:?}");
}

/// An arm against itself under another name: the same draws by the same seeds differ in nothing.
#[test]
fn an_arm_does_not_differ_from_itself() {
    let project = project();
    let text = "[compare]\narms = ['ifd,static', { name = 'the same', plugins = ['ifd', 'static'] }]\n\
                refuse = ['random', 'static-random', 'full']\nbaseline = 'the same'\n";
    project.write("aa.toml", text);
    Outcome::of(&mut compare(&project, "out", &["aa.toml"])).succeeded();
    let pair = &comparison(&project, "out").pairs[0];
    assert_eq!((pair.primary.difference, pair.primary.p_holm), (0.0, 1.0), "{pair:?}");
    assert_eq!(pair.verdict.evidence, Evidence::None);
    assert!(project.read("out/comparison.md").contains("No evidence of a difference"));
}
