//! Filters about numbers.

use super::super::Renderer;
use super::super::arguments::{Values, integer};
use crate::characters::is_space;
use crate::error::{Error, Result};
use crate::operators::negative;
use crate::value::Value;
use crate::write::round_to;
use std::cmp::Ordering;

impl Renderer<'_> {
    pub(super) fn abs(&mut self, value: Value, values: Values) -> Result<Value> {
        values.unnamed::<0>("abs", 0)?;
        match &value {
            Value::Float(number) => Ok(Value::Float(number.abs())),
            Value::Int(number) if *number < 0 => negative(&value),
            Value::Int(_) | Value::Bool(_) => Ok(Value::Int(value.as_int().unwrap_or_default())),
            Value::Undefined(missing) => Err(missing.error()),
            _ => Err(Error::type_error(format!(
                "bad operand type for abs(): '{}'",
                value.type_name()
            ))),
        }
    }

    pub(super) fn int(&mut self, value: Value, values: Values) -> Result<Value> {
        let [default, base] = values.bind("int", ["default", "base"], 0)?;
        let parsed = match &value {
            Value::Undefined(missing) => return Err(missing.error()),
            // A base that is none leaves it to the other way of reading a number.
            Value::Str(text) => {
                match parse_int(&text.text, base.map_or(Some(10), |it| it.as_int()))? {
                    Some(number) => Some(number),
                    None => parse_float(&text.text).and_then(truncated),
                }
            }
            Value::Float(number) if number.is_infinite() => {
                return Err(Error::value("cannot convert float infinity to integer"));
            }
            Value::Float(number) => truncated(*number),
            _ => value.as_int(),
        };
        Ok(parsed.map(Value::Int).or(default).unwrap_or(Value::Int(0)))
    }

    pub(super) fn float(&mut self, value: Value, values: Values) -> Result<Value> {
        let [default] = values.bind("float", ["default"], 0)?;
        let parsed = match &value {
            Value::Undefined(missing) => return Err(missing.error()),
            Value::Str(text) => parse_float(&text.text),
            _ => value.as_float(),
        };
        Ok(parsed.map(Value::Float).or(default).unwrap_or(Value::Float(0.0)))
    }

    pub(super) fn round(&mut self, value: Value, values: Values) -> Result<Value> {
        let [precision, method] = values.bind("round", ["precision", "method"], 0)?;
        let precision = precision.as_ref().map_or(Ok(0), integer)?;
        let precision = precision.clamp(-400, 400) as i32;
        let method = method.unwrap_or_else(|| Value::str("common"));
        let method = method.as_str().unwrap_or_default();
        if !["common", "ceil", "floor"].contains(&method) {
            return Err(Error::value("method must be common, ceil or floor"));
        }
        if let Value::Undefined(missing) = &value {
            return Err(missing.error());
        }
        let number = value.as_float().ok_or_else(|| {
            Error::type_error(format!("type {} doesn't define __round__ method", value.type_name()))
        })?;
        match (method, value.as_int()) {
            ("common", Some(whole)) if precision >= 0 => Ok(Value::Int(whole)),
            ("common", Some(whole)) => {
                // Ties go to the even multiple, as for floats.
                let unit = 10i128.checked_pow(precision.unsigned_abs());
                let Some(unit) = unit else { return Ok(Value::Int(0)) };
                let (quotient, rest) = (whole.div_euclid(unit), whole.rem_euclid(unit));
                let is_up = match rest.cmp(&(unit - rest)) {
                    Ordering::Equal => quotient % 2 != 0,
                    ordering => ordering.is_gt(),
                };
                let rounded = (quotient + i128::from(is_up)).checked_mul(unit);
                rounded.map(Value::Int).ok_or_else(too_large)
            }
            ("common", None) => Ok(Value::Float(round_to(number, precision))),
            _ => {
                let unit = 10f64.powi(precision);
                let scaled = number * unit;
                let whole = if method == "ceil" { scaled.ceil() } else { scaled.floor() };
                Ok(Value::Float(whole / unit))
            }
        }
    }

    pub(super) fn filesizeformat(&mut self, value: Value, values: Values) -> Result<Value> {
        let [binary] = values.bind("filesizeformat", ["binary"], 0)?;
        let bytes = match &value {
            Value::Str(text) => parse_float(&text.text),
            _ => value.as_float(),
        };
        let bytes = bytes.ok_or_else(|| {
            Error::type_error(format!(
                "float() argument must be a string or a real number, not '{}'",
                value.type_name()
            ))
        })?;
        let (base, suffix) = match binary.is_some_and(|it| it.is_true()) {
            true => (1024f64, "iB"),
            false => (1000f64, "B"),
        };
        if bytes == 1.0 {
            return Ok(Value::str("1 Byte"));
        }
        if bytes < base {
            return Ok(Value::str(format!("{} Bytes", bytes as i128)));
        }
        let letters = if suffix == "B" { "kMGTPEZY" } else { "KMGTPEZY" };
        let mut unit = base;
        let mut last = 'Y';
        for letter in letters.chars() {
            unit *= base;
            last = letter;
            if bytes < unit {
                break;
            }
        }
        Ok(Value::str(format!("{:.1} {last}{suffix}", base * bytes / unit)))
    }
}

