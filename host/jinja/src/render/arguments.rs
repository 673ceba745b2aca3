//! The values of a call, and how they find their parameters.

use crate::error::{Error, Result};
use crate::value::Value;
use std::sync::Arc;

/// What a call is given.
#[derive(Clone, Default)]
pub(super) struct Values {
    pub(super) positional: Vec<Value>,
    pub(super) named: Vec<(Arc<str>, Value)>,
}

impl Values {
    pub(super) fn positional(values: Vec<Value>) -> Self {
        Self { positional: values, named: Vec::new() }
    }

    /// Takes a value by its name.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        let place = self.named.iter().position(|(known, _)| &**known == name)?;
        Some(self.named.remove(place).1)
    }

    /// The values of parameters with these names; the first `required` must be there.
    ///
    /// # Errors
    /// Too few, too many, two for one parameter, or one for a parameter that does not exist.
    pub(super) fn bind<const N: usize>(
        self,
        what: &str,
        names: [&str; N],
        required: usize,
    ) -> Result<[Option<Value>; N]> {
        if self.positional.len() > N {
            return Err(Error::type_error(format!(
                "{what}() takes at most {N} arguments, {} are given",
                self.positional.len()
            )));
        }
        let mut bound = [const { None }; N];
        for (place, value) in bound.iter_mut().zip(self.positional) {
            *place = Some(value);
        }
        for (name, value) in self.named {
            let Some(at) = names.iter().position(|known| **known == *name) else {
                return Err(Error::type_error(format!(
                    "{what}() got an unexpected keyword argument '{name}'"
                )));
            };
            if bound[at].replace(value).is_some() {
                return Err(Error::type_error(format!(
                    "{what}() got multiple values for argument '{name}'"
                )));
            }
        }
        if let Some(at) = bound[..required].iter().position(Option::is_none) {
            return Err(Error::type_error(format!(
                "{what}() missing required argument '{}'",
                names[at]
            )));
        }
        Ok(bound)
    }

    /// Values of parameters that have no names.
    ///
    /// # Errors
    /// Too few or too many, or names.
    pub(super) fn unnamed<const N: usize>(
        self,
        what: &str,
        required: usize,
    ) -> Result<[Option<Value>; N]> {
        if !self.named.is_empty() {
            return Err(Error::type_error(format!("{what}() takes no keyword arguments")));
        }
        self.bind(what, [""; N], required)
    }
}

/// An integer given to a parameter.
///
/// # Errors
/// Another type.
pub(super) fn integer(value: &Value) -> Result<i128> {
    match value {
        Value::Undefined(missing) => Err(missing.error()),
        _ => value.as_int().ok_or_else(|| {
            Error::type_error(format!(
                "'{}' object cannot be interpreted as an integer",
                value.type_name()
            ))
        }),
    }
}

/// A size: an integer, negative ones as nought.
///
/// # Errors
/// Another type.
pub(super) fn size(value: &Value) -> Result<usize> {
    Ok(usize::try_from(integer(value)?.max(0)).unwrap_or(usize::MAX))
}

/// A text given to a parameter.
///
/// # Errors
/// Another type.
pub(super) fn text<'a>(what: &str, value: &'a Value) -> Result<&'a str> {
    value.as_str().ok_or_else(|| match value {
        Value::Undefined(missing) => missing.error(),
        _ => Error::type_error(format!("{what}() argument must be str, not {}", value.type_name())),
    })
}
