//! The fields of a configuration as an architecture asks for them. What is wrong with them is gathered
//! and told at once; and what was never asked for is known.
//!
//! That is how a model is computed right or refused: transformers' own configuration classes are listed
//! in `fields.json` with their defaults. A field of that list that an architecture does not read, that
//! may change what is computed, and that is not what it is by default, is refused by name. A field that
//! is not in the list means nothing to transformers either, and is ignored.

use super::is_set;
use crate::layers::activation::Activation;
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// By `model_type`: every field of the class and its default. Made by `tests/golden/config_fields.py`.
static KNOWN: LazyLock<BTreeMap<String, Map<String, Value>>> =
    LazyLock::new(|| serde_json::from_str(include_str!("fields.json")).expect("a committed file"));

/// Fields that say nothing about what a model computes when it is trained: what it starts from, how
/// text is generated with it, what else transformers might return.
pub(crate) const INERT: [&str; 7] = [
    "bos_token_id",
    "eos_token_id",
    "initializer_range",
    "pad_token_id",
    "pretraining_tp",
    // Counts only with `output_router_logits`.
    "router_aux_loss_coef",
    "use_cache",
];

/// Every field of a configuration class, and its default.
///
/// # Panics
/// On a `model_type` that `fields.json` does not list.
pub(crate) fn known_fields(model_type: &str) -> &'static Map<String, Value> {
    KNOWN.get(model_type).unwrap_or_else(|| panic!("`{model_type}` is listed"))
}

/// More layers than any model has; a table of so many is still small.
const MOST_LAYERS: usize = 10_000;

/// Which tokens the attention of a layer sees, by transformers' names in `layer_types`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LayerType {
    Full,
    Sliding,
}

/// The fields of one architecture's configuration.
pub(crate) struct Fields<'a> {
    object: &'a Map<String, Value>,
    known: &'a Map<String, Value>,
    absent: Absent,
    asked: RefCell<BTreeSet<String>>,
    faults: RefCell<Vec<String>>,
}

