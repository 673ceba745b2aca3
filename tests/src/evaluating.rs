//! `eval` by the whole program: loss with its interval, multiple choice held against
//! lm-evaluation-harness, answers in words, and what is said of files that are not right.

use crate::support::{Outcome, Project, data};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The demo's model, asked on the CPU.
fn eval(project: &Project, more: &[&str]) -> Outcome {
    eval_of(&data("demo/model"), project, more)
}

fn eval_of(model: &Path, project: &Project, more: &[&str]) -> Outcome {
    let mut host = project.host();
    host.args(["eval", "--device", "cpu"]).args(["--model".as_ref(), model.as_os_str()]).args(more);
    Outcome::of(&mut host)
}

/// The demo's model with a tokenizer that puts bos before texts by itself, as the golden's script has it.
fn opening(project: &Project) -> PathBuf {
    for entry in std::fs::read_dir(data("demo/model")).expect("the model") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|it| it.to_str()).expect("a name");
        let bytes = std::fs::read(&path).expect("a file");
        if name != "tokenizer.json" {
            project.write(&format!("opening/{name}"), bytes);
            continue;
        }
        let mut tokenizer: Value = serde_json::from_slice(&bytes).expect("JSON");
        let bos = json!({"SpecialToken": {"id": "<|bos|>", "type_id": 0}});
        let text = |id: &str, kind: u8| json!({"Sequence": {"id": id, "type_id": kind}});
        tokenizer["post_processor"] = json!({
            "type": "TemplateProcessing",
            "single": [bos, text("A", 0)],
            "pair": [bos, text("A", 0), text("B", 1)],
            "special_tokens": {"<|bos|>": {"id": "<|bos|>", "ids": [1], "tokens": ["<|bos|>"]}},
        });
        project.write(&format!("opening/{name}"), tokenizer.to_string());
    }
    project.path("opening")
}

fn printed(outcome: Outcome) -> Value {
    serde_json::from_str(&outcome.succeeded().stdout).expect("one JSON object")
}

fn lines(project: &Project, name: &str) -> Vec<Value> {
    project.read(name).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn rows(rows: &[Value]) -> String {
    rows.iter().map(|row| format!("{row}\n")).collect()
}

/// What lm-evaluation-harness 0.4.13 said of 200 questions: `tests/golden/lm_eval_choices.py`.
fn golden() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/lm_eval.json");
    serde_json::from_str(&std::fs::read_to_string(path).expect("the golden")).expect("JSON")
}

#[test]
fn multiple_choice_is_that_of_lm_evaluation_harness() {
    let golden = golden();
    let project = Project::new();
    let questions = golden["questions"].as_array().expect("a list");
    assert_eq!(questions.len(), 200);
    project.write("questions.jsonl", rows(questions));
    let (demo, opening) = (data("demo/model"), opening(&project));
    for (asked, model, flag) in
        [("plain", &demo, None), ("chat", &demo, Some("--chat")), ("opening", &opening, None)]
    {
        let out = format!("{asked}.jsonl");
        let arguments = ["--choices", "questions.jsonl", "--out", &out];
        let arguments: Vec<&str> = arguments.into_iter().chain(flag).collect();
        let figures = printed(eval_of(model, &project, &arguments));
        let (figures, expected) = (&figures["choices"], &golden[asked]);
        for name in ["acc", "acc_stderr", "acc_norm", "acc_norm_stderr"] {
            let (ours, theirs) = (figures[name].as_f64(), expected[name].as_f64());
            let distance = ours.zip(theirs).map(|(ours, theirs)| (ours - theirs).abs());
            assert!(distance.is_some_and(|it| it < 1e-9), "{asked} {name}: {ours:?} {theirs:?}");
        }
        let lines = lines(&project, &out);
        assert_eq!(lines.len(), 200);
        let theirs = expected["loglikelihoods"].as_array().expect("a list");
        for (line, theirs) in lines.iter().zip(theirs) {
            let ours = line["loglikelihoods"].as_array().expect("a list");
            assert_eq!(ours.len(), 4);
            for (ours, theirs) in ours.iter().zip(theirs.as_array().expect("a list")) {
                let (ours, theirs) = (ours.as_f64().unwrap(), theirs.as_f64().unwrap());
                assert!((ours - theirs).abs() < 1e-3, "{asked} {line}: {ours} {theirs}");
            }
        }
    }
}

