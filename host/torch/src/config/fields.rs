//! The fields of a configuration as an architecture asks for them. What is wrong with them is gathered
//! and told at once; and what was never asked for is known.
//!
//! That is how a model is computed right or refused: a field of transformers' own class that an
//! architecture does not read, that may change what is computed, and that is not what it is by default,
//! is refused by name. A field that the class does not have means nothing to transformers either, and is
//! ignored.

use super::is_set;
use super::known::{canonical, is_inert, known_fields, released_dropout};
use crate::layers::activation::Activation;
use iterit_core::error::shown;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeSet;

/// More layers than any model has; a table of so many is still small.
const MOST_LAYERS: usize = 10_000;

/// Which tokens the attention of a layer sees, by transformers' names in `layer_types`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LayerType {
    Full,
    Sliding,
}

impl LayerType {
    /// The layers' types where the last of every `pattern` layers sees everything.
    pub(crate) fn full_at_end_of(pattern: usize) -> impl Fn(usize) -> Self {
        move |layer| Self::full_if((layer + 1).is_multiple_of(pattern))
    }

    /// The same where the first does.
    pub(crate) fn full_at_start_of(pattern: usize) -> impl Fn(usize) -> Self {
        move |layer| Self::full_if(layer.is_multiple_of(pattern))
    }

    fn full_if(sees_everything: bool) -> Self {
        if sees_everything { Self::Full } else { Self::Sliding }
    }
}

