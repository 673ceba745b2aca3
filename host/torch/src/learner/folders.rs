//! Model folders as they are in the world, against transformers: which head is used, which fields of
//! rotary positions count, what is left out, what is refused. Expected values:
//! `tests/golden/model_folders.py`.

use super::*;
use crate::tensor_file;
use crate::tensor_file::Content;
use iterit_core::learner::Unwatched;
use serde_json::{Map, Value, json};
use tch::{Kind, Tensor};

/// Relative; transformers answered in float64, the learner in float32.
const TOLERANCE: f64 = 1e-5;

/// Folders that transformers loads and we refuse, and what we say.
const REFUSED: [(&str, &str); 3] = [
    ("a tied classifier", "has no head"),
    // Its versions do not agree on which of the two counts.
    // It warns, and computes something.
    ("rope_scaling, the wrong way round", "`high_freq_factor` is 1: expected more than"),
    ("first context beside rope_scaling", "`original_max_position_embeddings`"),
];

/// What a folder that is not loaded hears of.
const FAULTS: [(&str, &str); 11] = [
    ("tied, nothing stored of the pair", "`model.embed_tokens.weight` is missing"),
    ("untied, the head is missing", "`lm_head.weight` is missing"),
    ("nothing said of a tie, the head is missing", "\"tie_word_embeddings\": true"),
    ("without its head's prefix, untied", "`lm_head.weight` is missing"),
    ("a classifier", "has no head"),
    ("a tensor is missing", "`model.layers.1.mlp.up_proj.weight` is missing"),
    ("a tensor has another shape", "`model.norm.weight` in model.safetensors has shape [17]"),
    ("a wrapper's prefix", "all names here begin with `module.`"),
    ("rope_scaling without a factor", "lacks `factor`"),
    ("rope_scaling of an unknown type", "`spiral` is not supported"),
    ("a size that is a text", "vocab_size"),
];

#[test]
fn losses_of_every_folder_are_those_of_transformers() {
    let golden = golden();
    for folder in golden["folders"].as_array().unwrap() {
        let name = folder["name"].as_str().unwrap();
        let fault = FAULTS.iter().chain(&REFUSED).find(|(refused, _)| *refused == name);
        let place = assemble(&golden, folder);
        let loaded = TorchLearner::load(place.path(), LearnerOptions::default());
        match fault {
            Some((_, fault)) => {
                let message = loaded.err().unwrap_or_else(|| panic!("{name} is loaded"));
                assert!(message.to_string().contains(fault), "{name}: {message}");
            }
            None => {
                check(name, loaded.unwrap_or_else(|it| panic!("{name}: {it}")), folder, &golden)
            }
        }
    }
}

fn check(name: &str, mut learner: TorchLearner, expected: &Value, golden: &Value) {
    assert!(expected["refused"].is_null(), "{name}: {}", expected["refused"]);
    let found = losses(&mut learner, golden);
    for (found, expected) in found.iter().zip(expected["nll"].as_array().unwrap()) {
        for (&found, expected) in found.iter().zip(expected.as_array().unwrap()) {
            let (found, expected) = (f64::from(found), expected.as_f64().unwrap());
            let is_close = (found - expected).abs() <= TOLERANCE * expected.max(1.0);
            assert!(is_close, "{name}: {found}, expected {expected}");
        }
    }
    let is_told = |text: &str| learner.remarks().iter().any(|it| it.contains(text));
    let unexpected = texts(&expected["unexpected"]);
    assert_eq!(learner.extra.names().collect::<Vec<_>>(), unexpected, "{name}");
    assert!(unexpected.iter().all(|tensor| is_told(tensor)), "{name}: {:?}", learner.remarks());
    let ties = expected["changes"].get("tie_word_embeddings").is_none();
    assert_eq!(is_told("ties the head"), ties && expected["untied"] == true, "{name}");
    assert_eq!(is_told("auto_map"), expected["changes"].get("auto_map").is_some(), "{name}");
}

