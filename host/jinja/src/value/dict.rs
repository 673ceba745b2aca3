//! Python's `dict`: keys in the order they came, equal where Python holds them equal (`1`, `1.0`
//! and `true` are one key).

use super::{Missing, Value, nested};
use crate::budget::Budget;
use crate::error::{Error, Result};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

/// Up to as many keys a look at each is quicker than a hash.
const SMALL: usize = 8;

/// A dict that does not change.
pub(crate) struct Dict {
    entries: Vec<(Value, Value)>,
    /// Places by key, where there are many.
    index: Option<HashMap<Key, usize>>,
    depth: u16,
}

/// What a key is equal by.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    None,
    Undefined,
    Int(i128),
    Float(u64),
    Str(Arc<str>),
    Bytes(Rc<[u8]>),
    Tuple(Vec<Key>),
    Range(i128, i128, i128),
    /// Whatever is equal to itself alone.
    Same(usize),
}

impl Key {
    /// The key that a value is. A tuple may hold the same tuple many times over, so each part is paid for.
    ///
    /// # Errors
    /// A list or dict, which cannot be one.
    pub(crate) fn of(value: &Value, budget: &Budget) -> Result<Self> {
        budget.steps(1 + value.weight())?;
        Ok(match value {
            Value::Undefined(missing) => match &**missing {
                Missing::Unsafe { .. } => return Err(missing.error()),
                _ => Self::Undefined,
            },
            Value::None => Self::None,
            Value::Bool(value) => Self::Int((*value).into()),
            Value::Int(value) => Self::Int(*value),
            Value::Float(value) if value.fract() == 0.0 && value.abs() < 1e30 => {
                Self::Int(*value as i128)
            }
            Value::Float(value) => Self::Float(value.to_bits()),
            Value::Str(text) => Self::Str(text.text.clone()),
            Value::Bytes(bytes) => Self::Bytes(bytes.clone()),
            Value::Tuple(items) => {
                budget.bytes(items.values.len() * size_of::<Self>())?;
                let keys = items.values.iter().map(|item| Self::of(item, budget));
                Self::Tuple(keys.collect::<Result<_>>()?)
            }
            Value::Range(range) => Self::Range(range.start, range.stop, range.step),
            Value::List(_) | Value::Dict(_) | Value::View(..) => {
                return Err(Error::type_error(format!("unhashable type: '{}'", value.type_name())));
            }
            Value::Iterator(it) => Self::Same(Rc::as_ptr(it).addr()),
            Value::Namespace(it) => Self::Same(Rc::as_ptr(it).addr()),
            Value::Object(it) => Self::Same(Rc::as_ptr(it).cast::<()>().addr()),
            Value::Method(it) => Self::Same(Rc::as_ptr(it).addr()),
        })
    }
}

impl Dict {
    /// From pairs, of which later ones replace earlier ones in their place.
    ///
    /// # Errors
    /// A key that cannot be one; dicts nested too deep.
    pub(crate) fn new(pairs: Vec<(Value, Value)>, budget: &Budget) -> Result<Self> {
        budget.bytes(pairs.len() * 2 * size_of::<Value>() + 32)?;
        let mut entries: Vec<(Value, Value)> = Vec::with_capacity(pairs.len());
        let mut index = HashMap::with_capacity(pairs.len());
        for (key, value) in pairs {
            match index.entry(Key::of(&key, budget)?) {
                std::collections::hash_map::Entry::Occupied(place) => {
                    let place: usize = *place.get();
                    entries[place].1 = value;
                }
                std::collections::hash_map::Entry::Vacant(place) => {
                    place.insert(entries.len());
                    entries.push((key, value));
                }
            }
        }
        let depth = nested(entries.iter().flat_map(|(key, value)| [key, value]))?;
        Ok(Self { index: (entries.len() > SMALL).then_some(index), entries, depth })
    }

    pub(crate) fn depth(&self) -> u16 {
        self.depth
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn entries(&self) -> &[(Value, Value)] {
        &self.entries
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &Value> {
        self.entries.iter().map(|(key, _)| key)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &Value> {
        self.entries.iter().map(|(_, value)| value)
    }

    /// The value under a key.
    ///
    /// # Errors
    /// What cannot be a key.
    pub(crate) fn get(&self, key: &Value, budget: &Budget) -> Result<Option<&Value>> {
        if let Value::Str(text) = key {
            budget.steps(1 + key.weight())?;
            return Ok(self.get_str(&text.text));
        }
        let key = Key::of(key, budget)?;
        if let Some(index) = &self.index {
            return Ok(index.get(&key).map(|at| &self.entries[*at].1));
        }
        for (known, value) in &self.entries {
            if Key::of(known, budget)? == key {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// The value under a text.
    pub(crate) fn get_str(&self, name: &str) -> Option<&Value> {
        match &self.index {
            Some(index) => index.get(&Key::Str(name.into())).map(|at| &self.entries[*at].1),
            None => self
                .entries
                .iter()
                .find(|(key, _)| key.as_str() == Some(name))
                .map(|(_, value)| value),
        }
    }
}
