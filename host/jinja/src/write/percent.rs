//! `text % values`: Python's printf.

use super::number::{exponential, general, not_finite};
use super::repr::{escape, repr, str_of};
use super::{Align, PRECISION, pad};
use crate::budget::Budget;
use crate::error::{Error, Result};
use crate::value::Value;
use std::iter::Peekable;
use std::str::Chars;

/// One `%` and what belongs to it.
#[derive(Default)]
struct Conversion {
    key: Option<String>,
    flags: Vec<char>,
    width: Option<usize>,
    precision: Option<usize>,
}

/// `format % values`, where a tuple gives several values and a dict gives them by name.
///
/// # Errors
/// Too few or too many values, values of the wrong type, and codes that do not exist.
pub(crate) fn percent(format: &str, values: &Value, budget: &Budget) -> Result<String> {
    let mut given = Given { values, next: 0, used_by_name: false };
    let mut out = String::new();
    let mut rest = format.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        if rest.next_if_eq(&'%').is_some() {
            out.push('%');
            continue;
        }
        let mut conversion = Conversion::parse(&mut rest, &mut given, budget)?;
        let code = rest.next().ok_or_else(|| Error::value("incomplete format".to_owned()))?;
        if code == '%' {
            out.push('%');
            continue;
        }
        let value = given.take(conversion.key.as_deref())?;
        budget.bytes(conversion.width.unwrap_or(0).max(conversion.precision.unwrap_or(0)))?;
        let text = conversion.written(code, &value, budget)?;
        budget.bytes(text.len())?;
        out.push_str(&text);
    }
    given.all_used()?;
    Ok(out)
}

struct Given<'a> {
    values: &'a Value,
    next: usize,
    used_by_name: bool,
}

impl Given<'_> {
    fn take(&mut self, key: Option<&str>) -> Result<Value> {
        if let Some(key) = key {
            self.used_by_name = true;
            let Value::Dict(dict) = self.values else {
                return Err(Error::type_error("format requires a mapping"));
            };
            let missing = || Error::value(format!("the format names '{key}', which is not given"));
            return dict.get_str(key).cloned().ok_or_else(missing);
        }
        let value = match self.values {
            Value::Tuple(items) => items.values.get(self.next).cloned(),
            value if self.next == 0 => Some(value.clone()),
            _ => None,
        };
        self.next += 1;
        value.ok_or_else(|| Error::type_error("not enough arguments for format string"))
    }

    fn all_used(&self) -> Result<()> {
        let is_used = match self.values {
            Value::Tuple(items) => self.next >= items.values.len(),
            Value::Dict(_) | Value::List(_) | Value::Range(_) | Value::Undefined(_) => true,
            _ => self.next > 0 || self.used_by_name,
        };
        if is_used {
            return Ok(());
        }
        Err(Error::type_error("not all arguments converted during string formatting"))
    }
}

impl Conversion {
    fn parse(
        rest: &mut Peekable<Chars<'_>>,
        given: &mut Given<'_>,
        budget: &Budget,
    ) -> Result<Self> {
        let mut conversion = Self::default();
        if rest.next_if_eq(&'(').is_some() {
            conversion.key = Some(key(rest)?);
        }
        while let Some(flag) = rest.next_if(|c| "-+ #0".contains(*c)) {
            conversion.flags.push(flag);
        }
        if let Some(width) = Self::number(rest, given)? {
            if width < 0 {
                conversion.flags.push('-');
            }
            conversion.width = Some(size(width.unsigned_abs(), budget)?);
        }
        if rest.next_if_eq(&'.').is_some() {
            let precision = Self::number(rest, given)?.unwrap_or(0).max(0);
            if precision > PRECISION {
                return Err(Error::limit(format!("a precision above {PRECISION}")));
            }
            conversion.precision = Some(size(precision.unsigned_abs(), budget)?);
        }
        while rest.next_if(|c| "hlL".contains(*c)).is_some() {}
        Ok(conversion)
    }

    /// Digits, or `*` for the next value.
    fn number(rest: &mut Peekable<Chars<'_>>, given: &mut Given<'_>) -> Result<Option<i128>> {
        if rest.next_if_eq(&'*').is_some() {
            let value = given.take(None)?;
            return value.as_int().map(Some).ok_or_else(|| Error::type_error("* wants int"));
        }
        let mut digits = String::new();
        while let Some(digit) = rest.next_if(char::is_ascii_digit) {
            digits.push(digit);
        }
        if digits.is_empty() {
            return Ok(None);
        }
        digits.parse().map(Some).map_err(|_| Error::value("width too big"))
    }