#[test]
fn an_export_is_the_folder_again() {
    let golden = golden();
    for name in ["tied, stored as the head", "tied, the head differs", "a value head", "shards"] {
        let folders = golden["folders"].as_array().unwrap();
        let folder = folders.iter().find(|folder| folder["name"] == name).unwrap();
        let (place, out) = (assemble(&golden, folder), tempfile::tempdir().unwrap());
        let mut learner = TorchLearner::load(place.path(), LearnerOptions::default()).unwrap();
        learner.export(out.path()).unwrap();
        let mut again = TorchLearner::load(out.path(), LearnerOptions::default()).unwrap();
        assert_eq!(losses(&mut learner, &golden), losses(&mut again, &golden), "{name}");
        assert!(learner.extra.names().eq(again.extra.names()), "{name}");
        assert!(!again.remarks().iter().any(|it| it.contains("ties the head")), "{name}");
    }
}

#[test]
fn embeddings_grow_for_added_tokens_and_are_never_cut() {
    let golden = golden();
    for (name, asked, rows) in [("tied", 53, 53), ("untied", 53, 53), ("tied", 20, 50)] {
        let folders = golden["folders"].as_array().unwrap();
        let folder = folders.iter().find(|folder| folder["name"] == name).unwrap();
        let (place, out) = (assemble(&golden, folder), tempfile::tempdir().unwrap());
        let options =
            LearnerOptions { vocabulary: NonZeroUsize::new(asked), ..LearnerOptions::default() };
        let mut learner = TorchLearner::load(place.path(), options).unwrap();
        assert_eq!(learner.facts().vocab_size, rows, "{name}");
        let added = Sequence { tokens: vec![1, rows as u32 - 1, 3], scored: (1..3).into() };
        let losses = learner.token_nll(std::slice::from_ref(&added), &Unwatched).unwrap();
        learner.export(out.path()).unwrap();
        let mut again = TorchLearner::load(out.path(), LearnerOptions::default()).unwrap();
        assert_eq!(again.facts().vocab_size, rows, "{name}");
        assert_eq!(again.token_nll(&[added], &Unwatched).unwrap(), losses, "{name}");
    }
}

fn golden() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/model_folders.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn losses(learner: &mut TorchLearner, golden: &Value) -> Vec<Vec<f32>> {
    let sequence = |tokens: &Value| {
        let tokens: Vec<u32> = serde_json::from_value(tokens.clone()).unwrap();
        Sequence { scored: (1..tokens.len()).into(), tokens }
    };
    let sequences: Vec<_> = golden["sequences"].as_array().unwrap().iter().map(sequence).collect();
    learner.token_nll(&sequences, &Unwatched).unwrap()
}

/// Writes a folder of the golden's.
fn assemble(golden: &Value, folder: &Value) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    let mut config = golden["config"].as_object().unwrap().clone();
    for (field, value) in folder["changes"].as_object().unwrap() {
        match value.as_str() {
            Some("absent") => drop(config.shift_remove(field)),
            _ => drop(config.insert(field.clone(), value.clone())),
        }
    }
    let text = serde_json::to_vec(&config).unwrap();
    std::fs::write(place.path().join("config.json"), text).unwrap();
    write(place.path(), &tensors(&config, &folder["edits"]), &folder["edits"]["shards"]);
    place
}

fn write(folder: &Path, tensors: &[(String, Tensor)], shards: &Value) {
    let named = |(name, tensor): &'_ (String, Tensor)| (name.clone(), tensor.shallow_clone());
    let write = |file: &str, tensors: Vec<(String, Tensor)>| {
        let contents: Vec<_> =
            tensors.iter().map(|(name, it)| (name.as_str(), Content::Tensor(it))).collect();
        tensor_file::write(&folder.join(file), &contents).unwrap();
    };
    let Some(shards) = shards.as_u64() else {
        return write("model.safetensors", tensors.iter().map(named).collect());
    };
    let mut weight_map = Map::new();
    for shard in 0..shards as usize {
        let file = format!("model-{:05}-of-{shards:05}.safetensors", shard + 1);
        let part: Vec<_> = tensors.iter().skip(shard).step_by(shards as usize).map(named).collect();
        weight_map.extend(part.iter().map(|(name, _)| (name.clone(), json!(file))));
        write(&file, part);
    }
    let index = json!({"metadata": {}, "weight_map": weight_map}).to_string();
    std::fs::write(folder.join("model.safetensors.index.json"), index).unwrap();
}

