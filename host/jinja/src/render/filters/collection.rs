//! Filters about lists and dicts.

use super::super::Renderer;
use super::super::arguments::{Values, size, text as text_of};
use crate::ast::Operator;
use crate::error::{Error, Result};
use crate::operators::binary;
use crate::value::{Dict, Missing, Value};
use std::collections::HashSet;

impl Renderer<'_> {
    pub(super) fn attr(&mut self, value: Value, values: Values) -> Result<Value> {
        let [name] = values.bind("attr", ["name"], 1)?;
        let name = name.expect("a required argument");
        self.attribute_alone(&value, text_of("attr", &name)?)
    }

    pub(super) fn batch(&mut self, value: Value, values: Values) -> Result<Value> {
        let [count, fill] = values.bind("batch", ["linecount", "fill_with"], 1)?;
        let count = size(&count.expect("a required argument"))?;
        let fill = fill.filter(|it| !matches!(it, Value::None));
        let items = value.iterate(&self.budget)?;
        if count == 0 && !items.is_empty() {
            return Err(Error::unsupported("batches of no items are not supported"));
        }
        let mut batches = Vec::new();
        for batch in items.chunks(count.max(1)) {
            let mut batch = batch.to_vec();
            if let Some(fill) = &fill {
                let missing = count - batch.len();
                self.budget.repeated(size_of::<Value>(), missing)?;
                batch.extend(std::iter::repeat_n(fill.clone(), missing));
            }
            batches.push(Value::list(batch, &self.budget)?);
        }
        Value::iterator("generator", batches, &self.budget)
    }

    pub(super) fn slices(&mut self, value: Value, values: Values) -> Result<Value> {
        let [count, fill] = values.bind("slice", ["slices", "fill_with"], 1)?;
        let count = size(&count.expect("a required argument"))?;
        let fill = fill.filter(|it| !matches!(it, Value::None));
        let items = value.iterate(&self.budget)?;
        if count == 0 {
            return Err(Error::value("integer division or modulo by zero"));
        }
        self.budget.steps(count)?;
        let (each, with_more) = (items.len() / count, items.len() % count);
        let mut slices = Vec::new();
        let mut rest = items.as_slice();
        for place in 0..count {
            let has_more = place < with_more;
            let (slice, behind) = rest.split_at(each + usize::from(has_more));
            rest = behind;
            let mut slice = slice.to_vec();
            if let (Some(fill), false) = (&fill, has_more) {
                slice.push(fill.clone());
            }
            slices.push(Value::list(slice, &self.budget)?);
        }
        Value::iterator("generator", slices, &self.budget)
    }

    pub(super) fn first(&mut self, value: Value, values: Values) -> Result<Value> {
        values.unnamed::<0>("first", 0)?;
        if let Value::Iterator(iter) = &value {
            return Ok(iter.next().unwrap_or_else(|| none_of("first")));
        }
        let first = value.iterate(&self.budget)?.into_iter().next();
        Ok(first.unwrap_or_else(|| none_of("first")))
    }

    pub(super) fn last(&mut self, value: Value, values: Values) -> Result<Value> {
        values.unnamed::<0>("last", 0)?;
        self.reversible(&value)?;
        let last = value.iterate(&self.budget)?.pop();
        Ok(last.unwrap_or_else(|| none_of("last")))
    }

    pub(super) fn random(&mut self, value: Value, values: Values) -> Result<Value> {
        values.unnamed::<0>("random", 0)?;
        value.len()?;
        let items = value.iterate(&self.budget)?;
        match items.len() {
            0 => Ok(none_of("random")),
            1 => Ok(items[0].clone()),
            _ => Err(Error::unsupported(
                "the filter random makes another text each time, which is refused",
            )),
        }
    }

    pub(super) fn reverse(&mut self, value: Value, values: Values) -> Result<Value> {
        values.unnamed::<0>("reverse", 0)?;
        if let Value::Str(text) = &value {
            self.budget.bytes(text.text.len())?;
            return Ok(Value::str(text.text.chars().rev().collect::<String>()));
        }
        let is_kept = self.reversible(&value).is_err();
        let mut items = value.iterate(&self.budget).map_err(|error| match value {
            Value::Undefined(_) => error,
            _ => Error::type_error("argument must be iterable"),
        })?;
        items.reverse();
        match &value {
            // What cannot be gone through backwards becomes a list first.
            _ if is_kept => Value::list(items, &self.budget),
            Value::List(_) => Value::iterator("list_reverseiterator", items, &self.budget),
            Value::Dict(_) => Value::iterator("dict_reversekeyiterator", items, &self.budget),
            Value::Range(_) => Value::iterator("range_iterator", items, &self.budget),
            _ => Value::iterator("reversed", items, &self.budget),
        }
    }

    /// Whether `reversed(value)` would do.
    fn reversible(&self, value: &Value) -> Result<()> {
        match value {
            Value::Undefined(_)
            | Value::Str(_)
            | Value::Bytes(_)
            | Value::List(_)
            | Value::Tuple(_)
            | Value::Dict(_)
            | Value::View(..)
            | Value::Range(_) => Ok(()),
            _ => {
                Err(Error::type_error(format!("'{}' object is not reversible", value.type_name())))
            }
        }
    }

    pub(super) fn items(&mut self, value: Value, values: Values) -> Result<Value> {
        values.unnamed::<0>("items", 0)?;
        let pairs = match &value {
            Value::Undefined(_) => Vec::new(),
            Value::Dict(dict) => {
                Value::View(crate::value::View::Items, dict.clone()).iterate(&self.budget)?
            }
            _ => return Err(Error::type_error("Can only get item pairs from a mapping.")),
        };
        Value::iterator("generator", pairs, &self.budget)
    }

    pub(super) fn sum(&mut self, value: Value, values: Values) -> Result<Value> {
        let [attribute, start] = values.bind("sum", ["attribute", "start"], 0)?;
        let mut total = start.unwrap_or(Value::Int(0));
        if let Value::Str(_) = &total {
            return Err(Error::type_error("sum() can't sum strings [use ''.join(seq) instead]"));
        }
        let path = match attribute.filter(|it| !matches!(it, Value::None)) {
            Some(attribute) => self.path(&attribute)?,
            None => Vec::new(),
        };
        for item in value.iterate(&self.budget)? {
            let item = self.follow(&item, &path, None)?;
            total = binary(Operator::Add, &total, &item, &self.budget)?;
        }
        Ok(total)
    }

    pub(super) fn unique(&mut self, value: Value, values: Values) -> Result<Value> {
        let [strict, attribute] = values.bind("unique", ["case_sensitive", "attribute"], 0)?;
        let is_strict = strict.is_some_and(|it| it.is_true());
        let path = match attribute.filter(|it| !matches!(it, Value::None)) {
            Some(attribute) => self.path(&attribute)?,
            None => Vec::new(),
        };
        let mut seen = HashSet::new();
        let mut kept = Vec::new();
        for item in value.iterate(&self.budget)? {
            let key = self.follow(&item, &path, None)?;
            let key = if is_strict { key } else { super::select::without_case(key) };
            if seen.insert(crate::value::Key::of(&key, &self.budget)?) {
                kept.push(item);
            }
        }
        Value::iterator("generator", kept, &self.budget)
    }

    pub(super) fn dictsort(&mut self, value: Value, values: Values) -> Result<Value> {
        let [strict, by, reverse] =
            values.bind("dictsort", ["case_sensitive", "by", "reverse"], 0)?;
        let is_strict = strict.is_some_and(|it| it.is_true());
        let by = by.unwrap_or_else(|| Value::str("key"));
        let place = match by.as_str() {
            Some("key") => 0,
            Some("value") => 1,
            _ => return Err(Error::value("You can only sort by either \"key\" or \"value\"")),
        };
        let dict: &Dict = match &value {
            Value::Dict(dict) => dict,
            Value::Undefined(missing) => return Err(missing.error()),
            _ => {
                return Err(Error::type_error(format!(
                    "'{}' object has no attribute 'items'",
                    value.type_name()
                )));
            }
        };
        let mut keyed = Vec::new();
        for (key, value) in dict.entries() {
            let by = if place == 0 { key.clone() } else { value.clone() };
            let by = if is_strict { by } else { super::select::without_case(by) };
            let pair = Value::tuple(vec![key.clone(), value.clone()], &self.budget)?;
            keyed.push((vec![by], pair));
        }
        let pairs = self.in_order(keyed, reverse.is_some_and(|it| it.is_true()))?;
        Value::list(pairs, &self.budget)
    }
}

fn none_of(which: &str) -> Value {
    Value::undefined(Missing::Because(format!("No {which} item, sequence was empty.")))
}
