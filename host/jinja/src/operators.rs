//! `+ - * / // % **`, signs and slices, as Python has them for numbers, texts and lists.

use crate::ast::Operator;
use crate::budget::Budget;
use crate::error::{Error, Result};
use crate::html::escape;
use crate::value::{Range, Text, Value};
use crate::write::percent;
use std::borrow::Cow;

/// `a operator b`.
///
/// # Errors
/// Types that have no such operator, a division by zero, a result too large.
pub(crate) fn binary(operator: Operator, a: &Value, b: &Value, budget: &Budget) -> Result<Value> {
    if let Value::Undefined(missing) = a {
        return Err(missing.error());
    }
    match (operator, a, b) {
        (Operator::Modulo, Value::Str(format), _) => {
            return percent(&format.text, b, budget).map(Value::str);
        }
        (_, _, Value::Undefined(missing)) => return Err(missing.error()),
        (Operator::Add, Value::Str(left), Value::Str(right)) => {
            budget.bytes(left.text.len() + right.text.len())?;
            let is_markup = left.is_markup || right.is_markup;
            let text =
                part(left, is_markup, budget)?.into_owned() + &part(right, is_markup, budget)?;
            return Ok(if is_markup { Value::markup(text) } else { Value::str(text) });
        }
        (Operator::Add, Value::List(left), Value::List(right)) => {
            return Value::list([&left.values[..], &right.values].concat(), budget);
        }
        (Operator::Add, Value::Tuple(left), Value::Tuple(right)) => {
            return Value::tuple([&left.values[..], &right.values].concat(), budget);
        }
        (Operator::Multiply, Value::Str(_) | Value::List(_) | Value::Tuple(_), _) => {
            if let Some(times) = b.as_int() {
                return repeated(a, times, budget);
            }
        }
        (Operator::Multiply, _, Value::Str(_) | Value::List(_) | Value::Tuple(_)) => {
            if let Some(times) = a.as_int() {
                return repeated(b, times, budget);
            }
        }
        _ => {}
    }
    let result = match (a.as_int(), b.as_int()) {
        (Some(a), Some(b)) => integers(operator, a, b)?,
        _ => match (a.as_float(), b.as_float()) {
            (Some(a), Some(b)) => Some(Value::Float(floats(operator, a, b)?)),
            _ => None,
        },
    };
    result.ok_or_else(|| unsupported(operator, a, b))
}

/// A part of a text: in markup, what is none is escaped.
fn part<'t>(text: &'t Text, is_markup: bool, budget: &Budget) -> Result<Cow<'t, str>> {
    match is_markup && !text.is_markup {
        true => escape(&text.text, budget).map(Cow::Owned),
        false => Ok(Cow::Borrowed(&*text.text)),
    }
}

fn unsupported(operator: Operator, a: &Value, b: &Value) -> Error {
    let (left, right) = (a.type_name(), b.type_name());
    if operator == Operator::Add && matches!(a, Value::Str(_) | Value::List(_) | Value::Tuple(_)) {
        return Error::type_error(format!(
            "can only concatenate {left} (not \"{right}\") to {left}"
        ));
    }
    let sign = match operator {
        Operator::Add => "+",
        Operator::Subtract => "-",
        Operator::Multiply => "*",
        Operator::Divide => "/",
        Operator::FloorDivide => "//",
        Operator::Modulo => "%",
        Operator::Power => "** or pow()",
    };
    Error::type_error(format!("unsupported operand type(s) for {sign}: '{left}' and '{right}'"))
}

fn repeated(value: &Value, times: i128, budget: &Budget) -> Result<Value> {
    let times = usize::try_from(times.max(0)).unwrap_or(usize::MAX);
    match value {
        Value::Str(text) => {
            budget.repeated(text.text.len(), times)?;
            let times = if text.text.is_empty() { 0 } else { times };
            let repeated = text.text.repeat(times);
            Ok(if text.is_markup { Value::markup(repeated) } else { Value::str(repeated) })
        }
        Value::List(items) | Value::Tuple(items) => {
            budget.repeated(items.values.len() * size_of::<Value>(), times)?;
            let times = if items.values.is_empty() { 0 } else { times };
            let values = vec![&items.values[..]; times].into_iter().flatten().cloned().collect();
            match value {
                Value::List(_) => Value::list(values, budget),
                _ => Value::tuple(values, budget),
            }
        }
        _ => unreachable!("only texts and lists are repeated"),
    }
}

