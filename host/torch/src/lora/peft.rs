//! `adapter_config.json`, as PEFT writes and reads it. What it says is done or refused by name.

use super::{LoraInit, LoraOptions};
use crate::models::decoder::AskedLinear;
use serde_json::{Map, Value, json};

/// What is read of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PeftConfig {
    pub(super) rank: usize,
    pub(super) alpha: f64,
    pub(super) dropout: f64,
    pub(super) rank_stabilized: bool,
    /// Layers, by how their names end, with another rank or α than the others; the first that fits counts.
    pub(super) rank_pattern: Vec<(String, usize)>,
    pub(super) alpha_pattern: Vec<(String, f64)>,
    pub(super) init: Value,
}

/// Fields that say where an adapter comes from, which layers have one (the tensors say so too), or how
/// PEFT should go about it: no answer depends on them.
const INERT: [&str; 14] = [
    "auto_mapping",
    "base_model_name_or_path",
    "exclude_modules",
    "fan_in_fan_out",
    "inference_mode",
    "layers_pattern",
    "layers_to_transform",
    "loftq_config",
    "megatron_core",
    "peft_version",
    "qalora_group_size",
    "revision",
    "runtime_config",
    "target_modules",
];

/// Ways to draw the first matrices that leave the base as it is; others change it as well.
const INITS: [&str; 3] = ["gaussian", "orthogonal", "eva"];

impl PeftConfig {
    pub(super) fn new(options: &LoraOptions) -> Self {
        Self {
            rank: options.rank,
            alpha: options.alpha,
            dropout: 0.0,
            rank_stabilized: options.rank_stabilized,
            rank_pattern: Vec::new(),
            alpha_pattern: Vec::new(),
            init: match options.init {
                LoraInit::Kaiming => json!(true),
                LoraInit::Gaussian => json!("gaussian"),
            },
        }
    }

    /// What `fields` say; every fault where they cannot be done.
    pub(super) fn parse(fields: &Map<String, Value>) -> Result<Self, Vec<String>> {
        let mut faults = Vec::new();
        let mut fields = Fields { fields, faults: &mut faults };
        fields.expect("peft_type", &[json!("LORA")]);
        fields.expect("task_type", &[Value::Null, json!("CAUSAL_LM")]);
        fields.expect("bias", &[Value::Null, json!("none")]);
        let config = Self {
            rank: fields.number("r", 8.0) as usize,
            alpha: fields.number("lora_alpha", 8.0),
            dropout: fields.number("lora_dropout", 0.0),
            rank_stabilized: fields.flag("use_rslora"),
            rank_pattern: fields.pattern("rank_pattern", |rank| rank as usize),
            alpha_pattern: fields.pattern("alpha_pattern", |alpha| alpha),
            init: fields.init(),
        };
        fields.refuse_others();
        if faults.is_empty() { Ok(config) } else { Err(faults) }
    }

    /// The rank of a layer.
    pub(super) fn rank_of(&self, layer: &str) -> usize {
        by_pattern(&self.rank_pattern, layer).unwrap_or(self.rank)
    }

    /// s: α / R, or α / √R.
    pub(super) fn scale(&self, layer: &str, rank: usize) -> f64 {
        let alpha = by_pattern(&self.alpha_pattern, layer).unwrap_or(self.alpha);
        let rank = rank as f64;
        if self.rank_stabilized { alpha / rank.sqrt() } else { alpha / rank }
    }

    /// The file for an adapter of these layers, by their names in transformers.
    pub(super) fn to_json(
        &self,
        base: &str,
        layers: &[(String, &AskedLinear)],
        targets: &[String],
    ) -> Value {
        use crate::layers::linear::LinearKind::Conv1d;
        let lies_on_its_side = layers.iter().any(|(_, layer)| layer.kind == Conv1d);
        let whole = |number: f64| match number.fract() == 0.0 {
            true => json!(number as i64),
            false => json!(number),
        };
        let ranks: Map<String, Value> =
            self.rank_pattern.iter().map(|(name, rank)| (name.clone(), json!(rank))).collect();
        let alphas: Map<String, Value> =
            self.alpha_pattern.iter().map(|(name, alpha)| (name.clone(), whole(*alpha))).collect();
        json!({
            "auto_mapping": null,
            "base_model_name_or_path": base,
            "bias": "none",
            "fan_in_fan_out": lies_on_its_side,
            "inference_mode": true,
            "init_lora_weights": self.init,
            "layers_pattern": null,
            "layers_to_transform": null,
            "lora_alpha": whole(self.alpha),
            "lora_dropout": self.dropout,
            "modules_to_save": null,
            "peft_type": "LORA",
            "r": self.rank,
            "rank_pattern": ranks,
            "alpha_pattern": alphas,
            "revision": null,
            "target_modules": targets,
            "task_type": "CAUSAL_LM",
            "use_dora": false,
            "use_rslora": self.rank_stabilized,
        })
    }
}