/// The fields of one architecture's configuration.
pub(crate) struct Fields<'a> {
    model_type: &'a str,
    object: Cow<'a, Map<String, Value>>,
    known: &'a Map<String, Value>,
    absent: Absent,
    asked: RefCell<BTreeSet<String>>,
    dropouts: RefCell<Vec<(String, f64)>>,
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
    pub(crate) fn new(model_type: &'a str, object: &'a Map<String, Value>, absent: Absent) -> Self {
        Self {
            model_type,
            object: listed(model_type, object),
            known: known_fields(model_type),
            absent,
            asked: RefCell::default(),
            dropouts: RefCell::default(),
            faults: RefCell::default(),
        }
    }

    /// A positive whole number that must be there.
    pub(crate) fn size(&self, name: &str) -> usize {
        let name = self.canonical(name);
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
        self.number_if_any(name).filter(|_| self.has(name))
    }

    /// True or false, by default as in transformers.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.typed(name, "true or false", Value::as_bool).unwrap_or(false)
    }

    /// A share of what a part gives that transformers sets to 0 in training, and this program does not.
    /// What an architecture has by default, or its released models have, is told, so that these can be
    /// trained at all; any other is refused.
    pub(crate) fn dropout(&self, name: &str) {
        if !self.is_known(name) {
            return;
        }
        let share = self.number_if_any(name).unwrap_or(0.0);
        if share == 0.0 {
            return;
        }
        let default = self.known[name].as_f64().filter(|&share| share != 0.0);
        match default.or(released_dropout(self.model_type, name)) {
            Some(usual) if share == usual => {
                self.dropouts.borrow_mut().push((name.to_owned(), share));
            }
            Some(usual) => self.unsupported(name, &share, &format!("0 or {usual}")),
            None => self.unsupported(name, &share, "0"),
        }
    }

    /// The dropout that was told of.
    pub(crate) fn dropouts(&self) -> Vec<(String, f64)> {
        self.dropouts.borrow().clone()
    }

    /// True or false where the file has it.
    pub(crate) fn flag_if_any(&self, name: &str) -> Option<bool> {
        self.typed(name, "true or false", Value::as_bool).filter(|_| self.has(name))
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

    /// A list of anything; absent where the file has none.
    pub(crate) fn list(&self, name: &str) -> Option<Vec<Value>> {
        self.typed(name, "a list", |value| value.as_array().cloned())
    }

    /// Whether the file says something of a field.
    pub(crate) fn has(&self, name: &str) -> bool {
        is_set(&self.object, self.canonical(name))
    }

    /// Lets a field pass that means nothing beside others.
    pub(crate) fn ignore(&self, name: &str) {
        self.get(name);
    }

    /// The activation between the matrices of the feed-forward.
    pub(crate) fn activation(&self, name: &str) -> Activation {
        let text = self.text(name);
        Activation::named(&text).unwrap_or_else(|| {
            self.unsupported(
                name,
                &format!("`{text}`"),
                "`silu`, `gelu`, `gelu_pytorch_tanh`, `quick_gelu`, `relu` or `relu2`",
            );
            Activation::Silu
        })
    }

    /// `layer_types` of attention, or what stands for it where the file has none.
    pub(crate) fn layer_types(
        &self,
        layers: usize,
        otherwise: impl Fn(usize) -> LayerType,
    ) -> Vec<LayerType> {
        // The last name is an older one of the first.
        let names = [
            ("full_attention", LayerType::Full),
            ("sliding_attention", LayerType::Sliding),
            ("attention", LayerType::Full),
        ];
        self.layer_types_by_name(&names, layers, otherwise)
    }

    /// `layer_types` of an architecture that has layers of these names.
    pub(crate) fn layer_types_by_name<T: Copy>(
        &self,
        names: &[(&str, T)],
        layers: usize,
        otherwise: impl Fn(usize) -> T,
    ) -> Vec<T> {
        let Some(values) = self.get("layer_types").filter(|values| !values.is_null()) else {
            return (0..layers).map(otherwise).collect();
        };
        let values = values.as_array().map(Vec::as_slice).unwrap_or_default();
        if values.len() < layers {
            self.fault(format!("`layer_types` has {} entries: expected {layers}", values.len()));
            return (0..layers).map(otherwise).collect();
        }
        let named = |(layer, value): (usize, &Value)| {
            let found = names.iter().find(|(name, _)| Some(*name) == value.as_str());
            found.map(|(_, layer_type)| *layer_type).unwrap_or_else(|| {
                let expected: Vec<_> = names.iter().map(|(name, _)| format!("`{name}`")).collect();
                self.unsupported("layer_types", value, &expected.join(" or "));
                otherwise(layer)
            })
        };
        values[..layers].iter().enumerate().map(named).collect()
    }

    /// Refuses a value that transformers computes with and this program does not.
    pub(crate) fn require(&self, name: &str, expected: &Value) {
        let name = self.canonical(name);
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
        let found = shown(found);
        self.fault(format!("`{name}` is {found}, which is not supported: expected {expected}"));
    }

    /// Everything that is wrong, among it every field that nobody asked for and that matters.
    pub(crate) fn into_faults(self) -> Vec<String> {
        for (name, default) in self.known {
            let asked = self.asked.borrow().contains(name) || is_inert(self.model_type, name);
            match self.object.get(name).filter(|found| !found.is_null()) {
                Some(found) if !asked && !is_same(found, default) => {
                    self.unsupported(name, found, &default.to_string());
                }
                _ => {}
            }
        }
        self.refuse_other_layers();
        self.faults.into_inner()
    }

    /// Layers of another kind, where the architecture has one kind alone: no field of its class, but one that
    /// transformers makes masks by wherever it finds it.
    fn refuse_other_layers(&self) {
        const NAME: &str = "layer_types";
        let is_asked = self.asked.borrow().contains(NAME) || self.is_known(NAME);
        let found = self.object.get(NAME).filter(|_| !is_asked);
        let is_plain = |value: &Value| value == "full_attention";
        match found.and_then(Value::as_array) {
            Some(values) if !values.iter().all(is_plain) => {
                self.unsupported(NAME, &Value::from(values.as_slice()), "`full_attention` alone");
            }
            _ => {}
        }
    }

    /// Whether transformers' class has such a field.
    pub(super) fn is_known(&self, name: &str) -> bool {
        self.known.contains_key(name)
    }

    /// A field as it stands in the file.
    fn get(&self, name: &str) -> Option<&Value> {
        let name = self.canonical(name);
        self.asked.borrow_mut().insert(name.to_owned());
        self.object.get(name)
    }

    fn canonical<'n>(&self, name: &'n str) -> &'n str {
        canonical(self.model_type, name)
    }

    /// Absent, it is what transformers takes it for; null, it is none.
    fn typed<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Option<T> {
        let name = self.canonical(name);
        let default = || self.known.get(name).and_then(&read);
        match self.get(name) {
            None => default(),
            Some(Value::Null) => None,
            Some(value) => read(value).or_else(|| {
                self.fault(format!("`{name}` is {}: expected {expected}", shown(value)));
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

/// The fields under the names they are listed under. Where both are there, the second name counts, as
/// transformers reads it last.
fn listed<'a>(model_type: &str, object: &'a Map<String, Value>) -> Cow<'a, Map<String, Value>> {
    if object.keys().all(|name| canonical(model_type, name) == name) {
        return Cow::Borrowed(object);
    }
    let (own, second): (Vec<_>, Vec<_>) =
        object.iter().partition(|(name, _)| canonical(model_type, name) == *name);
    let renamed = own.into_iter().chain(second);
    let renamed = renamed.map(|(name, value)| (canonical(model_type, name).into(), value.clone()));
    Cow::Owned(renamed.collect())
}

/// Equal, 1 and 1.0 being the same.
fn is_same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}
