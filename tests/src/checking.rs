//! `check` knows what a run would refuse, and tells a careful person what to look at.

use crate::support::{Project, checkpoint};
use serde_json::{Value, json};
use std::fs;

/// A model whose tokenizer has a token more than the embedding has rows, and data with it.
fn project() -> Project {
    let project = Project::new();
    let origin = checkpoint("llama-tied");
    fs::create_dir(project.path("model")).expect("a folder");
    for entry in fs::read_dir(&origin).expect("a model") {
        let path = entry.expect("a file").path();
        let name = path.file_name().expect("a name").to_owned();
        fs::copy(&path, project.path("model").join(name)).expect("a copy");
    }
    let read = |name: &str| -> Value {
        let text = fs::read_to_string(origin.join(name)).expect("a file of the model");
        serde_json::from_str(&text).expect("JSON")
    };
    let mut tokenizer = read("tokenizer.json");
    let known = tokenizer["model"]["vocab"].as_object().map_or(0, serde_json::Map::len);
    assert_eq!(read("config.json")["vocab_size"], json!(known), "every row has its token");
    let added = json!({
        "id": known, "content": "[NEW]", "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": true,
    });
    tokenizer["added_tokens"].as_array_mut().expect("a list").push(added);
    project.write("model/tokenizer.json", tokenizer.to_string());
    project
}

/// What every command here is told.
const COMMON: [&str; 10] = [
    "--device",
    "cpu",
    "--model",
    "model",
    "--data",
    "data.json",
    "--template",
    "chatml",
    "--ratio",
    "1",
];

#[test]
fn a_token_beyond_the_embedding_is_refused_before_anything_is_written() {
    let project = project();
    project.write("data.json", r#"[{"instruction": "q", "output": "a [NEW] b"}]"#);
    let said = ["sample 0 has token id ", "(`[NEW]`)", "hint: --set model.added_tokens=grow"];
    project.run([&["check"], &COMMON[..]].concat()).failed(1, &said);
    let train = [&COMMON[..], &["--plugins", "ifd", "--out", "run"]].concat();
    project.run(train).failed(1, &said);
    assert!(!project.path("run").exists(), "{:?}", project.files());
    project.write("data.json", r#"[{"instruction": "q", "output": "a b"}]"#);
    project.run([&["check"], &COMMON[..]].concat()).succeeded();
}

#[test]
fn figures_can_be_had_as_json() {
    let project = project();
    let rows = json!([
        {"instruction": "q", "output": "a"},
        {"instruction": "q", "output": "a"},
        {"instruction": "q", "output": "a<|end|>b"},
        {"instruction": "q", "output": ""},
    ]);
    project.write("data.json", rows.to_string());
    let outcome = project.run([&["check", "--json"], &COMMON[..]].concat()).succeeded();
    let figures: Value = serde_json::from_str(&outcome.stdout).expect("JSON alone on stdout");
    assert_eq!(figures["texts"]["samples"], 4);
    assert_eq!(figures["texts"]["empty_responses"], 1);
    assert_eq!(figures["audit"]["duplicates"], 1);
    assert_eq!(figures["audit"]["special_in_response"], 1);
    assert_eq!(figures["template"], "chatml");
    assert!(figures["model"]["parameters"].as_u64().is_some_and(|it| it > 0), "{figures}");
}

#[test]
fn what_the_template_says_too_much_or_does_not_show_is_noted() {
    let project = project();
    let turns = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}\n{% endfor %}<|assistant|>";
    project.write("always.jinja", turns);
    let row = json!([{"messages": [
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": "a", "reasoning_content": "thought"},
    ]}]);
    project.write("data.json", row.to_string());
    let always = ["--template", "always.jinja"];
    let command = [&["check"], &COMMON[..6], &always, &COMMON[8..]].concat();
    let said = project.run(command).succeeded().stdout;
    assert!(
        said.contains("note        1 samples have `reasoning_content`, which the template"),
        "{said}"
    );
    assert!(
        said.contains("the template writes \"\\n<|assistant|>\", which holds the header of a"),
        "{said}"
    );
}

#[test]
fn a_training_that_would_change_nothing_is_refused() {
    let project = project();
    project.write("data.json", r#"[{"instruction": "q", "output": "a"}]"#);
    let short = ["--set", "model.max_length=2"];
    let said = [
        "no sample carries loss, so training would change nothing",
        "hint: raise model.max_length",
    ];
    project.run([&["check"], &COMMON[..], &short].concat()).failed(1, &said);
}
