//! Methods of Python's values.

mod collection;
mod string;

pub(super) use string::stripped;

use super::Renderer;
use super::arguments::Values;
use super::functions::Function;
use super::loops::Loop;
use crate::error::{Error, Result};
use crate::value::Value;

/// What Python and its sandbox say to a method's name.
pub(super) enum Known {
    Safe,
    /// There is such a method, and it would change the value.
    Unsafe,
    No,
}

const STR: [&str; 47] = [
    "capitalize",
    "casefold",
    "center",
    "count",
    "encode",
    "endswith",
    "expandtabs",
    "find",
    "format",
    "format_map",
    "index",
    "isalnum",
    "isalpha",
    "isascii",
    "isdecimal",
    "isdigit",
    "isidentifier",
    "islower",
    "isnumeric",
    "isprintable",
    "isspace",
    "istitle",
    "isupper",
    "join",
    "ljust",
    "lower",
    "lstrip",
    "maketrans",
    "partition",
    "removeprefix",
    "removesuffix",
    "replace",
    "rfind",
    "rindex",
    "rjust",
    "rpartition",
    "rsplit",
    "rstrip",
    "split",
    "splitlines",
    "startswith",
    "strip",
    "swapcase",
    "title",
    "translate",
    "upper",
    "zfill",
];

/// Whether a value has a method of this name.
pub(super) fn known(value: &Value, name: &str) -> Known {
    let (safe, changing): (&[&str], &[&str]) = match value {
        Value::Str(text) if text.is_markup && ["unescape", "striptags"].contains(&name) => {
            return Known::Safe;
        }
        Value::Str(_) => (&STR, &[]),
        Value::Dict(_) => (
            &["keys", "values", "items", "get", "copy", "fromkeys"],
            &["clear", "pop", "popitem", "setdefault", "update"],
        ),
        Value::List(_) => (
            &["index", "count", "copy"],
            &["append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"],
        ),
        Value::Tuple(_) | Value::Range(_) => (&["index", "count"], &[]),
        Value::Bytes(_) => (&["decode"], &[]),
        Value::Int(_) | Value::Bool(_) => {
            (&["bit_length", "bit_count", "conjugate", "as_integer_ratio", "to_bytes"], &[])
        }
        Value::Float(_) => (&["is_integer", "conjugate", "as_integer_ratio", "hex"], &[]),
        Value::View(..) => (&["isdisjoint"], &[]),
        _ => (&[], &[]),
    };
    match () {
        () if safe.contains(&name) => Known::Safe,
        () if changing.contains(&name) => Known::Unsafe,
        () => Known::No,
    }
}

impl Renderer<'_> {
    /// `value.name(…)`.
    pub(super) fn method(&mut self, value: &Value, name: &str, values: Values) -> Result<Value> {
        match value {
            Value::Str(text) => self.string_method(text, name, values),
            Value::Object(object) => {
                let object = object.as_any();
                if let Some(state) = object.downcast_ref::<Loop>() {
                    self.loop_method(state, name, values)
                } else if let Some(function) = object.downcast_ref::<Function>() {
                    self.function_method(function, name, values)
                } else {
                    Err(unsupported(value, name))
                }
            }
            _ => self.collection_method(value, name, values),
        }
    }
}

fn unsupported(value: &Value, name: &str) -> Error {
    Error::unsupported(format!("the method {name}() of {} is not supported", value.type_name()))
}