/// What the golden's script makes of a configuration and its edits.
fn tensors(config: &Map<String, Value>, edits: &Value) -> Vec<(String, Tensor)> {
    let mut named: Vec<(String, Tensor)> = shapes(config)
        .into_iter()
        .map(|(name, shape)| (name.clone(), tensor(&name, &shape)))
        .collect();
    named.retain(|(name, _)| !texts(&edits["drop"]).contains(&name.as_str()));
    for (name, made) in edits["add"].as_object().unwrap_or(&Map::new()) {
        let shape: Vec<i64> = serde_json::from_value(made[1].clone()).unwrap();
        named.retain(|(known, _)| known != name);
        named.push((name.clone(), tensor(made[0].as_str().unwrap(), &shape)));
    }
    for (name, dtype) in edits["dtype"].as_object().unwrap_or(&Map::new()) {
        let kind = if dtype == "bfloat16" { Kind::BFloat16 } else { Kind::Half };
        let (_, tensor) = named.iter_mut().find(|(known, _)| known == name).unwrap();
        *tensor = tensor.to_kind(kind);
    }
    if let [old, new] = texts(&edits["prefix"])[..] {
        for (name, _) in &mut named {
            if let Some(rest) = name.strip_prefix(old) {
                *name = format!("{new}{rest}");
            }
        }
    }
    named
}

fn shapes(config: &Map<String, Value>) -> Vec<(String, Vec<i64>)> {
    let size = |name: &str| config.get(name).and_then(Value::as_i64);
    let hidden = size("hidden_size").unwrap();
    let inner = size("intermediate_size").unwrap();
    let heads = size("num_attention_heads").unwrap();
    let pairs = size("num_key_value_heads").unwrap_or(heads) * (hidden / heads);
    let mut shapes = vec![("model.embed_tokens.weight".to_owned(), vec![50, hidden])];
    for layer in 0..size("num_hidden_layers").unwrap() {
        for (part, shape) in [
            ("self_attn.q_proj", vec![hidden, hidden]),
            ("self_attn.k_proj", vec![pairs, hidden]),
            ("self_attn.v_proj", vec![pairs, hidden]),
            ("self_attn.o_proj", vec![hidden, hidden]),
            ("mlp.gate_proj", vec![inner, hidden]),
            ("mlp.up_proj", vec![inner, hidden]),
            ("mlp.down_proj", vec![hidden, inner]),
            ("input_layernorm", vec![hidden]),
            ("post_attention_layernorm", vec![hidden]),
        ] {
            shapes.push((format!("model.layers.{layer}.{part}.weight"), shape));
        }
    }
    shapes.push(("model.norm.weight".into(), vec![hidden]));
    if config.get("tie_word_embeddings") != Some(&json!(true)) {
        shapes.push(("lm_head.weight".into(), vec![50, hidden]));
    }
    shapes
}

fn tensor(source: &str, shape: &[i64]) -> Tensor {
    let count = shape.iter().product::<i64>() as u64;
    let (middle, width) = if source.contains("norm") { (1.0, 0.6) } else { (0.0, 1.2) };
    let values: Vec<f32> =
        numbers(source, count).map(|number| (middle + width * number) as f32).collect();
    Tensor::from_slice(&values).view(shape)
}

/// In [−0.5, 0.5): an integer hash of the name, then of the place.
fn numbers(name: &str, count: u64) -> impl Iterator<Item = f64> {
    let seed = name
        .bytes()
        .fold(2_166_136_261u32, |seed, byte| (seed ^ u32::from(byte)).wrapping_mul(16_777_619));
    (0..count as u32).map(move |place| {
        let mixed = place.wrapping_mul(2_654_435_761).wrapping_add(seed);
        let mixed = (mixed ^ (mixed >> 15)).wrapping_mul(2_246_822_519);
        let mixed = (mixed ^ (mixed >> 13)).wrapping_mul(3_266_489_917);
        f64::from(mixed) / 4_294_967_296.0 - 0.5
    })
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

#[test]
fn numbers_are_those_of_the_script() {
    let first: Vec<f64> = numbers("model.norm.weight", 2).collect();
    let expected = golden()["numbers"].as_array().unwrap().clone();
    assert_eq!(json!(first), json!(expected));
}
