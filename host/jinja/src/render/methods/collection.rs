//! Methods of lists, tuples, dicts and numbers.

use super::super::Renderer;
use super::super::arguments::{Values, integer};
use super::unsupported;
use crate::error::{Error, Result};
use crate::value::{Value, View, equal};

impl Renderer<'_> {
    pub(super) fn collection_method(
        &mut self,
        value: &Value,
        name: &str,
        values: Values,
    ) -> Result<Value> {
        match (value, name) {
            (Value::Dict(dict), "keys" | "values" | "items") => {
                values.unnamed::<0>(name, 0)?;
                let view = match name {
                    "keys" => View::Keys,
                    "values" => View::Values,
                    _ => View::Items,
                };
                Ok(Value::View(view, dict.clone()))
            }
            (Value::Dict(dict), "get") => {
                let [key, default] = values.unnamed::<2>(name, 1)?;
                let key = key.expect("a required argument");
                let found = dict.get(&key, &self.budget)?.cloned();
                Ok(found.or(default).unwrap_or(Value::None))
            }
            (Value::Dict(_) | Value::List(_), "copy") => {
                values.unnamed::<0>(name, 0)?;
                Ok(value.clone())
            }
            (Value::List(_) | Value::Tuple(_) | Value::Range(_), "count") => {
                let [item] = values.unnamed::<1>(name, 1)?;
                let item = item.expect("a required argument");
                let mut count = 0;
                for value in value.iterate(&self.budget)? {
                    count += i128::from(equal(&value, &item, &self.budget)?);
                }
                Ok(Value::Int(count))
            }
            (Value::List(_) | Value::Tuple(_) | Value::Range(_), "index") => {
                self.index(value, values)
            }
            (Value::Bytes(bytes), "decode") => {
                let [encoding] = values.bind(name, ["encoding"], 0)?;
                let encoding = encoding.as_ref().and_then(Value::as_str).unwrap_or("utf-8");
                if !matches!(encoding, "utf-8" | "utf8" | "UTF-8" | "ascii") {
                    return Err(Error::unsupported(format!("the encoding {encoding}")));
                }
                match std::str::from_utf8(bytes) {
                    Ok(text) => Ok(Value::str(text)),
                    Err(error) => Err(Error::value(format!("can't decode: {error}"))),
                }
            }
            (Value::Int(_) | Value::Bool(_), "bit_length") => {
                values.unnamed::<0>(name, 0)?;
                let size = value.as_int().unwrap_or_default().unsigned_abs();
                Ok(Value::Int(i128::from(u128::BITS - size.leading_zeros())))
            }
            (Value::Int(_) | Value::Bool(_), "bit_count") => {
                values.unnamed::<0>(name, 0)?;
                let size = value.as_int().unwrap_or_default().unsigned_abs();
                Ok(Value::Int(i128::from(size.count_ones())))
            }
            (Value::Int(_) | Value::Bool(_) | Value::Float(_), "conjugate") => {
                values.unnamed::<0>(name, 0)?;
                Ok(value.as_int().map_or_else(|| value.clone(), Value::Int))
            }
            (Value::Float(number), "is_integer") => {
                values.unnamed::<0>(name, 0)?;
                Ok(Value::Bool(number.fract() == 0.0))
            }
            _ => Err(unsupported(value, name)),
        }
    }

    fn index(&mut self, value: &Value, values: Values) -> Result<Value> {
        let [item, start, stop] = values.unnamed::<3>("index", 1)?;
        let item = item.expect("a required argument");
        let items = value.iterate(&self.budget)?;
        let length = items.len() as i128;
        let place = |given: Option<Value>, default: i128| -> Result<usize> {
            let place = given.as_ref().map_or(Ok(default), integer)?;
            let place = if place < 0 { place.saturating_add(length) } else { place };
            Ok(place.clamp(0, length) as usize)
        };
        let (start, stop) = (place(start, 0)?, place(stop, length)?);
        for (at, candidate) in items.iter().enumerate().take(stop).skip(start) {
            if equal(candidate, &item, &self.budget)? {
                return Ok(Value::Int(at as i128));
            }
        }
        let shown = crate::write::repr(&item, &self.budget)?;
        Err(Error::value(format!("{shown} is not in {}", value.type_name())))
    }
}