#[test]
fn a_loss_has_its_interval_and_its_samples() {
    let project = Project::new();
    let told: Vec<Value> = (0..30)
        .map(|n| json!({"instruction": "Name the capital of Gorvath.", "output": format!("It is {n}.")}))
        .collect();
    project.write("data.jsonl", rows(&told));
    let figures = printed(eval(&project, &["--data", "data.jsonl", "--out", "said.jsonl"]));
    let number = |value: &Value| value.as_f64().expect("a number");
    let lines = lines(&project, "said.jsonl");
    let (nll, tokens) = lines.iter().fold((0.0, 0.0), |(nll, tokens), line| {
        (nll + number(&line["nll"]), tokens + number(&line["tokens"]))
    });
    assert_eq!((lines.len(), figures["samples"].as_u64()), (30, Some(30)));
    assert!((number(&figures["loss"]) - nll / tokens).abs() < 1e-9, "{figures}");
    for name in ["loss", "mean_sample_loss"] {
        let interval = &figures[format!("{name}_interval")];
        let (low, high) = (number(&interval["low"]), number(&interval["high"]));
        assert!(low < number(&figures[name]) && number(&figures[name]) < high, "{figures}");
    }
}

#[test]
fn answers_are_matched_stopped_and_drawn() {
    let project = Project::new();
    let copy = |text: &str| json!({"question": format!("Copy the text exactly as it is.\n{text}")});
    let mut asked: Vec<Value> =
        ["The miller hid the green net near the market.", "Falk lifts the brown shovel."]
            .into_iter()
            .map(copy)
            .collect();
    project.write("plain.jsonl", rows(&asked));
    let ask = |out: &str, more: &[&str]| {
        let arguments = ["--questions", "plain.jsonl", "--chat", "--max-new-tokens", "24"];
        let arguments = [&arguments[..], &["--out", out], more].concat();
        (printed(eval(&project, &arguments)), lines(&project, out))
    };
    let (figures, said) = ask("greedy", &[]);
    assert!(figures["answers"].get("exact_match").is_none(), "nobody judges: {figures}");
    let text = said[0]["text"].as_str().expect("a text").to_owned();
    assert!(text.len() > 8, "the model answers: {said:?}");

    let stop = &text[4..6];
    let (_, stopped) = ask("stopped", &["--stop", stop]);
    let expected = &text[..text.find(stop).expect("it is there")];
    assert_eq!(stopped[0]["text"], expected);
    assert_eq!(stopped[0]["finish"], "stop");

    let drawn = ["--temperature", "2", "--set", "seed=5"];
    let (_, once) = ask("once", &drawn);
    assert_eq!(once, ask("again", &drawn).1, "equal seeds draw equal tokens");
    assert_ne!(once, ask("other", &["--temperature", "2", "--set", "seed=6"]).1);
    assert_eq!(said, ask("narrow", &["--temperature", "2", "--top-p", "1e-9"]).1);

    asked[0]["answers"] = json!(["something else", format!("{}!", text.to_uppercase())]);
    asked[1]["answer"] = json!("something else");
    project.write("plain.jsonl", rows(&asked));
    assert_eq!(ask("judged", &[]).0["answers"]["exact_match"], 0.0);
    let loosely = ["--ignore-case", "--ignore-punctuation"];
    assert_eq!(ask("loosely", &loosely).0["answers"]["exact_match"], 0.5);
}

#[test]
fn what_is_not_right_is_said_before_a_model_is_loaded() {
    let project = Project::new();
    project.write("bad.jsonl", "{\"question\": \"?\", \"choices\": [\"a\"], \"answer\": 0}\n{}\n");
    eval(&project, &["--choices", "bad.jsonl", "--questions", "nowhere.jsonl"]).failed(
        1,
        &[
            "`bad.jsonl`: 2 of 2 rows cannot be read",
            "row 0 (line 1): `choices` is a list, expected a list of two or more texts",
            "`question` is missing",
            "cannot read `nowhere.jsonl`",
        ],
    );
    project.write("good.jsonl", "{\"question\": \"?\"}\n");
    let asked = ["--questions", "good.jsonl", "--temperature=-1", "--top-p", "2"];
    eval(&project, &asked).failed(1, &["--temperature is -1", "--top-p is 2"]);
    let asked = ["--questions", "good.jsonl", "--max-new-tokens", "256"];
    eval(&project, &asked).failed(1, &["leave no room for a question in a window of 256"]);
}
