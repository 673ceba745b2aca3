//! Filters that look into items: by attribute, by filter, by test.

use super::super::Renderer;
use super::super::arguments::Values;
use crate::error::{Error, Result};
use crate::value::{Items, Missing, Value, compare, equal, sorted};
use std::cmp::Ordering;
use std::rc::Rc;

impl Renderer<'_> {
    /// The steps of an attribute's path: `a.0.b` is an attribute, a place and an attribute.
    pub(super) fn path(&self, attribute: &Value) -> Result<Vec<Value>> {
        Ok(match attribute {
            Value::None => Vec::new(),
            Value::Str(text) => text
                .text
                .split('.')
                .map(|part| match part.bytes().all(|byte| byte.is_ascii_digit()) {
                    true => part.parse().map_or_else(|_| Value::str(part), Value::Int),
                    false => Value::str(part),
                })
                .collect(),
            _ => vec![attribute.clone()],
        })
    }

    /// What an attribute's path leads to; `default` stands for what is not there.
    pub(super) fn follow(
        &mut self,
        item: &Value,
        path: &[Value],
        default: Option<&Value>,
    ) -> Result<Value> {
        let mut value = item.clone();
        for step in path {
            value = self.item(&value, step)?;
            if let (Some(default), true) = (default, value.is_undefined()) {
                value = default.clone();
            }
        }
        Ok(value)
    }

    pub(super) fn map(&mut self, value: Value, mut values: Values) -> Result<Value> {
        let mut mapped = Vec::new();
        if !value.is_true() {
            return Value::iterator("generator", mapped, &self.budget);
        }
        let attribute = match values.positional.is_empty() {
            true => values.take("attribute"),
            false => None,
        };
        if let Some(attribute) = attribute {
            let default = values.take("default").filter(|it| !matches!(it, Value::None));
            if let Some((name, _)) = values.named.first() {
                return Err(Error::value(format!("Unexpected keyword argument '{name}'")));
            }
            let path = self.path(&attribute)?;
            for item in value.iterate(&self.budget)? {
                mapped.push(self.follow(&item, &path, default.as_ref())?);
            }
            return Value::iterator("generator", mapped, &self.budget);
        }
        if values.positional.is_empty() {
            return Err(Error::value("map requires a filter argument"));
        }
        let name = values.positional.remove(0);
        let name = named("filter", &name)?;
        for item in value.iterate(&self.budget)? {
            mapped.push(self.deeper(|this| this.filter(&name, item, values.clone()))?);
        }
        Value::iterator("generator", mapped, &self.budget)
    }

    pub(super) fn select(&mut self, name: &str, value: Value, mut values: Values) -> Result<Value> {
        let mut kept = Vec::new();
        if !value.is_true() {
            return Value::iterator("generator", kept, &self.budget);
        }
        let path = match name.ends_with("attr") {
            true if values.positional.is_empty() => {
                return Err(Error::value("Missing parameter for attribute name"));
            }
            true => {
                let attribute = values.positional.remove(0);
                self.path(&attribute)?
            }
            false => Vec::new(),
        };
        let test = match values.positional.is_empty() {
            true => None,
            false => Some(named("test", &values.positional.remove(0))?),
        };
        for item in value.iterate(&self.budget)? {
            let subject = self.follow(&item, &path, None)?;
            let holds = match &test {
                Some(test) => self.test(test, &subject, values.clone())?,
                None => subject.is_true(),
            };
            if holds == name.starts_with("select") {
                kept.push(item);
            }
        }
        Value::iterator("generator", kept, &self.budget)
    }

    pub(super) fn sort(&mut self, value: Value, values: Values) -> Result<Value> {
        let names = ["reverse", "case_sensitive", "attribute"];
        let [reverse, strict, attribute] = values.bind("sort", names, 0)?;
        let is_strict = strict.is_some_and(|it| it.is_true());
        let attribute = attribute.unwrap_or(Value::None);
        let paths = match &attribute {
            Value::Str(text) => text
                .text
                .split(',')
                .map(|part| self.path(&Value::str(part)))
                .collect::<Result<Vec<_>>>()?,
            _ => vec![self.path(&attribute)?],
        };
        let mut keyed = Vec::new();
        for item in value.iterate(&self.budget)? {
            let mut keys = Vec::new();
            for path in &paths {
                let key = self.follow(&item, path, None)?;
                keys.push(if is_strict { key } else { without_case(key) });
            }
            keyed.push((keys, item));
        }
        let items = self.in_order(keyed, reverse.is_some_and(|it| it.is_true()))?;
        Value::list(items, &self.budget)
    }

    /// Values in the order of their keys; equal ones stay as they stood.
    pub(super) fn in_order(
        &self,
        keyed: Vec<(Vec<Value>, Value)>,
        is_reverse: bool,
    ) -> Result<Vec<Value>> {
        let keyed = sorted(keyed, &mut |(a, _), (b, _)| {
            let ordering = self.order(a, b)?;
            Ok(if is_reverse { ordering.reverse() } else { ordering })
        })?;
        Ok(keyed.into_iter().map(|(_, value)| value).collect())
    }

    fn order(&self, a: &[Value], b: &[Value]) -> Result<Ordering> {
        for (a, b) in a.iter().zip(b) {
            let ordering = compare(a, b, "<", &self.budget)?.unwrap_or(Ordering::Equal);
            if ordering.is_ne() {
                return Ok(ordering);
            }
        }
        Ok(Ordering::Equal)
    }

    pub(super) fn extreme(&mut self, name: &str, value: Value, values: Values) -> Result<Value> {
        let [strict, attribute] = values.bind(name, ["case_sensitive", "attribute"], 0)?;
        let is_strict = strict.is_some_and(|it| it.is_true());
        let path = self.path(&attribute.unwrap_or(Value::None))?;
        let wanted = if name == "max" { Ordering::Greater } else { Ordering::Less };
        let mut best: Option<(Value, Value)> = None;
        for item in value.iterate(&self.budget)? {
            let key = self.follow(&item, &path, None)?;
            let key = if is_strict { key } else { without_case(key) };
            let operator = if name == "max" { ">" } else { "<" };
            let is_better = match &best {
                Some((best, _)) => compare(&key, best, operator, &self.budget)? == Some(wanted),
                None => true,
            };
            if is_better {
                best = Some((key, item));
            }
        }
        Ok(best.map_or_else(
            || {
                let reason = "No aggregated item, sequence was empty.";
                Value::undefined(Missing::Because(reason.into()))
            },
            |(_, item)| item,
        ))
    }

    pub(super) fn groupby(&mut self, value: Value, values: Values) -> Result<Value> {
        let names = ["attribute", "default", "case_sensitive"];
        let [attribute, default, strict] = values.bind("groupby", names, 1)?;
        let is_strict = strict.is_some_and(|it| it.is_true());
        let default = default.filter(|it| !matches!(it, Value::None));
        let path = self.path(&attribute.expect("a required argument"))?;
        let key_of = |this: &mut Self, item: &Value| -> Result<(Value, Value)> {
            let key = this.follow(item, &path, default.as_ref())?;
            let by = if is_strict { key.clone() } else { without_case(key.clone()) };
            Ok((by, key))
        };
        let mut keyed = Vec::new();
        for item in value.iterate(&self.budget)? {
            let (by, _) = key_of(self, &item)?;
            keyed.push((vec![by], item));
        }
        let mut groups: Vec<(Value, Value, Vec<Value>)> = Vec::new();
        for item in self.in_order(keyed, false)? {
            let (by, key) = key_of(self, &item)?;
            match groups.last_mut() {
                Some((last, _, items)) if equal(last, &by, &self.budget)? => items.push(item),
                _ => groups.push((by, key, vec![item])),
            }
        }
        let mut pairs = Vec::new();
        for (_, key, items) in groups {
            let items = Value::list(items, &self.budget)?;
            let mut pair = Items::new(vec![key, items], &self.budget)?;
            pair.is_group = true;
            pairs.push(Value::Tuple(Rc::new(pair)));
        }
        Value::list(pairs, &self.budget)
    }
}

/// A text in lower case; anything else as it is.
pub(super) fn without_case(value: Value) -> Value {
    match &value {
        Value::Str(text) => Value::str(text.text.to_lowercase()),
        _ => value,
    }
}

/// The name of a filter or test that is handed on.
fn named(what: &str, name: &Value) -> Result<String> {
    match name {
        Value::Str(text) => Ok(text.text.to_string()),
        _ => Err(Error::type_error(format!(
            "the {what} is named by a text, not by {}",
            name.type_name()
        ))),
    }
}