/// `None` for an operator that integers lack, of which there is none.
fn integers(operator: Operator, a: i128, b: i128) -> Result<Option<Value>> {
    let zero = |what: &str| Error::value(what.to_owned());
    let result = match operator {
        Operator::Add => a.checked_add(b),
        Operator::Subtract => a.checked_sub(b),
        Operator::Multiply => a.checked_mul(b),
        Operator::Divide if b == 0 => return Err(zero("division by zero")),
        Operator::Divide => return Ok(Some(Value::Float(a as f64 / b as f64))),
        Operator::FloorDivide if b == 0 => {
            return Err(zero("integer division or modulo by zero"));
        }
        Operator::FloorDivide => {
            a.checked_div(b).map(|quotient| {
                // Rust rounds towards nought; Python always rounds down.
                let is_up = a % b != 0 && (a < 0) != (b < 0);
                quotient - i128::from(is_up)
            })
        }
        Operator::Modulo if b == 0 => return Err(zero("integer modulo by zero")),
        Operator::Modulo => a
            .checked_rem(b)
            .map(|rest| if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest }),
        Operator::Power if b < 0 && a == 0 => {
            return Err(zero("0.0 cannot be raised to a negative power"));
        }
        Operator::Power if b < 0 => return Ok(Some(Value::Float((a as f64).powf(b as f64)))),
        Operator::Power => match a {
            0 | 1 => Some(if b == 0 { 1 } else { a }),
            -1 => Some(if b % 2 == 0 { 1 } else { -1 }),
            _ => u32::try_from(b).ok().and_then(|b| a.checked_pow(b)),
        },
    };
    let too_large = || Error::limit("an integer larger than this engine's, of 128 bits");
    result.map(|value| Some(Value::Int(value))).ok_or_else(too_large)
}

fn floats(operator: Operator, a: f64, b: f64) -> Result<f64> {
    let divides = matches!(operator, Operator::Divide | Operator::FloorDivide | Operator::Modulo);
    if divides && b == 0.0 {
        return Err(Error::value(match operator {
            Operator::Divide => "float division by zero",
            Operator::FloorDivide => "float floor division by zero",
            _ => "float modulo",
        }));
    }
    let modulo = |a: f64, b: f64| {
        let rest = a % b;
        match rest != 0.0 && (rest < 0.0) != (b < 0.0) {
            true => rest + b,
            false if rest == 0.0 => 0f64.copysign(b),
            false => rest,
        }
    };
    Ok(match operator {
        Operator::Add => a + b,
        Operator::Subtract => a - b,
        Operator::Multiply => a * b,
        Operator::Divide => a / b,
        Operator::FloorDivide => {
            let quotient = (a - modulo(a, b)) / b;
            let floor = quotient.floor();
            let floor = if quotient - floor > 0.5 { floor + 1.0 } else { floor };
            if floor == 0.0 { 0f64.copysign(a / b) } else { floor }
        }
        Operator::Modulo => modulo(a, b),
        Operator::Power if a == 0.0 && b < 0.0 => {
            return Err(Error::value("0.0 cannot be raised to a negative power"));
        }
        Operator::Power if a < 0.0 && b.fract() != 0.0 && b.is_finite() => {
            return Err(Error::unsupported(
                "the power is a complex number, which is not supported",
            ));
        }
        Operator::Power => {
            let power = a.powf(b);
            if power.is_infinite() && a.is_finite() && b.is_finite() {
                return Err(Error::value("Numerical result out of range"));
            }
            power
        }
    })
}

/// `-value`.
///
/// # Errors
/// What is no number.
pub(crate) fn negative(value: &Value) -> Result<Value> {
    match value {
        Value::Undefined(missing) => Err(missing.error()),
        Value::Float(value) => Ok(Value::Float(-value)),
        _ => signed(value, "-").and_then(|value| {
            let too_large = || Error::limit("an integer larger than this engine's, of 128 bits");
            value.checked_neg().map(Value::Int).ok_or_else(too_large)
        }),
    }
}