/// The value of the first name that the layer's ends in.
fn by_pattern<T: Copy>(pattern: &[(String, T)], layer: &str) -> Option<T> {
    let ends = |name: &str| {
        layer.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    pattern.iter().find(|(name, _)| ends(name)).map(|(_, value)| *value)
}

/// The fields of the file, and what is wrong with them.
struct Fields<'a> {
    fields: &'a Map<String, Value>,
    faults: &'a mut Vec<String>,
}

/// Those that have a meaning here.
const READ: [&str; 10] = [
    "peft_type",
    "task_type",
    "bias",
    "r",
    "lora_alpha",
    "lora_dropout",
    "use_rslora",
    "rank_pattern",
    "alpha_pattern",
    "init_lora_weights",
];

impl<'a> Fields<'a> {
    fn get(&self, name: &str) -> &'a Value {
        self.fields.get(name).unwrap_or(&Value::Null)
    }

    fn expect(&mut self, name: &str, allowed: &[Value]) {
        let found = self.get(name);
        if !allowed.contains(found) {
            let expected: Vec<String> = allowed.iter().map(Value::to_string).collect();
            let fault = format!("`{name}` is {found}: expected {}", expected.join(" or "));
            self.faults.push(fault);
        }
    }

    fn number(&mut self, name: &str, default: f64) -> f64 {
        let found = self.get(name);
        let number = if found.is_null() { Some(default) } else { found.as_f64() };
        let is_rate = name == "lora_dropout";
        let allowed = |number: &f64| match is_rate {
            true => (0.0..1.0).contains(number),
            false => *number > 0.0 && number.is_finite() && (name != "r" || number.fract() == 0.0),
        };
        number.filter(allowed).unwrap_or_else(|| {
            let expected = match (is_rate, name) {
                (true, _) => "a share, 0 or more and below 1",
                (_, "r") => "a whole number, 1 or more",
                _ => "a number above 0",
            };
            self.faults.push(format!("`{name}` is {found}: expected {expected}"));
            1.0
        })
    }

    fn flag(&mut self, name: &str) -> bool {
        self.expect(name, &[Value::Null, json!(false), json!(true)]);
        self.get(name) == true
    }

    /// PEFT takes the names for regular expressions; those that are more than names are refused.
    fn pattern<T>(&mut self, name: &str, value: impl Fn(f64) -> T) -> Vec<(String, T)> {
        let is_name = |text: &str| {
            text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
        };
        let Some(entries) = self.get(name).as_object() else {
            self.expect(name, &[Value::Null]);
            return Vec::new();
        };
        let mut pattern = Vec::new();
        for (layers, number) in entries {
            match number.as_f64().filter(|number| *number > 0.0) {
                Some(number) if is_name(layers) => pattern.push((layers.clone(), value(number))),
                _ => self.faults.push(format!(
                    "`{name}` has {layers:?}: {number}, expected the end of a layer's name and a number \
                     above 0"
                )),
            }
        }
        pattern
    }

    /// How it was begun: no matter, unless the base was changed too.
    fn init(&mut self) -> Value {
        let found = self.get("init_lora_weights");
        match found {
            Value::Null | Value::Bool(_) => {}
            Value::String(name) if INITS.contains(&name.as_str()) => {}
            other => self.faults.push(format!(
                "`init_lora_weights` is {other}, by which the base was changed too: not supported\n\
                 hint: PEFT's save_pretrained(…, path_initial_model_for_weight_conversion=…) makes a plain \
                 adapter of it"
            )),
        }
        if found.is_string() { found.clone() } else { json!(true) }
    }

    /// A field that has a meaning to PEFT and none here.
    fn refuse_others(&mut self) {
        for (name, value) in self.fields {
            let is_off = match value {
                Value::Null | Value::Bool(false) => true,
                Value::Array(items) => items.is_empty(),
                Value::Object(fields) => fields.is_empty(),
                _ => false,
            };
            let is_known = READ.contains(&name.as_str()) || INERT.contains(&name.as_str());
            if !is_known && !is_off {
                self.faults.push(format!("`{name}` is {value}, which is not supported"));
            }
        }
    }
}
