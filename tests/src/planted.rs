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

/// Three kinds of questions with an answer each. Who trains on the answers to all is right always, who trains
/// on those to two kinds and on nonsense for the third two times of three, and so on.
#[test]
fn planted_arms_are_ranked_by_their_answers() {
    let project = Project::new();
    let arms = [("all", 3), ("two-of-three", 2), ("one-of-three", 1)];
    let row = |(at, place): (usize, &&str), name: &str, known: usize| {
        let (question, answer) = ANSWERED[at % 3];
        let said = if at % 3 < known { answer } else { "The rope, then." };
        json!({"instruction": question.replace("{}", place), "output": said, "kind": name})
    };
    let trained = PLACES.iter().cycle().take(60).enumerate();
    let rows = arms
        .iter()
        .flat_map(|(name, known)| trained.clone().map(move |place| row(place, name, *known)));
    let pool: Vec<Value> = rows.collect();
    project.write("pool.json", Value::from(pool.clone()).to_string());
    project.write("watched.json", Value::from(pool[..9].to_vec()).to_string());
    let asked = PLACES.iter().cycle().skip(7).take(60).enumerate().map(|(at, place)| {
        let (question, answer) = ANSWERED[at % 3];
        // Any of them is right, and case and punctuation are left aside.
        let answers = ["no such thing", &answer.to_uppercase().replace('.', "!")];
        json!({"question": question.replace("{}", place), "answers": answers}).to_string() + "\n"
    });
    project.write("questions.jsonl", asked.collect::<String>());
    let texts = arms.map(|(name, _)| arm_of_kind(&project, &pool, name, name));
    project.write(
        "exp.toml",
        format!(
            "[compare]\narms = [{}]\nseeds = [1, 2, 3]\nrefuse = ['full', 'random', 'static-random']\n\
             baseline = 'one-of-three'\npairs = 'all'\nmeasure = 'exact_match'\nquestions = 'questions.jsonl'\n\
             max_new_tokens = 12\nignore_case = true\nignore_punctuation = true\n",
            texts.join(", ")
        ),
    );
    let mut host = project.host();
    host.args(["compare", "exp.toml", "--data", "pool.json", "--out", "out", "--jobs", "2"])
        .args(["--device", "cpu", "--ratio", "60", "--set", "train.epochs=4"])
        .args(["--set", "train.batch=4", "--set", "train.learning_rate=3e-3"])
        .args(["--set", "data.eval_path=watched.json"])
        .arg("--model")
        .arg(data("demo/model"));
    Outcome::of(&mut host).succeeded();

    let comparison = comparison(&project, "out");
    check_ranked(&comparison, "all", "two-of-three");
    check_ranked(&comparison, "two-of-three", "one-of-three");
    check_ranked(&comparison, "all", "one-of-three");
    for (arm, (_, known)) in comparison.arms.iter().zip(arms) {
        let planted = 1.0 - known as f64 / 3.0;
        assert!((arm.held_out_loss - planted).abs() < 0.1, "{}: {}", arm.name, arm.held_out_loss);
    }
    for pair in &comparison.pairs {
        let across = pair.primary.across_seeds.expect("three seeds");
        let known = |name: &str| arms.iter().find(|arm| arm.0 == name).expect("the arm").1 as f64;
        let planted = (known(&pair.baseline) - known(&pair.arm)) / 3.0;
        assert!(across.interval.low < planted && planted < across.interval.high, "{pair:?}");
    }
    let said = project.read("out/comparison.md");
    assert!(said.contains("by the share of wrong answers to 60 questions"), "{said}");
    assert!(said.contains("questions answered in words whose answer, decoded greedily"), "{said}");
    assert!(!said.contains("nats") && !said.contains("held-out"), "{said}");
    let run = project.read("out/runs/two-of-three/seed-1/questions.jsonl");
    let right = run.lines().filter(|line| line.contains("\"exact_match\":true")).count();
    let arm = comparison.arms.iter().find(|arm| arm.name == "two-of-three").expect("the arm");
    assert!((arm.seeds[0].held_out_loss - (1.0 - right as f64 / 60.0)).abs() < 1e-12, "{run}");
}

/// A question without an answer to hold what is said against would be wrong in every arm.
#[test]
fn questions_that_nobody_can_judge_are_refused() {
    let project = project();
    project.write("q.jsonl", "{\"question\": \"a\", \"answer\": \"b\"}\n{\"question\": \"a\"}\n");
    let by_answers = ["--set", "compare.measure=exact_match", "--set", "compare.questions=q.jsonl"];
    Outcome::of(&mut compare(&project, "out", &[&by_answers[..], &["--arm", "ifd"]].concat()))
        .failed(
            1,
            &["q.jsonl", "1 of 2 questions have no `answers`, row 1 the first", "hint: give"],
        );
}

/// Questions of three kinds, and the answer that is right for each.
const ANSWERED: [(&str, &str); 3] = [
    ("What does the brewer sell in {}?", "The bell."),
    ("Sort the animals by kind. They are in {}.", "hare: mammal"),
    ("Make the sentence negative. {} is near the forest.", "not"),
];

const PLACES: [&str; 20] = [
    "Quorin", "Tavrin", "Gorvath", "Ulf", "Ada", "mirror", "net", "barrel", "lantern", "rope",
    "cup", "chest", "river", "forest", "hare", "carp", "eel", "box", "hill", "road",
];

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
