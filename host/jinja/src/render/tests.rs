//! Tests: `value is name`.

use super::Renderer;
use super::arguments::Values;
use crate::ast::Operator;
use crate::error::{Error, ErrorKind, Result};
use crate::names::{FILTERS, TESTS};
use crate::operators::binary;
use crate::text::{is_lower, is_upper};
use crate::value::{Key, Value, compare, contains, equal};
use std::cmp::Ordering;
use std::rc::Rc;

impl Renderer<'_> {
    /// `value is name`.
    pub(super) fn test(&mut self, name: &str, value: &Value, values: Values) -> Result<bool> {
        self.budget.steps(1 + value.weight())?;
        let ordering =
            |holds: fn(Ordering) -> bool, operator: &str, this: &Self, values: Values| {
                let other = argument(name, values)?;
                Ok(compare(value, &other, operator, &this.budget)?.is_some_and(holds))
            };
        match name {
            "==" | "eq" | "equalto" => equal(value, &argument(name, values)?, &self.budget),
            "!=" | "ne" => Ok(!equal(value, &argument(name, values)?, &self.budget)?),
            "<" | "lt" | "lessthan" => ordering(Ordering::is_lt, "<", self, values),
            "<=" | "le" => ordering(Ordering::is_le, "<=", self, values),
            ">" | "gt" | "greaterthan" => ordering(Ordering::is_gt, ">", self, values),
            ">=" | "ge" => ordering(Ordering::is_ge, ">=", self, values),
            "in" => contains(&argument(name, values)?, value, &self.budget),
            "divisibleby" => {
                let number = argument(name, values)?;
                self.is_divisible(value, &number, 0)
            }
            "sameas" => Ok(is_same(value, &argument(name, values)?)),
            "odd" | "even" => {
                values.unnamed::<0>(name, 0)?;
                self.is_divisible(value, &Value::Int(2), i128::from(name == "odd"))
            }
            _ if !TESTS.contains(&name) => {
                Err(Error::new(ErrorKind::Syntax, format!("No test named '{name}'.")))
            }
            _ => {
                values.unnamed::<0>(name, 0)?;
                self.is_kind(name, value)
            }
        }
    }

    fn is_divisible(&self, value: &Value, by: &Value, rest: i128) -> Result<bool> {
        let found = binary(Operator::Modulo, value, by, &self.budget)?;
        equal(&found, &Value::Int(rest), &self.budget)
    }

    fn is_kind(&mut self, name: &str, value: &Value) -> Result<bool> {
        Ok(match name {
            "defined" => !value.is_undefined(),
            "undefined" => value.is_undefined(),
            "none" => matches!(value, Value::None),
            "boolean" => matches!(value, Value::Bool(_)),
            "true" => matches!(value, Value::Bool(true)),
            "false" => matches!(value, Value::Bool(false)),
            "integer" => matches!(value, Value::Int(_)),
            "float" => matches!(value, Value::Float(_)),
            "number" => value.as_float().is_some(),
            "string" => matches!(value, Value::Str(_)),
            "escaped" => matches!(value, Value::Str(text) if text.is_markup),
            "mapping" => matches!(value, Value::Dict(_)),
            "sequence" => matches!(
                value,
                Value::Str(_)
                    | Value::Bytes(_)
                    | Value::List(_)
                    | Value::Tuple(_)
                    | Value::Dict(_)
                    | Value::Range(_)
                    | Value::Undefined(_)
            ),
            "iterable" => {
                let is_loop = matches!(value, Value::Object(it) if it.type_name() == "LoopContext");
                value.is_iterable() || is_loop
            }
            "callable" => match value {
                Value::Object(object) => object.is_callable(),
                Value::Method(_) | Value::Undefined(_) => true,
                _ => false,
            },
            "lower" | "upper" => match self.text(value) {
                Ok(text) if name == "lower" => is_lower(&text),
                Ok(text) => is_upper(&text),
                // Whatever its address, the rest of what it shows is in lower case.
                Err(error) if error.kind() == ErrorKind::Unsupported => name == "lower",
                Err(error) => return Err(error),
            },
            // A name is looked up, so it has to be something that can be a key.
            "filter" => Key::of(value, &self.budget).map(|_| is_among(value, &FILTERS))?,
            _ => Key::of(value, &self.budget).map(|_| is_among(value, &TESTS))?,
        })
    }
}

fn is_among(value: &Value, names: &[&str]) -> bool {
    value.as_str().is_some_and(|name| names.contains(&name))
}

/// The one argument of a test.
fn argument(name: &str, values: Values) -> Result<Value> {
    let [value] = values.unnamed::<1>(name, 1)?;
    Ok(value.expect("a required argument"))
}

/// `a is b`, as far as values have an identity that a template can rely on.
fn is_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::None, Value::None) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        // Python keeps the small ones once.
        (Value::Int(a), Value::Int(b)) => a == b && (-5..=256).contains(a),
        (Value::Str(a), Value::Str(b)) => a.text == b.text,
        (Value::List(a), Value::List(b)) | (Value::Tuple(a), Value::Tuple(b)) => Rc::ptr_eq(a, b),
        (Value::Dict(a), Value::Dict(b)) => Rc::ptr_eq(a, b),
        (Value::Namespace(a), Value::Namespace(b)) => Rc::ptr_eq(a, b),
        (Value::Object(a), Value::Object(b)) => Rc::ptr_eq(a, b),
        (Value::Undefined(a), Value::Undefined(b)) => Rc::ptr_eq(a, b),
        _ => false,
    }
}
