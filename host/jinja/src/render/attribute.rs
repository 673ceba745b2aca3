//! `value.name` and `value[item]`, under the sandbox's rules: what Python would find, less names
//! that begin with `_` and whatever changes a list or dict.

use super::Renderer;
use super::functions::Function;
use super::loops::Loop;
use super::methods;
use crate::error::{ErrorKind, Result};
use crate::value::{Dict, Missing, Value};
use std::rc::Rc;

/// What a look at an attribute finds.
enum Found {
    Value(Value),
    /// It is there, and the sandbox hides it.
    Unsafe,
    Nothing,
}

impl Renderer<'_> {
    /// `value.name`: an attribute, else an item.
    pub(super) fn attribute(&mut self, value: &Value, name: &std::sync::Arc<str>) -> Result<Value> {
        if let Value::Undefined(missing) = value {
            return Err(missing.error());
        }
        Ok(match self.found(value, name)? {
            Found::Value(found) => found,
            Found::Unsafe => hidden(value, name),
            Found::Nothing => match value {
                Value::Dict(dict) => {
                    dict.get_str(name).cloned().unwrap_or_else(|| absent(value, name))
                }
                _ => absent(value, name),
            },
        })
    }

    /// `value[item]`: an item, else an attribute.
    pub(super) fn item(&mut self, value: &Value, item: &Value) -> Result<Value> {
        if let Value::Undefined(missing) = value {
            return Err(missing.error());
        }
        self.budget.steps(value.weight() + item.weight())?;
        if let Some(found) = self.subscript(value, item)? {
            return Ok(found);
        }
        match item {
            Value::Str(name) => Ok(match self.found(value, &name.text)? {
                Found::Value(found) => found,
                Found::Unsafe => hidden(value, &name.text),
                Found::Nothing => absent(value, &name.text),
            }),
            Value::Undefined(_) => Ok(absent(value, "Undefined")),
            _ => Ok(absent(value, &crate::write::repr(item, &self.budget)?)),
        }
    }

    /// `value|attr(name)`: an attribute, never an item.
    pub(super) fn attribute_alone(&mut self, value: &Value, name: &str) -> Result<Value> {
        if let Value::Undefined(missing) = value {
            return Err(missing.error());
        }
        Ok(match self.found(value, &name.into())? {
            Found::Value(found) => found,
            Found::Unsafe => hidden(value, name),
            Found::Nothing => absent(value, name),
        })
    }

    fn found(&mut self, value: &Value, name: &std::sync::Arc<str>) -> Result<Found> {
        if name.starts_with("__") && name.ends_with("__") {
            return Ok(match value {
                Value::Namespace(_) => Found::Nothing,
                _ => Found::Unsafe,
            });
        }
        let data = match value {
            Value::Namespace(namespace) => namespace.get(name),
            Value::Object(object) => self.object_attribute(value, object.as_any(), name)?,
            Value::Tuple(items) if items.is_group => match &**name {
                "grouper" => items.values.first().cloned(),
                "list" => items.values.get(1).cloned(),
                _ => None,
            },
            Value::Range(range) => match &**name {
                "start" => Some(Value::Int(range.start)),
                "stop" => Some(Value::Int(range.stop)),
                "step" => Some(Value::Int(range.step)),
                _ => None,
            },
            Value::Int(_) | Value::Bool(_) => match &**name {
                "real" | "numerator" => value.as_int().map(Value::Int),
                "imag" => Some(Value::Int(0)),
                "denominator" => Some(Value::Int(1)),
                _ => None,
            },
            Value::Float(number) => match &**name {
                "real" => Some(Value::Float(*number)),
                "imag" => Some(Value::Float(0.0)),
                _ => None,
            },
            _ => None,
        };
        if let Some(data) = data {
            return Ok(Found::Value(data));
        }
        Ok(match methods::known(value, name) {
            methods::Known::Safe => {
                Found::Value(Value::Method(Rc::new((value.clone(), name.clone()))))
            }
            methods::Known::Unsafe => Found::Unsafe,
            methods::Known::No => Found::Nothing,
        })
    }

    fn object_attribute(
        &mut self,
        value: &Value,
        object: &dyn std::any::Any,
        name: &std::sync::Arc<str>,
    ) -> Result<Option<Value>> {
        let method = || Some(Value::Method(Rc::new((value.clone(), name.clone()))));
        if let Some(state) = object.downcast_ref::<Loop>() {
            return match &**name {
                "cycle" | "changed" => Ok(method()),
                _ => self.loop_attribute(state, name),
            };
        }
        if let Some(called) = object.downcast_ref::<super::call::MacroValue>() {
            return self.macro_attribute(called, name);
        }
        Ok(match object.downcast_ref::<Function>() {
            Some(Function::Cycler(items, place, _)) => match &**name {
                "current" => items.get(place.get()).cloned(),
                "next" | "reset" => method(),
                _ => None,
            },
            Some(Function::Dict) if &**name == "fromkeys" => method(),
            Some(Function::Blocks) => {
                let place = self.parsed.blocks.iter().position(|block| block.name == *name);
                place.map(|place| Value::object(Function::Block(place)))
            }
            _ => None,
        })
    }

    fn macro_attribute(
        &mut self,
        called: &super::call::MacroValue,
        name: &str,
    ) -> Result<Option<Value>> {
        let definition = &called.definition;
        Ok(Some(match name {
            "name" => definition.name.clone().map_or(Value::None, Value::str),
            "arguments" => {
                let names = definition.parameters.iter().map(|it| Value::str(it.name.clone()));
                Value::tuple(names.collect(), &self.budget)?
            }
            "caller" => Value::Bool(definition.caller.is_some()),
            "catch_kwargs" => Value::Bool(definition.kwargs.is_some()),
            "catch_varargs" => Value::Bool(definition.varargs.is_some()),
            _ => return Ok(None),
        }))
    }

    /// Python's own subscript; `None` where it raises `TypeError` or `LookupError`.
    fn subscript(&self, value: &Value, item: &Value) -> Result<Option<Value>> {
        if let Value::Dict(dict) = value {
            return self.look_up(dict, item);
        }
        let Some(index) = item.as_int() else { return Ok(None) };
        let place = |length: usize| {
            let index = if index < 0 { index + length as i128 } else { index };
            usize::try_from(index).ok().filter(|place| *place < length)
        };
        Ok(match value {
            Value::Str(text) => {
                let character = match usize::try_from(index) {
                    Ok(index) => text.text.chars().nth(index),
                    Err(_) => usize::try_from(-1 - index)
                        .ok()
                        .and_then(|back| text.text.chars().rev().nth(back)),
                };
                character.map(|c| Value::str(c.to_string()))
            }
            Value::List(items) | Value::Tuple(items) => {
                place(items.values.len()).map(|place| items.values[place].clone())
            }
            Value::Range(range) => place(range.len()).map(|place| Value::Int(range.get(place))),
            Value::Bytes(bytes) => place(bytes.len()).map(|place| Value::Int(bytes[place].into())),
            _ => None,
        })
    }

    /// `None` for what cannot be a key, too, but not for what costs too much.
    fn look_up(&self, dict: &Dict, key: &Value) -> Result<Option<Value>> {
        match dict.get(key, &self.budget) {
            Ok(found) => Ok(found.cloned()),
            Err(error) if error.kind() == ErrorKind::Limit => Err(error),
            Err(_) => Ok(None),
        }
    }
}

fn absent(value: &Value, name: &str) -> Value {
    Value::undefined(Missing::Of { value: described(value), name: name.to_owned() })
}

fn hidden(value: &Value, name: &str) -> Value {
    Value::undefined(Missing::Unsafe { value: value.type_name(), name: name.to_owned() })
}

/// A value as jinja2's messages call it.
fn described(value: &Value) -> &'static str {
    match value {
        Value::None => "None",
        Value::Bool(_) => "bool object",
        Value::Int(_) => "int object",
        Value::Float(_) => "float object",
        Value::Str(_) => "str object",
        Value::List(_) => "list object",
        Value::Tuple(_) => "tuple object",
        Value::Dict(_) => "dict object",
        Value::Range(_) => "range object",
        Value::Namespace(_) => "transformers.utils.chat_template_utils.TemplateNamespace object",
        Value::Object(_) => "object",
        _ => value.type_name(),
    }
}
