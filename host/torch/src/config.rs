//! A model's `config.json`, with Hugging Face's field names. Says what the file says; what a field
//! means for an architecture stands in that architecture's file.
//!
//! transformers 4 writes `torch_dtype`, `rope_theta` and `rope_scaling`, transformers 5 `dtype` and
//! `rope_parameters`; both are read, and an export keeps the fields the file came with.

use crate::layers::rope::{Rope, RopeScaling};
use iterit_core::{Error, Result};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::path::Path;

/// The fields of `config.json` that a decoder needs, and the whole file beside them.
#[derive(Debug, Clone)]
pub struct Config {
    pub(crate) fields: Fields,
    original: Map<String, Value>,
}

/// Fields as they stand in the file; an absent one is what transformers takes it for.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Fields {
    #[serde(default)]
    pub(crate) architectures: Option<Vec<String>>,
    pub(crate) model_type: String,
    pub(crate) vocab_size: usize,
    pub(crate) hidden_size: usize,
    pub(crate) intermediate_size: usize,
    pub(crate) num_hidden_layers: usize,
    pub(crate) num_attention_heads: usize,
    pub(crate) num_key_value_heads: Option<usize>,
    pub(crate) head_dim: Option<usize>,
    pub(crate) max_position_embeddings: usize,
    #[serde(default = "silu")]
    pub(crate) hidden_act: String,
    #[serde(default = "one_millionth")]
    pub(crate) rms_norm_eps: f64,
    #[serde(default = "two_hundredths")]
    pub(crate) initializer_range: f64,
    #[serde(default)]
    pub(crate) tie_word_embeddings: bool,
    #[serde(default)]
    pub(crate) attention_bias: bool,
    #[serde(default)]
    pub(crate) mlp_bias: bool,
    #[serde(default)]
    pub(crate) attention_dropout: f64,
    pub(crate) sliding_window: Option<usize>,
    /// Only Qwen asks it; the others slide whenever there is a window.
    pub(crate) use_sliding_window: Option<bool>,
    rope_theta: Option<f64>,
    rope_scaling: Option<RopeFields>,
    rope_parameters: Option<RopeFields>,
    partial_rotary_factor: Option<f64>,
    quantization_config: Option<Value>,
}

/// `rope_scaling` of transformers 4 and `rope_parameters` of 5.
#[derive(Debug, Clone, Deserialize)]
struct RopeFields {
    rope_type: Option<String>,
    /// The older name; some files carry both.
    r#type: Option<String>,
    rope_theta: Option<f64>,
    factor: Option<f64>,
    low_freq_factor: Option<f64>,
    high_freq_factor: Option<f64>,
    original_max_position_embeddings: Option<f64>,
    partial_rotary_factor: Option<f64>,
}

fn silu() -> String {
    "silu".into()
}

fn one_millionth() -> f64 {
    1e-6
}

fn two_hundredths() -> f64 {
    0.02
}

impl Config {
    /// Reads a file and checks what no decoder of ours can do without.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
        Self::parse(&text).map_err(|fault| Error::file(path, fault))
    }

    /// Takes the text of a `config.json`; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let original: Map<String, Value> =
            serde_json::from_str(text).map_err(|error| error.to_string())?;
        let fields: Fields = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let config = Self { fields, original };
        let faults = config.faults();
        if faults.is_empty() { Ok(config) } else { Err(faults.join("\n")) }
    }

    /// The rotary embedding it asks for.
    pub(crate) fn rope(&self, head_dim: usize) -> Result<Rope, String> {
        let fields = &self.fields;
        let inner = fields.rope_parameters.as_ref().or(fields.rope_scaling.as_ref());
        let theta = inner.and_then(|rope| rope.rope_theta).or(fields.rope_theta);
        let scaling = inner.map_or(Ok(RopeScaling::Default), scaling)?;
        Ok(Rope { head_dim, theta: theta.unwrap_or(10_000.0), scaling })
    }

    /// Changes a field, for what is exported.
    pub(crate) fn set(&mut self, field: &str, value: Value) {
        self.original.insert(field.into(), value);
    }

    /// What the user should know of the file.
    pub(crate) fn remarks(&self) -> Vec<String> {
        let has_code = self.original.get("auto_map").is_some_and(|map| !map.is_null());
        let remark = format!(
            "`auto_map` in config.json: the model's own code is not run; it is read as a `{}`",
            self.fields.model_type
        );
        has_code.then_some(remark).into_iter().collect()
    }

    /// The file again, saying which type the weights beside it have.
    pub(crate) fn to_json(&self, dtype: &str) -> Value {
        let mut fields = self.original.clone();
        let named = ["dtype", "torch_dtype"].into_iter().find(|&name| fields.contains_key(name));
        fields.insert(named.unwrap_or("torch_dtype").into(), json!(dtype));
        Value::Object(fields)
    }

    fn faults(&self) -> Vec<String> {
        let fields = &self.fields;
        let mut faults = Vec::new();
        for (name, value) in [
            ("vocab_size", fields.vocab_size),
            ("hidden_size", fields.hidden_size),
            ("intermediate_size", fields.intermediate_size),
            ("num_hidden_layers", fields.num_hidden_layers),
            ("num_attention_heads", fields.num_attention_heads),
            ("num_key_value_heads", fields.num_key_value_heads.unwrap_or(1)),
            ("head_dim", fields.head_dim.unwrap_or(1)),
            ("max_position_embeddings", fields.max_position_embeddings),
        ] {
            if value == 0 || value > i32::MAX as usize {
                faults.push(format!("`{name}` is {value}: expected a positive number"));
            }
        }
        let unsupported = |name: &str, found: &dyn std::fmt::Display, expected: &str| {
            format!("`{name}` is {found}, which is not supported: expected {expected}")
        };
        if fields.hidden_act != "silu" {
            faults.push(unsupported("hidden_act", &format!("`{}`", fields.hidden_act), "`silu`"));
        }
        if fields.attention_dropout != 0.0 {
            faults.push(unsupported("attention_dropout", &fields.attention_dropout, "0"));
        }
        let inner = fields.rope_parameters.as_ref().and_then(|rope| rope.partial_rotary_factor);
        if let Some(factor) = fields.partial_rotary_factor.or(inner).filter(|&factor| factor != 1.0)
        {
            faults.push(unsupported("partial_rotary_factor", &factor, "1"));
        }
        if fields.quantization_config.is_some() {
            faults.push("`quantization_config`: quantized models are not supported".into());
        }
        faults
    }
}

