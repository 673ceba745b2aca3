//! A configuration is computed right or refused. Every field of transformers' own class, changed from what
//! it is by default, changes the table of layers, or is refused by its name, or is known to change nothing.

use super::{ARCHITECTURES, shape};
use crate::config::{Config, INERT, known_fields};
use serde_json::{Map, Value, json};

/// Small sizes, and everything on that lets other fields have a meaning.
fn base(model_type: &str) -> Map<String, Value> {
    let mut fields = json!({
        "model_type": model_type, "vocab_size": 10, "hidden_size": 16, "intermediate_size": 16,
        "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
        "max_position_embeddings": 64,
    });
    let more = match model_type {
        "qwen2" | "qwen3" => {
            json!({"use_sliding_window": true, "sliding_window": 8, "max_window_layers": 1})
        }
        "smollm3" => json!({"use_sliding_window": true, "sliding_window": 8}),
        "phi3" => json!({
            "rope_parameters": {
                "rope_type": "longrope", "short_factor": [1, 1, 1, 1], "long_factor": [1, 2, 3, 4],
            },
        }),
        _ => json!({}),
    };
    fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    fields.as_object().unwrap().clone()
}

/// Another value than the one a field has.
fn another(name: &str, value: &Value) -> Value {
    match (name, value) {
        ("layer_types", _) => {
            let full = "full_attention";
            json!([full, full, "sliding_attention", full])
        }
        ("rope_parameters", _) => json!({
            "rope_type": "linear", "factor": 2.0, "llama_4_scaling_beta": 0.5,
            "full_attention": {"rope_type": "linear", "factor": 2.0},
        }),
        ("no_rope_layers", _) => json!([0, 0, 1, 1]),
        ("hidden_act" | "hidden_activation", _) => json!("gelu"),
        (_, Value::Bool(flag)) => json!(!flag),
        (_, Value::Number(number)) if number.is_u64() => json!(number.as_u64().unwrap().max(1) * 2),
        (_, Value::Number(number)) => json!(number.as_f64().unwrap() * 2.0 + 0.125),
        _ => json!(6),
    }
}

fn outcome(fields: &Map<String, Value>) -> Result<String, String> {
    let config = Config::parse(&Value::from(fields.clone()).to_string()).unwrap();
    shape(&config).map(|shape| format!("{shape:?}"))
}

#[test]
fn every_field_matters_or_is_refused_or_is_inert() {
    let mut silent = Vec::new();
    for architecture in ARCHITECTURES {
        let model_type = architecture.model_type;
        let base = base(model_type);
        let plain = outcome(&base).unwrap_or_else(|fault| panic!("{model_type}: {fault}"));
        for (name, default) in known_fields(model_type) {
            let mut changed = base.clone();
            changed.insert(name.clone(), another(name, base.get(name).unwrap_or(default)));
            match outcome(&changed) {
                Ok(shape) if shape == plain && !INERT.contains(&name.as_str()) => {
                    silent.push(format!("{model_type}: `{name}` = {}", changed[name]));
                }
                Err(fault) => {
                    assert!(fault.contains(&format!("`{name}`")), "{model_type}: {fault}")
                }
                Ok(_) => {}
            }
        }
    }
    assert!(silent.is_empty(), "neither read nor refused:\n{}", silent.join("\n"));
}

#[test]
fn what_is_not_implemented_is_refused_by_name() {
    for (model_type, name, value) in [
        ("llama", "attention_dropout", json!(0.1)),
        ("llama", "hidden_act", json!("mish")),
        ("llama", "partial_rotary_factor", json!(0.5)),
        ("mistral", "attention_dropout", json!(0.1)),
        ("mistral", "hidden_act", json!("laplace")),
        ("mistral", "partial_rotary_factor", json!(0.25)),
        ("ministral3", "attention_dropout", json!(0.1)),
        ("ministral3", "hidden_act", json!("relu2")),
        ("qwen2", "attention_dropout", json!(0.1)),
        ("qwen2", "layer_types", json!(vec!["linear_attention"; 4])),
        ("qwen3", "attention_dropout", json!(0.1)),
        ("qwen3", "layer_types", json!(vec!["chunked_attention"; 4])),
        ("gemma2", "attention_dropout", json!(0.1)),
        ("gemma2", "use_bidirectional_attention", json!(true)),
        ("gemma2", "hidden_activation", json!("gelu_fast")),
        ("gemma3_text", "attention_dropout", json!(0.1)),
        ("gemma3_text", "attn_logit_softcapping", json!(50.0)),
        ("gemma3_text", "use_bidirectional_attention", json!(true)),
        ("smollm3", "attention_dropout", json!(0.1)),
        ("smollm3", "hidden_act", json!("quick_gelu")),
        ("smollm3", "partial_rotary_factor", json!(0.5)),
        ("olmo2", "attention_dropout", json!(0.1)),
        ("olmo2", "hidden_act", json!("quick_gelu")),
        ("olmo3", "attention_dropout", json!(0.1)),
        ("olmo3", "rope_theta", json!(10_000.0)),
        ("phi3", "attention_dropout", json!(0.1)),
        ("phi3", "resid_pdrop", json!(0.1)),
        ("phi3", "embd_pdrop", json!(0.1)),
        ("phi3", "rope_parameters", json!({"rope_type": "linear", "factor": 2.0})),
        ("granite", "attention_dropout", json!(0.1)),
        ("granite", "hidden_act", json!("quick_gelu")),
    ] {
        let mut fields = base(model_type);
        fields.insert(name.into(), value);
        let fault = outcome(&fields).unwrap_err();
        assert!(fault.contains(&format!("`{name}`")), "{model_type}: {fault}");
    }
}

#[test]
fn a_field_that_transformers_does_not_know_is_ignored() {
    let mut fields = base("llama");
    let plain = outcome(&fields);
    fields.insert("a_field_of_nobody".into(), json!([1, 2]));
    fields.insert("use_cache".into(), json!(false));
    assert_eq!(outcome(&fields), plain);
}
