//! `==`, `<` and `in`, as Python has them.

use super::{Dict, Value, View};
use crate::budget::Budget;
use crate::error::{Error, Result};
use std::cmp::Ordering;
use std::rc::Rc;

/// `a == b`. Values of different types are different, numbers and truth values apart.
pub(crate) fn equal(a: &Value, b: &Value, budget: &Budget) -> Result<bool> {
    budget.steps(1 + a.weight().min(b.weight()))?;
    Ok(match (a, b) {
        (Value::Undefined(_), Value::Undefined(_)) | (Value::None, Value::None) => true,
        (Value::Str(a), Value::Str(b)) => a.text == b.text,
        (Value::Bytes(a), Value::Bytes(b)) => a == b,
        (Value::List(a), Value::List(b)) | (Value::Tuple(a), Value::Tuple(b)) => {
            all_equal(&a.values, &b.values, budget)?
        }
        (Value::Dict(a), Value::Dict(b)) => Rc::ptr_eq(a, b) || dicts_equal(a, b, budget)?,
        (Value::View(View::Keys, a), Value::View(View::Keys, b)) => {
            a.len() == b.len() && contains_all(a, b, budget)?
        }
        (Value::View(View::Items, a), Value::View(View::Items, b)) => dicts_equal(a, b, budget)?,
        (Value::Range(a), Value::Range(b)) => {
            a.len() == b.len()
                && (a.len() == 0 || a.start == b.start && (a.len() == 1 || a.step == b.step))
        }
        (Value::Iterator(a), Value::Iterator(b)) => Rc::ptr_eq(a, b),
        (Value::Namespace(a), Value::Namespace(b)) => Rc::ptr_eq(a, b),
        (Value::Object(a), Value::Object(b)) => Rc::ptr_eq(a, b),
        (Value::Method(a), Value::Method(b)) => a.1 == b.1 && equal(&a.0, &b.0, budget)?,
        _ => numbers(a, b) == Some(Some(Ordering::Equal)),
    })
}

/// How two values stand to each other; `None` for a NaN, which stands nowhere.
///
/// # Errors
/// Values that Python does not order; `operator` is how the template wrote it.
pub(crate) fn compare(
    a: &Value,
    b: &Value,
    operator: &str,
    budget: &Budget,
) -> Result<Option<Ordering>> {
    budget.steps(1 + a.weight().min(b.weight()))?;
    if let Some(ordering) = numbers(a, b) {
        return Ok(ordering);
    }
    match (a, b) {
        (Value::Undefined(missing), _) | (_, Value::Undefined(missing)) => Err(missing.error()),
        (Value::Str(a), Value::Str(b)) => Ok(Some(a.text.cmp(&b.text))),
        (Value::Bytes(a), Value::Bytes(b)) => Ok(Some(a.cmp(b))),
        (Value::List(a), Value::List(b)) | (Value::Tuple(a), Value::Tuple(b)) => {
            for (a, b) in a.values.iter().zip(&b.values) {
                if !equal(a, b, budget)? {
                    return compare(a, b, operator, budget);
                }
            }
            Ok(Some(a.values.len().cmp(&b.values.len())))
        }
        _ => Err(Error::type_error(format!(
            "'{operator}' not supported between instances of '{}' and '{}'",
            a.type_name(),
            b.type_name()
        ))),
    }
}

/// `item in container`; an iterator is used up to where the item is found.
pub(crate) fn contains(container: &Value, item: &Value, budget: &Budget) -> Result<bool> {
    match container {
        Value::Str(text) => match item {
            Value::Str(part) => {
                budget.steps(text.text.len() / 64)?;
                Ok(text.text.contains(&*part.text))
            }
            _ => Err(Error::type_error(format!(
                "'in <string>' requires string as left operand, not {}",
                item.type_name()
            ))),
        },
        Value::Dict(dict) | Value::View(View::Keys, dict) => Ok(dict.get(item, budget)?.is_some()),
        Value::Range(range) => {
            budget.steps(range.len())?;
            Ok(match item {
                Value::Int(_) | Value::Bool(_) | Value::Float(_) => (0..range.len()).any(|i| {
                    numbers(&Value::Int(range.get(i)), item) == Some(Some(Ordering::Equal))
                }),
                _ => false,
            })
        }
        Value::List(items) | Value::Tuple(items) => any_equal(&items.values, item, budget),
        Value::Iterator(iter) => {
            while let Some(next) = iter.next() {
                if equal(&next, item, budget)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Value::Undefined(_) | Value::View(..) | Value::Bytes(_) => {
            any_equal(&container.iterate(budget)?, item, budget)
        }
        _ => Err(Error::type_error(format!(
            "argument of type '{}' is not iterable",
            container.type_name()
        ))),
    }
}

/// Items in order, equal ones as they stood. Unlike a standard sort it takes an order that fails, or that
/// contradicts itself, as that of numbers does where some of them are none.
pub(crate) fn sorted<T>(
    items: Vec<T>,
    order: &mut impl FnMut(&T, &T) -> Result<Ordering>,
) -> Result<Vec<T>> {
    if items.len() < 2 {
        return Ok(items);
    }
    let mut first = items;
    let second = first.split_off(first.len() / 2);
    let mut first = sorted(first, order)?.into_iter().peekable();
    let mut second = sorted(second, order)?.into_iter().peekable();
    let mut merged = Vec::with_capacity(first.len() + second.len());
    while let (Some(one), Some(other)) = (first.peek(), second.peek()) {
        let is_first = order(other, one)?.is_ge();
        merged.extend(if is_first { first.next() } else { second.next() });
    }
    merged.extend(first.chain(second));
    Ok(merged)
}

/// The order of two numbers; `None` where one is none.
fn numbers(a: &Value, b: &Value) -> Option<Option<Ordering>> {
    match (a.as_int(), b.as_int()) {
        (Some(a), Some(b)) => Some(Some(a.cmp(&b))),
        _ => {
            let (a, b) = (a.as_float()?, b.as_float()?);
            Some(a.partial_cmp(&b))
        }
    }
}

fn all_equal(a: &[Value], b: &[Value], budget: &Budget) -> Result<bool> {
    if a.len() != b.len() {
        return Ok(false);
    }
    for (a, b) in a.iter().zip(b) {
        if !equal(a, b, budget)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn any_equal(values: &[Value], item: &Value, budget: &Budget) -> Result<bool> {
    for value in values {
        if equal(value, item, budget)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn dicts_equal(a: &Dict, b: &Dict, budget: &Budget) -> Result<bool> {
    if a.len() != b.len() {
        return Ok(false);
    }
    for (key, value) in a.entries() {
        match b.get(key, budget)? {
            Some(other) if equal(value, other, budget)? => {}
            _ => return Ok(false),
        }
    }
    Ok(true)
}

fn contains_all(a: &Dict, b: &Dict, budget: &Budget) -> Result<bool> {
    for key in a.keys() {
        if b.get(key, budget)?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}