    fn has(&self, flag: char) -> bool {
        self.flags.contains(&flag)
    }

    fn written(&mut self, code: char, value: &Value, budget: &Budget) -> Result<String> {
        let is_number = "diuoxXeEfFgG".contains(code);
        let text = match code {
            's' => self.cut(str_of(value, budget)?),
            'r' => self.cut(repr(value, budget)?),
            'a' => self.cut(ascii(&repr(value, budget)?)),
            'c' => character(value)?,
            'd' | 'i' | 'u' | 'o' | 'x' | 'X' => self.integer(code, value)?,
            'e' | 'E' | 'f' | 'F' | 'g' | 'G' => self.float(code, value)?,
            _ => {
                return Err(Error::value(format!("unsupported format character '{code}'")));
            }
        };
        let align = match () {
            () if self.has('-') => Align::Left,
            () if self.has('0') && is_number => Align::BehindSign,
            () => Align::Right,
        };
        let fill = if align == Align::BehindSign { '0' } else { ' ' };
        Ok(pad(&text, self.width.unwrap_or(0), fill, align))
    }

    fn cut(&self, text: String) -> String {
        match self.precision {
            Some(precision) => text.chars().take(precision).collect(),
            None => text,
        }
    }

    fn sign(&self, is_negative: bool) -> &'static str {
        match () {
            () if is_negative => "-",
            () if self.has('+') => "+",
            () if self.has(' ') => " ",
            () => "",
        }
    }

    fn integer(&self, code: char, value: &Value) -> Result<String> {
        let number = match value {
            Value::Float(value) if "diu".contains(code) && value.is_finite() => *value as i128,
            _ => value.as_int().ok_or_else(|| {
                Error::type_error(format!(
                    "%{code} format: a real number is required, not {}",
                    value.type_name()
                ))
            })?,
        };
        let size = number.unsigned_abs();
        let (digits, prefix) = match code {
            'o' => (format!("{size:o}"), "0o"),
            'x' => (format!("{size:x}"), "0x"),
            'X' => (format!("{size:X}"), "0X"),
            _ => (size.to_string(), ""),
        };
        let digits = pad(&digits, self.precision.unwrap_or(0), '0', Align::Right);
        let prefix = if self.has('#') { prefix } else { "" };
        // Zeros of a width stand between the prefix and the digits.
        let room = self.width.filter(|_| self.has('0') && !self.has('-')).unwrap_or(0);
        let sign = self.sign(number < 0);
        let digits =
            pad(&digits, room.saturating_sub(sign.len() + prefix.len()), '0', Align::Right);
        Ok(format!("{sign}{prefix}{digits}"))
    }

    fn float(&self, code: char, value: &Value) -> Result<String> {
        let number = value.as_float().ok_or_else(|| {
            Error::type_error(format!("must be real number, not {}", value.type_name()))
        })?;
        let size = number.abs();
        let precision = self.precision.unwrap_or(6);
        let digits = match code.to_ascii_lowercase() {
            _ if !size.is_finite() => not_finite(size).to_owned(),
            'e' => exponential(size, precision),
            'f' => format!("{size:.precision$}"),
            _ => general(size, precision, self.has('#')),
        };
        let digits = if code.is_uppercase() { digits.to_uppercase() } else { digits };
        Ok(self.sign(number.is_sign_negative() && !number.is_nan()).to_owned() + &digits)
    }
}

fn key(rest: &mut Peekable<Chars<'_>>) -> Result<String> {
    let mut key = String::new();
    let mut depth = 1;
    for c in rest.by_ref() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Ok(key);
        }
        key.push(c);
    }
    Err(Error::value("incomplete format key"))
}

/// A width or precision, paid for before it is filled.
fn size(size: u128, budget: &Budget) -> Result<usize> {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    budget.bytes(size)?;
    Ok(size)
}

fn character(value: &Value) -> Result<String> {
    let refused = || Error::type_error("%c requires int or char");
    match value {
        Value::Str(text) if text.text.chars().count() == 1 => Ok(text.text.as_ref().to_owned()),
        _ => {
            let code = value.as_int().ok_or_else(refused)?;
            let code = u32::try_from(code).ok().and_then(char::from_u32);
            code.map(String::from).ok_or_else(refused)
        }
    }
}

fn ascii(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii() { c.to_string() } else { escape(c) }).collect()
}
