//! The memory that is told before a run, beside the memory that it takes: whole runs of the program on the
//! pretended GPU, by that one's own count.

use crate::phantom::{self, Report};
use crate::support::{Outcome, Project, data};
use serde_json::{Value, json};
use std::fs;
use std::process::Command;

/// How far the estimate may be from the measured peak, in per cent of the peak.
const TOLERANCE: f64 = 15.0;

/// Layers, widths and vocabulary of a Llama that is large beside what a program takes without one.
const LAYERS: usize = 6;
const HIDDEN: usize = 512;
const INNER: usize = 1376;
const VOCABULARY: usize = 8192;
/// Tokens of every sample.
const LENGTH: usize = 256;

/// Ways to train that differ in what they hold.
const CASES: [(&str, &[&str]); 9] = [
    ("full", &["model.dtype=float32"]),
    ("full, several micro-batches", &["model.dtype=float32", "train.micro_batch=2"]),
    ("checkpointing", &["model.dtype=float32", "train.activation_checkpointing=true"]),
    ("bfloat16", &["model.dtype=bfloat16"]),
    ("moments in 8 bits", &["model.dtype=bfloat16", "train.adam_moments=8-bit"]),
    ("pure, moments in 8 bits", &["model.dtype=bfloat16-pure", "train.adam_moments=8-bit"]),
    ("lora", &["model.dtype=float32", "train.lora.rank=8"]),
    ("lora, bfloat16", &["model.dtype=bfloat16", "train.lora.rank=8"]),
    ("lora, nf4", &["model.dtype=bfloat16", "train.lora.rank=8", "model.base=nf4"]),
];

fn project() -> Project {
    let project = Project::new();
    let row = |index: usize| {
        let words: Vec<String> = (0..LENGTH).map(|it| format!("w{}", it * 7 + index)).collect();
        json!({"instruction": "Say it.", "output": words.join(" ")})
    };
    project.write("data.json", Value::from((0..16).map(row).collect::<Vec<_>>()).to_string());
    let text = fs::read(data("demo/model/config.json")).expect("a model");
    let mut config: Value = serde_json::from_slice(&text).expect("JSON");
    for (field, value) in [
        ("hidden_size", HIDDEN),
        ("intermediate_size", INNER),
        ("num_hidden_layers", LAYERS),
        ("vocab_size", VOCABULARY),
        ("num_attention_heads", 8),
        ("num_key_value_heads", 2),
        ("head_dim", 64),
        ("max_position_embeddings", LENGTH),
    ] {
        config[field] = value.into();
    }
    config["tie_word_embeddings"] = false.into();
    project.write("large/config.json", config.to_string());
    for file in ["tokenizer.json", "tokenizer_config.json"] {
        let text = fs::read(data(&format!("demo/model/{file}"))).expect("a tokenizer");
        project.write(&format!("large/{file}"), text);
    }
    project.write("large/model.safetensors", weights());
    project
}

/// Small numbers in bfloat16, both signs.
fn weights() -> Vec<u8> {
    let mut tensors = vec![
        ("model.embed_tokens.weight".to_owned(), vec![VOCABULARY, HIDDEN]),
        ("lm_head.weight".to_owned(), vec![VOCABULARY, HIDDEN]),
        ("model.norm.weight".to_owned(), vec![HIDDEN]),
    ];
    for layer in 0..LAYERS {
        for (part, shape) in [
            ("self_attn.q_proj", vec![HIDDEN, HIDDEN]),
            ("self_attn.k_proj", vec![HIDDEN / 4, HIDDEN]),
            ("self_attn.v_proj", vec![HIDDEN / 4, HIDDEN]),
            ("self_attn.o_proj", vec![HIDDEN, HIDDEN]),
            ("mlp.gate_proj", vec![INNER, HIDDEN]),
            ("mlp.up_proj", vec![INNER, HIDDEN]),
            ("mlp.down_proj", vec![HIDDEN, INNER]),
            ("input_layernorm", vec![HIDDEN]),
            ("post_attention_layernorm", vec![HIDDEN]),
        ] {
            tensors.push((format!("model.layers.{layer}.{part}.weight"), shape));
        }
    }
    let (mut header, mut end) = (serde_json::Map::new(), 0);
    for (name, shape) in tensors {
        let start = end;
        end += 2 * shape.iter().product::<usize>();
        let info = json!({"dtype": "BF16", "shape": shape, "data_offsets": [start, end]});
        header.insert(name, info);
    }
    let header = Value::from(header).to_string();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    let number = |index: usize| {
        let noise = (index as u32).wrapping_mul(2_654_435_761);
        [(noise >> 8) as u8, 0x3c | ((noise >> 24) as u8 & 0x80)]
    };
    bytes.extend((0..end / 2).flat_map(number));
    bytes
}

fn settings(command: &mut Command, sets: &[&str]) {
    command.args(["--data", "data.json", "--set", "train.batch=8", "--set", "selection.ratio=8"]);
    command.args(["--set", &format!("model.max_length={LENGTH}")]);
    command.args(["--model", "large", "--device", "cuda"]);
    for set in sets {
        command.args(["--set", set]);
    }
}

/// The most that `check` says a step needs.
fn told(project: &Project, sets: &[&str]) -> f64 {
    let mut check = project.host();
    check.args(["check", "--json"]);
    settings(&mut check, sets);
    let outcome = Outcome::of(phantom::lend(&mut check)).succeeded();
    let need = serde_json::from_str::<Value>(&outcome.stdout).expect("JSON")["memory"].clone();
    need["training"].as_f64().expect("a number")
}

fn train(project: &Project, sets: &[&str]) -> Command {
    let out = sets.join("-");
    let mut train = project.host();
    train.args(["--plugins", "random", "--out", &out]);
    train.args(["--set", "train.epochs=2", "--set", "train.learning_rate=1e-3"]);
    settings(&mut train, sets);
    train
}

#[test]
fn a_run_on_the_pretended_gpu_takes_what_was_told() {
    let project = project();
    let mut worst: f64 = 0.0;
    for (name, sets) in CASES {
        let report = project.path("report.json");
        Outcome::of(phantom::lend_counted(&mut train(&project, sets), &report)).succeeded();
        let taken = Report::read(&project, "report.json").number("/peak_bytes/cuda:0") as f64;
        let told = told(&project, sets);
        let off = 100.0 * (told / taken - 1.0);
        eprintln!("{name}: told {:.1} MB, took {:.1} MB, {off:+.1} %", told / 1e6, taken / 1e6);
        worst = worst.max(off.abs());
    }
    assert!(worst < TOLERANCE, "{worst} %");
}