/// `+value`.
///
/// # Errors
/// What is no number.
pub(crate) fn positive(value: &Value) -> Result<Value> {
    match value {
        Value::Undefined(missing) => Err(missing.error()),
        Value::Float(value) => Ok(Value::Float(*value)),
        _ => signed(value, "+").map(Value::Int),
    }
}

fn signed(value: &Value, sign: &str) -> Result<i128> {
    value.as_int().ok_or_else(|| {
        Error::type_error(format!("bad operand type for unary {sign}: '{}'", value.type_name()))
    })
}

/// `value[start:stop:step]`.
///
/// # Errors
/// What has no slices, places that are no integers, a step of zero.
pub(crate) fn slice(value: &Value, parts: [Value; 3], budget: &Budget) -> Result<Value> {
    if let Value::Undefined(missing) = value {
        return Err(missing.error());
    }
    let length = match value {
        Value::Str(_) | Value::List(_) | Value::Tuple(_) | Value::Range(_) | Value::Bytes(_) => {
            value.len()?
        }
        _ => {
            return Err(Error::type_error(format!("'{}' object has no slices", value.type_name())));
        }
    };
    budget.steps(value.weight())?;
    let places = Slice::new(parts, length)?;
    let indices = || places.indices();
    budget.steps(indices().len())?;
    match value {
        Value::Str(text) => {
            if places.step == 1 {
                budget.bytes(text.text.len())?;
                let (start, stop) = (places.start as usize, places.stop.max(places.start) as usize);
                let part: String = text.text.chars().skip(start).take(stop - start).collect();
                return Ok(Value::str(part));
            }
            budget.repeated(text.text.len(), size_of::<char>())?;
            let characters: Vec<char> = text.text.chars().collect();
            Ok(Value::str(indices().map(|i| characters[i]).collect::<String>()))
        }
        Value::Bytes(bytes) => Ok(Value::Bytes(indices().map(|i| bytes[i]).collect())),
        Value::List(items) => {
            Value::list(indices().map(|i| items.values[i].clone()).collect(), budget)
        }
        Value::Tuple(items) => {
            Value::tuple(indices().map(|i| items.values[i].clone()).collect(), budget)
        }
        Value::Range(range) => {
            let at = |place: i128| range.step.checked_mul(place)?.checked_add(range.start);
            let sliced = || {
                let step = range.step.checked_mul(places.step)?;
                Range::new(at(places.start)?, at(places.stop)?, step)
            };
            sliced().map(Value::Range).ok_or_else(Range::too_far)
        }
        _ => unreachable!("other types have been refused"),
    }
}

/// A slice within a length: places from `start` by `step` up to `stop`.
struct Slice {
    start: i128,
    stop: i128,
    step: i128,
}

impl Slice {
    fn new([start, stop, step]: [Value; 3], length: usize) -> Result<Self> {
        let step = place(&step)?.unwrap_or(1);
        if step == 0 {
            return Err(Error::value("slice step cannot be zero"));
        }
        let length = length as i128;
        let (lowest, highest) = if step > 0 { (0, length) } else { (-1, length - 1) };
        let within = |place: i128| {
            let place = if place < 0 { place.saturating_add(length) } else { place };
            place.clamp(lowest, highest)
        };
        let (first, last) = if step > 0 { (lowest, highest) } else { (highest, lowest) };
        Ok(Self {
            start: place(&start)?.map_or(first, within),
            stop: place(&stop)?.map_or(last, within),
            step: step.clamp(-(length + 1), length + 1),
        })
    }

    fn indices(&self) -> impl ExactSizeIterator<Item = usize> + use<> {
        let range = Range { start: self.start, stop: self.stop, step: self.step };
        (0..range.len()).map(move |i| range.get(i) as usize)
    }
}

fn place(value: &Value) -> Result<Option<i128>> {
    match value {
        Value::None => Ok(None),
        Value::Undefined(missing) => Err(missing.error()),
        _ => value.as_int().map(Some).ok_or_else(|| {
            Error::type_error("slice indices must be integers or None or have an __index__ method")
        }),
    }
}
