//! JSON becomes values, as `json.loads` makes them.

use super::{Dict, Value};
use crate::budget::Budget;
use crate::error::Result;
use serde_json::Value as Json;
use std::rc::Rc;

impl Value {
    /// The value that JSON stands for.
    ///
    /// # Errors
    /// JSON nested too deep.
    pub(crate) fn of_json(json: &Json, budget: &Budget) -> Result<Self> {
        Ok(match json {
            Json::Null => Self::None,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => match (number.as_i128(), number.as_f64()) {
                (Some(value), _) => Self::Int(value),
                (None, value) => Self::Float(value.unwrap_or(f64::NAN)),
            },
            Json::String(text) => Self::str(text.as_str()),
            Json::Array(values) => {
                let values = values.iter().map(|value| Self::of_json(value, budget));
                Self::list(values.collect::<Result<_>>()?, budget)?
            }
            Json::Object(map) => {
                let pairs = map.iter().map(|(key, value)| {
                    Ok((Self::str(key.as_str()), Self::of_json(value, budget)?))
                });
                Self::Dict(Rc::new(Dict::new(pairs.collect::<Result<_>>()?, budget)?))
            }
        })
    }
}
