//! A model's `config.json`, with Hugging Face's field names. Says what the file says; what a field
//! means for an architecture stands in that architecture's file.
//!
//! transformers 4 writes `torch_dtype`, `rope_theta` and `rope_scaling`, transformers 5 `dtype` and
//! `rope_parameters`; both are read, and an export keeps the fields the file came with. A model that sees
//! as well as reads keeps what concerns its text under `text_config`.

mod known;

mod fields;
mod rope;

pub(crate) use fields::{Absent, Fields, LayerType};
#[cfg(test)]
pub(crate) use known::{canonical, is_inert, known_fields};
pub(crate) use rope::RopeDefaults;

use iterit_core::not_a_number::as_tagged;
use iterit_core::{Error, Result};
use serde_json::{Map, Value, json};
use std::path::Path;

/// The whole file.
#[derive(Debug, Clone)]
pub struct Config {
    original: Map<String, Value>,
}

impl Config {
    /// Reads a file and checks what no decoder of ours can do without.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
        Self::parse(&text).map_err(|fault| Error::file(path, fault))
    }

    /// Takes the text of a `config.json`; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let original: Map<String, Value> = serde_json::from_slice(&as_tagged(text.as_bytes()))
            .map_err(|error| error.to_string())?;
        let config = Self { original };
        let mut faults = Vec::new();
        if config.model_type().is_empty() {
            faults.push(
                "missing field `model_type`: expected the name of an architecture, such as `llama`"
                    .to_owned(),
            );
        }
        let places = [&config.original, config.text()];
        if let Some(place) = places.iter().find(|it| is_set(it, "quantization_config")) {
            faults.push(quantized(&place["quantization_config"]));
        }
        if faults.is_empty() { Ok(config) } else { Err(faults.join("\n")) }
    }

    /// The architecture, by its short name.
    pub(crate) fn model_type(&self) -> &str {
        self.original.get("model_type").and_then(Value::as_str).unwrap_or_default()
    }

    /// The architecture, by transformers' classes; often one.
    pub(crate) fn architectures(&self) -> Vec<&str> {
        let classes = self.original.get("architectures").and_then(Value::as_array);
        classes.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// Every field.
    pub(crate) fn whole(&self) -> &Map<String, Value> {
        &self.original
    }

    /// What concerns text: an object of its own, or the whole file.
    pub(crate) fn text(&self) -> &Map<String, Value> {
        self.original.get("text_config").and_then(Value::as_object).unwrap_or(&self.original)
    }

    /// The architecture of the text model, by its short name.
    pub(crate) fn text_model_type(&self) -> Option<&str> {
        self.original.get("text_config")?.get("model_type")?.as_str()
    }

    /// Changes a field, for what is exported.
    pub(crate) fn set(&mut self, field: &str, value: Value) {
        self.original.insert(field.into(), value);
    }

    /// Changes a field of what concerns text, for what is exported.
    pub(crate) fn set_of_text(&mut self, field: &str, value: Value) {
        match self.original.get_mut("text_config").and_then(Value::as_object_mut) {
            Some(text) => text.insert(field.into(), value),
            None => self.original.insert(field.into(), value),
        };
    }

    /// What the user should know of the file.
    pub(crate) fn remarks(&self) -> Vec<String> {
        let has_code = is_set(&self.original, "auto_map");
        let remark = format!(
            "`auto_map` in config.json: the model's own code is not run; it is read as a `{}`",
            self.model_type()
        );
        has_code.then_some(remark).into_iter().collect()
    }

    /// The file again, saying which type the weights beside it have.
    pub(crate) fn to_json(&self, dtype: &str) -> Value {
        let mut fields = self.original.clone();
        if let Some(Value::Object(text)) = fields.get_mut("text_config")
            && dtype_field(text).is_some()
        {
            set_dtype(text, dtype);
        }
        set_dtype(&mut fields, dtype);
        Value::Object(fields)
    }
}

/// What is said of weights in fewer bits.
fn quantized(quantization: &Value) -> String {
    match quantization["quant_method"].as_str() {
        Some("mxfp4") => "`quantization_config`: the quantized weights of `mxfp4` are not read\n\
             hint: in Python, AutoModelForCausalLM.from_pretrained(FOLDER, dtype=\"bfloat16\", \
             quantization_config=Mxfp4Config(dequantize=True)).save_pretrained(OTHER_FOLDER)"
            .into(),
        Some(method) => {
            format!("`quantization_config`: quantized models are not supported, here `{method}`")
        }
        None => "`quantization_config`: quantized models are not supported".into(),
    }
}

fn set_dtype(fields: &mut Map<String, Value>, dtype: &str) {
    let name = dtype_field(fields).unwrap_or("torch_dtype");
    fields.insert(name.into(), json!(dtype));
}

fn dtype_field(fields: &Map<String, Value>) -> Option<&'static str> {
    ["dtype", "torch_dtype"].into_iter().find(|&name| fields.contains_key(name))
}

/// Whether a field is there; null stands for one that is not.
fn is_set(fields: &Map<String, Value>, name: &str) -> bool {
    fields.get(name).is_some_and(|value| !value.is_null())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_keeps_what_the_file_said_but_the_type() {
        let exported =
            |fields: Value| Config::parse(&fields.to_string()).unwrap().to_json("float32");
        let four = exported(json!({"model_type": "llama", "torch_dtype": "float16", "x": [1, 2]}));
        assert_eq!(four, json!({"model_type": "llama", "torch_dtype": "float32", "x": [1, 2]}));
        let five = exported(json!({"model_type": "llama", "dtype": "bfloat16"}));
        assert_eq!(five, json!({"model_type": "llama", "dtype": "float32"}));
        let silent = exported(json!({"model_type": "llama", "text_config": {"vocab_size": 3}}));
        assert_eq!(silent["torch_dtype"], "float32");
        assert_eq!(silent["text_config"], json!({"vocab_size": 3}));
        let nested = json!({"model_type": "gemma3", "dtype": "bfloat16",
            "text_config": {"dtype": "bfloat16"}, "vision_config": {"dtype": "bfloat16"}});
        let nested = exported(nested);
        assert_eq!(nested["dtype"], "float32");
        assert_eq!(nested["text_config"]["dtype"], "float32");
        assert_eq!(nested["vision_config"]["dtype"], "bfloat16", "not trained, not cast");
    }

    #[test]
    fn what_no_decoder_can_do_is_refused() {
        for (text, fault) in [
            ("{", "EOF while parsing"),
            ("[]", "invalid type: sequence, expected a map"),
            ("{}", "missing field `model_type`"),
            (r#"{"model_type": "llama", "quantization_config": {}}"#, "quantized models"),
            (r#"{"model_type": "x", "text_config": {"quantization_config": {}}}"#, "quantized"),
            (
                r#"{"model_type": "gpt_oss", "quantization_config": {"quant_method": "mxfp4"}}"#,
                "mxfp4",
            ),
        ] {
            let message = Config::parse(text).unwrap_err();
            assert!(message.contains(fault), "{message}");
        }
        Config::parse(r#"{"model_type": "llama", "quantization_config": null}"#).unwrap();
    }
}
