//! An export is its origin's folder again, with other weights: tokens, templates under their names,
//! tensors beyond the model, and everything else that loading it may need.

use crate::support::{Outcome, Project, data};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::{Value, json};

#[test]
fn an_export_has_what_its_origin_has() {
    let project = Project::new();
    let origin = origin(&project);
    let mut host = project.host();
    host.args(["--plugins", "random", "--ratio", "8", "--device", "cpu", "--out", "run"])
        .args(["--set", "train.epochs=1", "--set", "model.added_tokens=grow"])
        .args(["--model".as_ref(), origin.as_os_str()])
        .args(["--data".as_ref(), data("demo/instructions.json").as_os_str()]);
    let outcome = Outcome::of(&mut host).succeeded();
    for told in ["`v_head.summary.weight`", "`steps`", "`auto_map` in config.json"] {
        assert!(outcome.stderr.contains(told), "{told}: {outcome}");
    }
    let read = |name: &str| project.read(&format!("run/model/{name}"));
    let json_of = |name: &str| -> Value { serde_json::from_str(&read(name)).expect(name) };

    for (name, content) in [
        ("LICENSE.txt", "terms"),
        ("modeling_x.py", "pass"),
        ("special_tokens_map.json", r#"{"mask_token": "<|mask|>"}"#),
        ("additional_chat_templates/tool_use.jinja", "of the configuration"),
        ("additional_chat_templates/rag.jinja", "of the configuration"),
    ] {
        assert_eq!(read(name), content, "{name}");
    }
    let files = project.files();
    for left_out in ["README.md", "additional_chat_templates/default.jinja", "trainer_state.json"] {
        assert!(!files.contains(&format!("run/model/{left_out}")), "{left_out}");
    }
    let tokenizer = json_of("tokenizer_config.json");
    assert!(tokenizer["chat_template"].is_null() && tokenizer["model_max_length"] == 256);
    let generation = json_of("generation_config.json");
    assert_eq!((&generation["temperature"], &generation["top_k"]), (&json!(0.7), &json!(5)));
    assert_eq!((&generation["bos_token_id"], &generation["pad_token_id"]), (&json!(1), &json!(0)));
    let config = json_of("config.json");
    let rows = config["vocab_size"].as_u64().expect("a size");
    assert_eq!(rows, rows_of_the_demo() + 1, "one row for <|mask|>");

    let weights = std::fs::read(project.path("run/model/model.safetensors")).expect("weights");
    let weights = SafeTensors::deserialize(&weights).expect("safetensors");
    let embedding = weights.tensor("model.embed_tokens.weight").expect("an embedding");
    assert_eq!(embedding.shape()[0] as u64, rows);
    let steps = weights.tensor("steps").expect("a tensor beyond the model");
    assert_eq!((steps.dtype(), steps.data()), (Dtype::I64, &7i64.to_le_bytes()[..]));
    assert_eq!(weights.tensor("v_head.summary.weight").expect("a head").data(), [1; 8]);
}

#[test]
fn tokens_without_a_row_are_refused_with_the_key_that_adds_rows() {
    let project = Project::new();
    let origin = origin(&project);
    project.write("data.json", r#"[{"instruction": "a", "input": "", "output": "b <|mask|>"}]"#);
    let mut host = project.host();
    host.args(["score", "--plugins", "ifd", "--device", "cpu", "--data", "data.json"])
        .args(["--out", "scores.jsonl", "--model"])
        .arg(&origin);
    Outcome::of(&mut host).failed(1, &["model.added_tokens"]);
    host.args(["--set", "model.added_tokens=grow"]);
    Outcome::of(&mut host).succeeded();
}

fn rows_of_the_demo() -> u64 {
    let config = std::fs::read(data("demo/model/config.json")).expect("a configuration");
    let config: Value = serde_json::from_slice(&config).expect("JSON");
    config["vocab_size"].as_u64().expect("a size")
}

/// The demo's model with all that a folder may have.
fn origin(project: &Project) -> std::path::PathBuf {
    let demo = |name: &str| std::fs::read(data(&format!("demo/model/{name}"))).expect(name);
    let json_of = |name: &str| -> Value { serde_json::from_slice(&demo(name)).expect(name) };
    let write = |name: &str, content: &[u8]| project.write(&format!("origin/{name}"), content);

    write("tokenizer.json", &demo("tokenizer.json"));
    let mut tokenizer = json_of("tokenizer_config.json");
    tokenizer["chat_template"] = json!([
        {"name": "default", "template": tokenizer["chat_template"]},
        {"name": "tool_use", "template": "of the configuration"},
        {"name": "rag", "template": "of the configuration"},
    ]);
    write("tokenizer_config.json", tokenizer.to_string().as_bytes());
    let mut config = json_of("config.json");
    config["auto_map"] = json!({"AutoModelForCausalLM": "modeling_x.XForCausalLM"});
    write("config.json", config.to_string().as_bytes());
    let generation =
        json!({"bos_token_id": null, "eos_token_id": 2, "temperature": 0.7, "top_k": 5});
    write("generation_config.json", generation.to_string().as_bytes());
    for (name, content) in [
        ("LICENSE.txt", "terms"),
        ("README.md", "about another model"),
        ("modeling_x.py", "pass"),
        ("trainer_state.json", "{}"),
        ("special_tokens_map.json", r#"{"mask_token": "<|mask|>"}"#),
    ] {
        write(name, content.as_bytes());
    }
    let weights = demo("model.safetensors");
    let weights = SafeTensors::deserialize(&weights).expect("safetensors");
    let mut tensors = weights.tensors();
    let (steps, head) = (7i64.to_le_bytes(), [1; 8]);
    let view = |dtype, shape: &[usize], data| TensorView::new(dtype, shape.to_vec(), data).unwrap();
    tensors.push(("steps".into(), view(Dtype::I64, &[1], &steps)));
    tensors.push(("v_head.summary.weight".into(), view(Dtype::F32, &[1, 2], &head)));
    let bytes = safetensors::serialize(tensors, None).expect("safetensors");
    write("model.safetensors", &bytes).parent().expect("a folder").to_owned()
}
