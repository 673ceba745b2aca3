//! The memory that is told before a run, beside the memory that it takes: whole runs of the program on the
//! pretended GPU, by that one's own count, and on a CPU, by the system's.

use crate::phantom::{self, Report};
use crate::support::{Outcome, Project, data};
use serde_json::{Value, json};
use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// How far the estimate may be from the measured peak, in per cent of the peak.
const TOLERANCE: f64 = 15.0;

/// Layers, widths and vocabulary of a Llama; heads of 64 features.
#[derive(Clone, Copy)]
struct Llama {
    layers: usize,
    hidden: usize,
    inner: usize,
    vocabulary: usize,
    heads: usize,
    key_heads: usize,
}

/// One that is large beside what a program takes without any: 25 million parameters.
const SMALL: Llama =
    Llama { layers: 6, hidden: 512, inner: 1376, vocabulary: 8192, heads: 8, key_heads: 2 };

/// 124 million parameters.
const LARGE: Llama =
    Llama { layers: 12, hidden: 768, inner: 2048, vocabulary: 32_000, heads: 12, key_heads: 4 };

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

fn project(llama: Llama) -> Project {
    let project = Project::new();
    let row = |index: usize| {
        let words: Vec<String> = (0..LENGTH).map(|it| format!("w{}", it * 7 + index)).collect();
        json!({"instruction": "Say it.", "output": words.join(" ")})
    };
    project.write("data.json", Value::from((0..16).map(row).collect::<Vec<_>>()).to_string());
    let text = fs::read(data("demo/model/config.json")).expect("a model");
    let mut config: Value = serde_json::from_slice(&text).expect("JSON");
    for (field, value) in [
        ("hidden_size", llama.hidden),
        ("intermediate_size", llama.inner),
        ("num_hidden_layers", llama.layers),
        ("vocab_size", llama.vocabulary),
        ("num_attention_heads", llama.heads),
        ("num_key_value_heads", llama.key_heads),
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
    project.write("large/model.safetensors", weights(llama));
    project
}

/// Small numbers in bfloat16, both signs.
fn weights(llama: Llama) -> Vec<u8> {
    let Llama { layers, hidden, inner, vocabulary, key_heads, .. } = llama;
    let mut tensors = vec![
        ("model.embed_tokens.weight".to_owned(), vec![vocabulary, hidden]),
        ("lm_head.weight".to_owned(), vec![vocabulary, hidden]),
        ("model.norm.weight".to_owned(), vec![hidden]),
    ];
    for layer in 0..layers {
        for (part, shape) in [
            ("self_attn.q_proj", vec![hidden, hidden]),
            ("self_attn.k_proj", vec![64 * key_heads, hidden]),
            ("self_attn.v_proj", vec![64 * key_heads, hidden]),
            ("self_attn.o_proj", vec![hidden, hidden]),
            ("mlp.gate_proj", vec![inner, hidden]),
            ("mlp.up_proj", vec![inner, hidden]),
            ("mlp.down_proj", vec![hidden, inner]),
            ("input_layernorm", vec![hidden]),
            ("post_attention_layernorm", vec![hidden]),
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

fn settings(command: &mut Command, device: &str, sets: &[&str]) {
    command.args(["--data", "data.json", "--set", "train.batch=8", "--set", "selection.ratio=8"]);
    command.args(["--set", &format!("model.max_length={LENGTH}")]);
    command.args(["--model", "large", "--device", device]);
    for set in sets {
        command.args(["--set", set]);
    }
}

/// What `check` says that is needed, by name, in bytes.
fn told(project: &Project, device: &str, sets: &[&str]) -> Value {
    let mut check = project.host();
    check.args(["check", "--json"]);
    settings(&mut check, device, sets);
    let outcome = Outcome::of(phantom::lend(&mut check)).succeeded();
    serde_json::from_str::<Value>(&outcome.stdout).expect("JSON")["memory"].clone()
}

fn train(project: &Project, device: &str, sets: &[&str]) -> Command {
    let out = sets.join("-");
    let mut train = project.host();
    train.args(["--plugins", "random", "--out", &out]);
    train.args(["--set", "train.epochs=2", "--set", "train.learning_rate=1e-3"]);
    settings(&mut train, device, sets);
    train
}

/// The most memory that a command had resident at any time, as the system counts it.
fn resident_peak(project: &Project, command: &mut Command) -> f64 {
    let said = project.path("said");
    let file = || Stdio::from(fs::File::create(&said).expect("a file"));
    let mut child = command.stdout(Stdio::null()).stderr(file()).spawn().expect("a program");
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let ended = loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        peak = kib.unwrap_or(0).max(peak);
        if let Some(ended) = child.try_wait().expect("a child") {
            break ended;
        }
        thread::sleep(Duration::from_millis(2));
    };
    assert!(ended.success(), "{}", project.read("said"));
    (peak * 1024) as f64
}

/// Ids and losses of all samples, in the order of training.
fn losses(project: &Project, out: &str) -> Vec<(u64, f64)> {
    let of_line = |line: &str| {
        let line: Value = serde_json::from_str(line).expect("JSON");
        (line["id"].as_u64().expect("an id"), line["loss"].as_f64().expect("a loss"))
    };
    project.read(&format!("{out}/epochs/1/losses.jsonl")).lines().map(of_line).collect()
}

/// Limits between what the smallest micro-batches take and what those of the whole step take.
#[test]
fn micro_batches_are_chosen_so_that_they_fit_before_one_has_not() {
    let project = project(SMALL);
    for (sets, limit) in [
        (&["model.dtype=float32"][..], 750_000_000),
        (&["model.dtype=float32", "train.lora.rank=8"], 350_000_000),
    ] {
        let mut free = train(&project, "cuda", sets);
        Outcome::of(phantom::lend(&mut free)).succeeded();
        let out = sets.join("-");
        let expected = losses(&project, &out);
        fs::remove_dir_all(project.path(&out)).expect("a folder");

        let mut limited = train(&project, "cuda", sets);
        phantom::lend(&mut limited).env("PHANTOM_MEMORY", limit.to_string());
        let outcome = Outcome::of(&mut limited).succeeded();
        let said = |words: &str| outcome.stderr.matches(words).count();
        assert_eq!(said("micro-batches have at most "), 1, "{outcome}");
        assert_eq!(said(" tokens, not 16,384: a step needs up to "), 1, "{outcome}");
        assert_eq!(said("out of memory"), 0, "{outcome}");
        for ((id, loss), (expected_id, expected)) in losses(&project, &out).iter().zip(&expected) {
            assert_eq!(id, expected_id);
            assert!((loss - expected).abs() < 1e-4 * expected, "{id}: {loss}, {expected}");
        }
    }
}

#[test]
fn a_run_on_the_pretended_gpu_takes_what_was_told() {
    let project = project(SMALL);
    let mut worst: f64 = 0.0;
    for (name, sets) in CASES {
        let report = project.path("report.json");
        Outcome::of(phantom::lend_counted(&mut train(&project, "cuda", sets), &report)).succeeded();
        let taken = Report::read(&project, "report.json").number("/peak_bytes/cuda:0") as f64;
        let told = told(&project, "cuda", sets)["training"].as_f64().expect("a number");
        let off = 100.0 * (told / taken - 1.0);
        eprintln!("{name}: told {:.1} MB, took {:.1} MB, {off:+.1} %", told / 1e6, taken / 1e6);
        worst = worst.max(off.abs());
    }
    assert!(worst < TOLERANCE, "{worst} %");
}

/// ZeRO by whole leaves. Stage 1: of the moments, 8 bytes a parameter, each of two ranks has its half. Stage 2: of the
/// gradient, 4 bytes a parameter, too, beside what is on its way to its owner.
#[test]
fn each_rank_keeps_its_part_of_moments_and_gradients() {
    let project = project(SMALL);
    let peaks = |count: usize, shard: &str| -> Vec<f64> {
        let shard = format!("train.shard={shard}");
        let sets = ["model.dtype=float32", "train.micro_batch=1", "train.epochs=1", &shard];
        let mut train = train(&project, "cuda", &sets);
        train.env("PHANTOM_DEVICES", "2").args(["--ranks", &count.to_string()]);
        Outcome::of(phantom::lend_counted(&mut train, &project.path("report.json"))).succeeded();
        fs::remove_dir_all(project.path(&sets.join("-"))).expect("a folder");
        let peak = |rank: usize| {
            let report = Report::of_rank(&project, "report.json", rank);
            report.number(&format!("/peak_bytes/cuda:{rank}")) as f64
        };
        (0..count).map(peak).collect()
    };
    let alone = peaks(1, "moments")[0];
    let Llama { layers, hidden, inner, vocabulary, key_heads, .. } = SMALL;
    let layer = 2 * hidden * (hidden + 64 * key_heads) + 3 * hidden * inner + 2 * hidden;
    let half = (4 * (2 * vocabulary * hidden + layers * layer + hidden)) as f64;
    // The head and the last layer are the largest piece of the gradient that is there whole.
    let piece = (4 * (vocabulary * hidden + layer)) as f64;
    for (shard, expected, on_its_way) in [("moments", half, 0.0), ("gradients", 1.5 * half, piece)]
    {
        for (rank, peak) in peaks(2, shard).into_iter().enumerate() {
            let spared = alone - peak;
            let shown = [peak, spared, expected].map(|it| it / 1e6);
            eprintln!(
                "{shard}, rank {rank}, MB: {shown:.1?} (peak, less than one alone, expected)"
            );
            assert!(spared < 1.02 * expected, "{shard}, rank {rank}: {shown:?}");
            assert!(spared > 0.98 * expected - on_its_way, "{shard}, rank {rank}: {shown:?}");
        }
    }
}

/// Ways that differ in what a process on a CPU holds; a single step of four samples.
const ON_CPU: [(&str, &[&str]); 2] = [
    ("full", &["model.dtype=float32", "train.batch=4", "selection.ratio=4", "train.epochs=1"]),
    (
        "lora",
        &[
            "model.dtype=float32",
            "train.batch=4",
            "selection.ratio=4",
            "train.epochs=1",
            "train.warmup_ratio=0",
            "train.lora.rank=8",
        ],
    ),
];

#[test]
fn a_process_on_a_cpu_takes_what_was_told() {
    let project = project(SMALL);
    let mut worst: f64 = 0.0;
    let mut compare = |name: &str, told: f64, taken: f64| {
        let off = 100.0 * (told / taken - 1.0);
        eprintln!("{name}: told {:.1} MB, took {:.1} MB, {off:+.1} %", told / 1e6, taken / 1e6);
        worst = worst.max(off.abs());
    };
    for (name, sets) in ON_CPU {
        let told = told(&project, "cpu", sets)["peak"].as_f64().expect("a number");
        compare(name, told, resident_peak(&project, &mut train(&project, "cpu", sets)));
    }
    let mut score = project.host();
    score.args(["score", "--plugins", "ppl", "--data", "data.json", "--model", "large"]);
    score.args(["--device", "cpu", "--set", &format!("model.max_length={LENGTH}")]);
    let told = told(&project, "cpu", &[]);
    let part = |name: &str| told[name].as_f64().expect("a number");
    let told = part("program") + part("weights") + part("scoring");
    compare("scoring", told, resident_peak(&project, &mut score));
    assert!(worst < TOLERANCE, "{worst} %");
}

/// Ways to train that differ in what they hold, for the table.
const TABLE: [(&str, &[&str]); 7] = [
    ("full, float32", &["model.dtype=float32"]),
    ("the same, checkpointing", &["model.dtype=float32", "train.activation_checkpointing=true"]),
    ("the same, moments in 8 bits", &["model.dtype=float32", "train.adam_moments=8-bit"]),
    ("full, bfloat16", &["model.dtype=bfloat16"]),
    (
        "full, bfloat16-pure, moments in 8 bits",
        &["model.dtype=bfloat16-pure", "train.adam_moments=8-bit"],
    ),
    ("LoRA of rank 8, float32", &["model.dtype=float32", "train.lora.rank=8"]),
    (
        "the same, checkpointing",
        &["model.dtype=float32", "train.lora.rank=8", "train.activation_checkpointing=true"],
    ),
];

/// With `ITERIT_MEMORY_TABLE` the tables of `host/BENCHMARKS.md`, which take minutes. `cpu`: what was told, what the
/// process had resident, and tokens a second on one thread. `cuda`: what was told of a step, or of the questions by
/// which the run finds how fast it is before there are moments; and what the pretended GPU counted.
#[test]
fn a_table_of_a_hundred_million_parameters() {
    let device = std::env::var("ITERIT_MEMORY_TABLE").unwrap_or_default();
    if !["cpu", "cuda"].contains(&device.as_str()) {
        eprintln!(
            "skipped: ITERIT_MEMORY_TABLE names neither cpu nor cuda, and a table takes minutes"
        );
        return;
    }
    let project = project(LARGE);
    let number = |value: &Value| value.as_f64().expect("a number");
    for (name, sets) in TABLE {
        let sets = [sets, &["train.epochs=1", "train.warmup_ratio=0"]].concat();
        let told = told(&project, &device, &sets);
        let mut train = train(&project, &device, &sets);
        let (told, took) = if device == "cpu" {
            (number(&told["peak"]), resident_peak(&project, &mut train))
        } else {
            let report = project.path("report.json");
            Outcome::of(phantom::lend_counted(&mut train, &report)).succeeded();
            let counted = Report::read(&project, "report.json").number("/peak_bytes/cuda:0");
            let asked = number(&told["weights"]) + number(&told["scoring"]);
            (number(&told["training"]).max(asked), counted as f64)
        };
        let out = sets.join("-");
        let record = project.read(&format!("{out}/epochs/0/summary.json"));
        let record: Value = serde_json::from_str(&record).expect("JSON");
        let speed = number(&record["tokens"]) / number(&record["seconds"]["training"]);
        let off = 100.0 * (told / took - 1.0);
        eprintln!("| {name} | {:.0} | {:.0} | {off:+.1} % | {speed:.0} |", told / 1e6, took / 1e6);
        fs::remove_dir_all(project.path(&out)).expect("a folder");
    }
}