/// What a size that the file leaves out means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Absent {
    /// A fault: files of one model name all its sizes.
    Fault,
    /// What it is by default: what lies under `text_config` leaves such sizes out.
    Default,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(model_type: &str, object: &'a Map<String, Value>, absent: Absent) -> Self {
        let known = known_fields(model_type);
        let (asked, faults) = (RefCell::default(), RefCell::default());
        Self { object, known, absent, asked, faults }
    }

    /// A positive whole number that must be there.
    pub(crate) fn size(&self, name: &str) -> usize {
        let is_missing = self.absent == Absent::Fault && !self.object.contains_key(name);
        let size = if is_missing { None } else { self.size_if_any(name) };
        size.unwrap_or_else(|| self.missing(name).into())
    }

    /// A positive whole number, by default that of transformers, which may be none.
    pub(crate) fn size_if_any(&self, name: &str) -> Option<usize> {
        let in_range = |size: &u64| *size > 0 && *size <= i32::MAX as u64;
        let read = |value: &Value| value.as_u64().filter(in_range).map(|size| size as usize);
        self.typed(name, "a positive number", read)
    }

    /// How many layers there are.
    pub(crate) fn num_layers(&self, name: &str) -> usize {
        let layers = self.size(name);
        if layers > MOST_LAYERS {
            self.fault(format!("`{name}` is {layers}: expected at most {MOST_LAYERS}"));
        }
        layers.min(MOST_LAYERS)
    }

    /// A number, by default that of transformers.
    pub(crate) fn number(&self, name: &str) -> f64 {
        self.number_if_any(name).unwrap_or_else(|| self.missing(name).into())
    }

    /// A number, by default that of transformers, which may be none.
    pub(crate) fn number_if_any(&self, name: &str) -> Option<f64> {
        self.typed(name, "a number", Value::as_f64)
    }

    /// A number of the file itself, whatever transformers takes in its absence.
    pub(crate) fn given_number(&self, name: &str) -> Option<f64> {
        self.number_if_any(name).filter(|_| is_set(self.object, name))
    }

    /// True or false, by default as in transformers.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.typed(name, "true or false", Value::as_bool).unwrap_or(false)
    }

    /// A word, by default that of transformers.
    pub(crate) fn text(&self, name: &str) -> String {
        self.typed(name, "text", |value| value.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// An object that may be missing; an empty one is as good as none.
    pub(crate) fn object(&self, name: &str) -> Option<Map<String, Value>> {
        let object = self.typed(name, "an object", |value| value.as_object().cloned());
        object.filter(|object| !object.is_empty())
    }

    /// Whole numbers, one a layer; absent where the file has none.
    pub(crate) fn numbers(&self, name: &str) -> Option<Vec<i64>> {
        let numbers = |value: &Value| value.as_array()?.iter().map(Value::as_i64).collect();
        self.typed(name, "a list of whole numbers", numbers)
    }

    /// The activation between the matrices of the feed-forward.
    pub(crate) fn activation(&self, name: &str) -> Activation {
        let text = self.text(name);
        Activation::named(&text).unwrap_or_else(|| {
            self.unsupported(
                name,
                &format!("`{text}`"),
                "`silu`, `gelu`, `gelu_pytorch_tanh` or `relu`",
            );
            Activation::Silu
        })
    }

    /// `layer_types`, or what stands for it where the file has none.
    pub(crate) fn layer_types(
        &self,
        layers: usize,
        otherwise: impl Fn(usize) -> LayerType,
    ) -> Vec<LayerType> {
        let Some(values) = self.get("layer_types").filter(|values| !values.is_null()) else {
            return (0..layers).map(otherwise).collect();
        };
        let values = values.as_array().map(Vec::as_slice).unwrap_or_default();
        if values.len() < layers {
            self.fault(format!("`layer_types` has {} entries: expected {layers}", values.len()));
            return vec![LayerType::Full; layers];
        }
        let named = |value: &Value| match value.as_str() {
            Some("full_attention") => LayerType::Full,
            Some("sliding_attention") => LayerType::Sliding,
            _ => {
                let expected = "`full_attention` or `sliding_attention`";
                self.unsupported("layer_types", value, expected);
                LayerType::Full
            }
        };
        values[..layers].iter().map(named).collect()
    }

    /// Refuses a value that transformers computes with and this program does not.
    pub(crate) fn require(&self, name: &str, expected: &Value) {
        match self.get(name) {
            Some(found) if !found.is_null() && !is_same(found, expected) => {
                self.unsupported(name, found, &expected.to_string());
            }
            _ => {}
        }
    }

    /// Adds a fault.
    pub(crate) fn fault(&self, fault: String) {
        let mut faults = self.faults.borrow_mut();
        if !faults.contains(&fault) {
            faults.push(fault);
        }
    }

    /// Adds the fault of a value that is not supported.
    pub(crate) fn unsupported(&self, name: &str, found: &dyn std::fmt::Display, expected: &str) {
        self.fault(format!("`{name}` is {found}, which is not supported: expected {expected}"));
    }

    /// Everything that is wrong, among it every field that nobody asked for and that matters.
    pub(crate) fn into_faults(self) -> Vec<String> {
        for (name, default) in self.known {
            let asked = self.asked.borrow().contains(name) || INERT.contains(&name.as_str());
            match self.object.get(name).filter(|found| !found.is_null()) {
                Some(found) if !asked && !is_same(found, default) => {
                    self.unsupported(name, found, &default.to_string());
                }
                _ => {}
            }
        }
        self.faults.into_inner()
    }

    /// Whether transformers' class has such a field.
    pub(super) fn is_known(&self, name: &str) -> bool {
        self.known.contains_key(name)
    }

    /// A field as it stands in the file.
    fn get(&self, name: &str) -> Option<&'a Value> {
        self.asked.borrow_mut().insert(name.to_owned());
        self.object.get(name)
    }

    /// Absent, it is what transformers takes it for; null, it is none.
    fn typed<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Option<T> {
        let default = || self.known.get(name).and_then(&read);
        match self.get(name) {
            None => default(),
            Some(Value::Null) => None,
            Some(value) => read(value).or_else(|| {
                self.fault(format!("`{name}` is {value}: expected {expected}"));
                default()
            }),
        }
    }

    /// A stand-in for a field that is not there, once it is among the faults.
    fn missing(&self, name: &str) -> u8 {
        self.fault(format!("missing field `{name}`"));
        1
    }
}

/// Equal, 1 and 1.0 being the same.
fn is_same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}