fn scaling(rope: &RopeFields) -> Result<RopeScaling, String> {
    let need = |name: &str, value: Option<f64>| {
        value.ok_or_else(|| format!("the rotary embedding lacks `{name}`"))
    };
    let rope_type = rope.rope_type.as_deref().or(rope.r#type.as_deref());
    match rope_type.unwrap_or("default") {
        "default" => Ok(RopeScaling::Default),
        "linear" => Ok(RopeScaling::Linear { factor: need("factor", rope.factor)? }),
        "llama3" => Ok(RopeScaling::Llama3 {
            factor: need("factor", rope.factor)?,
            low_freq_factor: need("low_freq_factor", rope.low_freq_factor)?,
            high_freq_factor: need("high_freq_factor", rope.high_freq_factor)?,
            original_max_position_embeddings: need(
                "original_max_position_embeddings",
                rope.original_max_position_embeddings,
            )?,
        }),
        other => Err(format!(
            "rope type `{other}` is not supported: expected `default`, `linear` or `llama3`"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small configuration with `changes` laid over it; null takes a field away.
    fn config(changes: Value) -> Result<Config, String> {
        let mut fields = json!({
            "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 10,
            "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 2,
            "num_attention_heads": 4, "max_position_embeddings": 64, "torch_dtype": "bfloat16",
            "something_else": [1, 2],
        });
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => drop(fields.as_object_mut().unwrap().remove(name)),
                value => fields[name] = value.clone(),
            }
        }
        Config::parse(&fields.to_string())
    }

    #[test]
    fn both_generations_of_transformers_are_read() {
        let llama3 = json!({"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192, "rope_type": "llama3"});
        let mut with_theta = llama3.clone();
        with_theta["rope_theta"] = json!(500_000.0);
        let four = config(json!({"rope_theta": 500_000.0, "rope_scaling": llama3})).unwrap();
        let five = config(json!({"torch_dtype": null, "dtype": "float32",
            "rope_parameters": with_theta}))
        .unwrap();
        assert_eq!(four.rope(2).unwrap(), five.rope(2).unwrap());
        assert_eq!(four.rope(2).unwrap().theta, 500_000.0);
        let old = config(json!({"rope_scaling": {"type": "linear", "factor": 2.0}})).unwrap();
        assert_eq!(old.rope(2).unwrap().scaling, RopeScaling::Linear { factor: 2.0 });
        let plain = config(json!({"rope_parameters": {"rope_type": "default"}})).unwrap();
        assert_eq!(plain.rope(2).unwrap(), config(json!({})).unwrap().rope(2).unwrap());

        let exported = four.to_json("float32");
        assert_eq!(exported["torch_dtype"], "float32");
        assert!(exported.get("dtype").is_none() && exported["something_else"] == json!([1, 2]));
        let exported = five.to_json("bfloat16");
        assert!(exported["dtype"] == "bfloat16" && exported.get("torch_dtype").is_none());
    }

    #[test]
    fn faults_are_named() {
        for (changes, fault) in [
            (json!({"vocab_size": null}), "missing field `vocab_size`"),
            (json!({"vocab_size": "many"}), "invalid type: string \"many\", expected usize"),
            (json!({"hidden_size": 0}), "`hidden_size` is 0: expected a positive number"),
            (json!({"hidden_act": "gelu"}), "`hidden_act` is `gelu`, which is not supported"),
            (json!({"attention_dropout": 0.1}), "`attention_dropout` is 0.1"),
            (json!({"partial_rotary_factor": 0.5}), "`partial_rotary_factor` is 0.5"),
            (json!({"quantization_config": {}}), "quantized models are not supported"),
        ] {
            let message = config(changes).unwrap_err();
            assert!(message.contains(fault), "{message}");
        }
        for (rope, fault) in [
            (json!({"rope_type": "yarn", "factor": 4.0}), "rope type `yarn` is not supported"),
            (json!({"rope_type": "linear"}), "lacks `factor`"),
        ] {
            let message = config(json!({"rope_scaling": rope})).unwrap().rope(2).unwrap_err();
            assert!(message.contains(fault), "{message}");
        }
    }
}
