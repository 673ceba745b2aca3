//! Special tokens are found wherever a folder declares them, and read as transformers reads them; a folder
//! that transformers opens by other rules is told. Expected values: `golden/tokenizer_folders.py`.

use crate::golden;
use crate::support::Project;
use iterit_core::tokenizer::{SpecialToken, Tokenizer};
use serde_json::Value;
use std::path::Path;

/// Folders that transformers reads and we refuse, and what we say: it gives the token an id of its own,
/// whatever the folder says, and with it a row of the embedding that was trained for nothing.
const REFUSED: [(&str, &str); 1] = [(
    "an id beyond the next",
    "token `<new>` has id 350 here, and 340 behind those of tokenizer.json",
)];

/// Folders that transformers raises on and we read: the tokens are declared without doubt.
const READ: [&str; 1] = ["additional_special_tokens with flags in special_tokens_map"];

#[test]
fn tokens_are_those_of_transformers() {
    let golden = golden::committed("tokenizer_folders.json");
    let texts = golden::texts(&golden, "texts");
    for folder in golden::array(&golden, "folders") {
        let name = folder["name"].as_str().expect("a name");
        let project = Project::new();
        let path = assemble(&project, &golden, folder);
        let opened = Tokenizer::open(&path);
        if let Some((_, fault)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
            let message = opened.err().expect(name).to_string();
            assert!(message.contains(fault), "{name}: {message}");
        } else if folder["refused"].is_string() {
            assert_eq!(opened.is_ok(), READ.contains(&name), "{name}");
        } else {
            check(name, &opened.unwrap_or_else(|it| panic!("{name}: {it}")), folder, &texts);
        }
    }
}

fn check(name: &str, tokenizer: &Tokenizer, expected: &Value, texts: &[String]) {
    for (text, ids) in texts.iter().zip(golden::array(expected, "ids")) {
        let found = serde_json::json!(tokenizer.encode(text).expect("ids"));
        assert_eq!(found, *ids, "{name}: {text:?}");
    }
    for (token, expected) in expected["special"].as_object().expect("special tokens") {
        let special = tokenizer.special();
        let found = match token.as_str() {
            "bos_token" => special.bos.as_ref(),
            "eos_token" => special.eos.as_ref(),
            "pad_token" => special.pad.as_ref(),
            "unk_token" => special.unk.as_ref(),
            other => special.others.iter().find(|(it, _)| it == other).map(|(_, it)| it),
        };
        let Some(SpecialToken { text, id }) = found else { panic!("{name}: no {token}") };
        assert_eq!(serde_json::json!([text, id]), *expected, "{name}: {token}");
    }
    let is_told = tokenizer.warnings().iter().any(|it| it.contains("transformers 5 opens"));
    assert_eq!(is_told, expected["other_tokens"] == true, "{name}: {:?}", tokenizer.warnings());
}

/// Writes a folder of the golden's.
fn assemble(project: &Project, golden: &Value, folder: &Value) -> std::path::PathBuf {
    let mut tokenizer = golden["tokenizers"][folder["tokenizer"].as_str().expect("a name")].clone();
    for (field, value) in folder["changes"].as_object().expect("changes") {
        tokenizer[field] = value.clone();
    }
    project.write("tokenizer.json", tokenizer.to_string());
    for (file, content) in folder["files"].as_object().expect("files") {
        project.write(file, content.to_string());
    }
    let path = project.path("tokenizer.json");
    path.parent().map(Path::to_owned).expect("a folder")
}

#[test]
fn what_is_unusual_is_told_once() {
    for (config, told) in [
        (r#"{"split_special_tokens": true}"#, "are read as plain text"),
        (r#"{"auto_map": ["tokenization_x.X", null]}"#, "own code is not run"),
        (r#"{"auto_map": {"AutoTokenizer": [null, "x.X"]}}"#, "own code is not run"),
        (r#"{"added_tokens_decoder": {"9": {"content": "<|end|>"}}}"#, "`<|end|>` has id 4"),
    ] {
        let golden = golden::committed("tokenizer_folders.json");
        let project = Project::new();
        let path = assemble(&project, &golden, &golden["folders"][0]);
        project.write("tokenizer_config.json", config);
        let tokenizer = Tokenizer::open(&path).unwrap();
        let [warning] = tokenizer.warnings() else {
            panic!("{config}: {:?}", tokenizer.warnings())
        };
        assert!(warning.contains(told), "{warning}");
    }
}

/// Merges that are left out by chance would give a text other tokens each time.
#[test]
fn dropout_is_told_and_not_applied() {
    let golden = golden::committed("tokenizer_folders.json");
    let texts = golden::texts(&golden, "texts");
    let project = Project::new();
    let path = assemble(&project, &golden, &golden["folders"][0]);
    let ids = |tokenizer: &Tokenizer| -> Vec<Vec<u32>> {
        texts.iter().map(|text| tokenizer.encode(text).expect("tokens")).collect()
    };
    let plain = Tokenizer::open(&path).expect("a tokenizer");
    let mut file: Value = serde_json::from_str(&project.read("tokenizer.json")).expect("JSON");
    file["model"]["dropout"] = 0.5.into();
    project.write("tokenizer.json", file.to_string());
    let dropping = Tokenizer::open(&path).expect("a tokenizer");
    assert_eq!(ids(&dropping), ids(&plain));
    let [told] = dropping.warnings() else { panic!("{:?}", dropping.warnings()) };
    assert!(
        told.contains("`dropout` in tokenizer.json") && told.contains("is not applied"),
        "{told}"
    );
    assert!(plain.warnings().is_empty());
}