fn too_large() -> Error {
    Error::limit("an integer larger than this engine's, of 128 bits")
}

/// `int(float)`; `None` for a NaN or infinity.
fn truncated(number: f64) -> Option<i128> {
    number.is_finite().then_some(number.trunc() as i128)
}

/// `int(text, base)`; `None` where it is no such number.
fn parse_int(text: &str, base: Option<i128>) -> Result<Option<i128>> {
    let Some(base) = base else { return Ok(None) };
    if base != 0 && !(2..=36).contains(&base) {
        return Ok(None);
    }
    let text = text.trim_matches(is_space);
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let prefix = digits.get(..2).map(str::to_ascii_lowercase);
    let named = match prefix.as_deref() {
        Some("0b") => 2,
        Some("0o") => 8,
        Some("0x") => 16,
        _ => 0,
    };
    let has_prefix = named != 0 && (base == named || base == 0);
    let radix = match base {
        0 if has_prefix => named,
        0 => 10,
        base => base,
    };
    let digits = if has_prefix { &digits[2..] } else { digits };
    let digits = if has_prefix { digits.strip_prefix('_').unwrap_or(digits) } else { digits };
    let is_octal_of_old = base == 0 && !has_prefix && digits.len() > 1 && digits.starts_with('0');
    let is_only_zeros = digits.chars().all(|c| c == '0' || c == '_');
    if digits.is_empty()
        || digits.starts_with('_')
        || digits.ends_with('_')
        || digits.contains("__")
        || is_octal_of_old && !is_only_zeros
    {
        return Ok(None);
    }
    let mut number: i128 = 0;
    for c in digits.chars().filter(|c| *c != '_') {
        let Some(digit) = decimal_of(c).or_else(|| c.to_digit(36)) else { return Ok(None) };
        if i128::from(digit) >= radix {
            return Ok(None);
        }
        number = number
            .checked_mul(radix)
            .and_then(|number| number.checked_add(digit.into()))
            .ok_or_else(too_large)?;
    }
    Ok(Some(if is_negative { -number } else { number }))
}

/// The value of a digit of any script, of those whose ten stand in a row from a multiple of ten on.
fn decimal_of(c: char) -> Option<u32> {
    if c.is_ascii() || !crate::characters::is_decimal(c) {
        return None;
    }
    let mut zero = c as u32;
    while zero > 0
        && c as u32 - zero < 9
        && char::from_u32(zero - 1).is_some_and(crate::characters::is_decimal)
    {
        zero -= 1;
    }
    Some(c as u32 - zero)
}

/// `float(text)`; `None` where it is no number.
fn parse_float(text: &str) -> Option<f64> {
    let text = text.trim_matches(is_space);
    let digits = text.trim_start_matches(['+', '-']);
    let is_word = ["inf", "infinity", "nan"].contains(&digits.to_ascii_lowercase().as_str());
    let is_plain = digits.chars().all(|c| c.is_ascii_digit() || "eE.+-_".contains(c));
    if !is_word && !is_plain || text.len() - digits.len() > 1 {
        return None;
    }
    let bytes = text.as_bytes();
    let has_stray_underscore = bytes.iter().enumerate().any(|(at, byte)| {
        let is_digit =
            |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
        *byte == b'_' && !(is_digit(at.checked_sub(1)) && is_digit(Some(at + 1)))
    });
    if has_stray_underscore {
        return None;
    }
    text.replace('_', "").parse().ok()
}
