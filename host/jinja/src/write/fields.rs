//! `str.format` and its mini-language for fields.

use super::number::{exponential, general, grouped, not_finite};
use super::repr::{repr, str_of};
use super::{Align, PRECISION, pad};
use crate::budget::Budget;
use crate::error::{Error, Result};
use crate::value::Value;

/// How a field is looked up: its name, then what stands behind it (`.name`, `[key]`).
pub(crate) enum Step<'a> {
    Attribute(&'a str),
    Item(Value),
    /// The name itself; a number is the place of a positional value.
    First(&'a str),
}

/// `format.format(…)`; `look_up` follows a field's path.
///
/// # Errors
/// Braces that do not close, fields that are not given, formats that a value does not have.
pub(crate) fn format(
    format: &str,
    look_up: &mut dyn FnMut(&[Step<'_>]) -> Result<Value>,
    budget: &Budget,
) -> Result<String> {
    Formatter { look_up, budget, next: Some(0) }.text(format, 2)
}

struct Formatter<'a> {
    look_up: &'a mut dyn FnMut(&[Step<'_>]) -> Result<Value>,
    budget: &'a Budget,
    /// The number of the next field without one; `None` where fields are numbered by hand.
    next: Option<usize>,
}

impl Formatter<'_> {
    fn text(&mut self, format: &str, depth: usize) -> Result<String> {
        if depth == 0 {
            return Err(Error::value("Max string recursion exceeded"));
        }
        let mut out = String::new();
        let mut rest = format;
        while let Some(at) = rest.find(['{', '}']) {
            out.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(behind) = rest.strip_prefix(brace) {
                out.push_str(brace);
                rest = behind;
                continue;
            }
            if brace == "}" {
                return Err(Error::value("Single '}' encountered in format string"));
            }
            let end = closing(rest)?;
            let field = self.field(&rest[..end], depth)?;
            self.budget.bytes(field.len())?;
            out.push_str(&field);
            rest = &rest[end + 1..];
        }
        Ok(out + rest)
    }

    fn field(&mut self, field: &str, depth: usize) -> Result<String> {
        let (name, spec) = match field.find([':', '!']) {
            Some(at) if field[at..].starts_with('!') && !field[..at].contains('[') => {
                (&field[..at], &field[at..])
            }
            _ => split_spec(field),
        };
        let (conversion, spec) = match spec.strip_prefix('!') {
            Some(behind) => {
                let conversion = behind.chars().next();
                let behind = behind.get(1..).unwrap_or_default();
                (conversion, behind.strip_prefix(':').unwrap_or(behind))
            }
            None => (None, spec.strip_prefix(':').unwrap_or(spec)),
        };
        let value = self.value(name)?;
        let spec = match spec.contains(['{', '}']) {
            true => self.text(spec, depth - 1)?,
            false => spec.to_owned(),
        };
        let value = match conversion {
            None => value,
            Some('r' | 'a') => Value::str(repr(&value, self.budget)?),
            Some('s') => Value::str(str_of(&value, self.budget)?),
            Some(other) => {
                return Err(Error::value(format!("Unknown conversion specifier '{other}'")));
            }
        };
        formatted(&value, &spec, self.budget)
    }

    fn value(&mut self, name: &str) -> Result<Value> {
        let end = name.find(['.', '[']).unwrap_or(name.len());
        let (first, mut rest) = name.split_at(end);
        let switched =
            || Error::value("cannot switch between manual and automatic field numbering");
        let number;
        let first = match (first.is_empty(), self.next) {
            (true, Some(next)) => {
                self.next = Some(next + 1);
                number = next.to_string();
                &number
            }
            (true, None) => return Err(switched()),
            (false, next) if first.bytes().all(|b| b.is_ascii_digit()) => {
                if next.is_some_and(|next| next > 0) {
                    return Err(switched());
                }
                self.next = None;
                first
            }
            _ => first,
        };
        let mut path = vec![Step::First(first)];
        while !rest.is_empty() {
            if let Some(behind) = rest.strip_prefix('.') {
                let end = behind.find(['.', '[']).unwrap_or(behind.len());
                path.push(Step::Attribute(&behind[..end]));
                rest = &behind[end..];
            } else if let Some((key, behind)) =
                rest.strip_prefix('[').and_then(|behind| behind.split_once(']'))
            {
                let key = key.parse().map_or_else(|_| Value::str(key), Value::Int);
                path.push(Step::Item(key));
                rest = behind;
            } else {
                return Err(Error::value("Missing ']' in format string"));
            }
        }
        (self.look_up)(&path)
    }
}

/// Where the brace closes that has been opened before `rest`.
fn closing(rest: &str) -> Result<usize> {
    let mut depth = 1;
    for (at, c) in rest.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Ok(at);
        }
    }
    Err(Error::value("expected '}' before end of string"))
}

/// A field's name, and the colon with what follows it; a colon in brackets belongs to the name.
fn split_spec(field: &str) -> (&str, &str) {
    let mut is_in_brackets = false;
    for (at, c) in field.char_indices() {
        match c {
            '[' => is_in_brackets = true,
            ']' => is_in_brackets = false,
            ':' | '!' if !is_in_brackets => return field.split_at(at),
            _ => {}
        }
    }
    (field, "")
}

/// `[[fill]align][sign][#][0][width][grouping][.precision][type]`.
struct Spec {
    fill: char,
    align: Option<Align>,
    sign: char,
    has_prefix: bool,
    width: usize,
    grouping: Option<char>,
    precision: Option<usize>,
    code: Option<char>,
}

impl Spec {
    fn parse(spec: &str, value: &Value) -> Result<Self> {
        let invalid = || {
            Error::value(format!(
                "Invalid format specifier '{spec}' for object of type '{}'",
                value.type_name()
            ))
        };
        let mut rest: Vec<char> = spec.chars().rev().collect();
        let align_of = |c: &char| match c {
            '<' => Some(Align::Left),
            '>' => Some(Align::Right),
            '^' => Some(Align::Center),
            '=' => Some(Align::BehindSign),
            _ => None,
        };
        let (mut fill, mut align) = (' ', None);
        if let [.., second, first] = rest[..]
            && let Some(found) = align_of(&second)
        {
            (fill, align) = (first, Some(found));
            rest.truncate(rest.len() - 2);
        } else if let Some(found) = rest.last().and_then(align_of) {
            align = Some(found);
            rest.pop();
        }
        let sign = rest.pop_if(|c| "+- ".contains(*c)).unwrap_or('-');
        let has_prefix = rest.pop_if(|c| *c == '#').is_some();
        if rest.pop_if(|c| *c == '0').is_some() && align.is_none() {
            // A text cannot have zeros behind its sign.
            (fill, align) = ('0', value.as_float().map(|_| Align::BehindSign));
        }
        let digits = |rest: &mut Vec<char>| {
            let mut digits = String::new();
            while let Some(digit) = rest.pop_if(|c| c.is_ascii_digit()) {
                digits.push(digit);
            }
            digits
        };
        let width = digits(&mut rest);
        let width = if width.is_empty() { 0 } else { width.parse().map_err(|_| invalid())? };
        let grouping = rest.pop_if(|c| *c == ',' || *c == '_');
        let precision = match rest.pop_if(|c| *c == '.') {
            Some(_) => Some(digits(&mut rest).parse().map_err(|_| invalid())?),
            None => None,
        };
        let code = rest.pop();
        if !rest.is_empty() {
            return Err(invalid());
        }
        if precision.is_some_and(|precision| precision as i128 > PRECISION) {
            return Err(Error::limit(format!("a precision above {PRECISION}")));
        }
        Ok(Self { fill, align, sign, has_prefix, width, grouping, precision, code })
    }

    fn sign_of(&self, is_negative: bool) -> &'static str {
        match (is_negative, self.sign) {
            (true, _) => "-",
            (false, '+') => "+",
            (false, ' ') => " ",
            (false, _) => "",
        }
    }
}

fn formatted(value: &Value, spec: &str, budget: &Budget) -> Result<String> {
    if spec.is_empty() {
        return str_of(value, budget);
    }
    let parsed = Spec::parse(spec, value)?;
    budget.repeated(parsed.fill.len_utf8(), parsed.width)?;
    let unknown = |code: char| {
        Error::value(format!(
            "Unknown format code '{code}' for object of type '{}'",
            value.type_name()
        ))
    };
    let (text, align) = match value {
        Value::Str(text) => match parsed.code {
            None | Some('s') if parsed.grouping.is_none() && parsed.sign == '-' => {
                let precision = parsed.precision.unwrap_or(usize::MAX);
                (text.text.chars().take(precision).collect(), Align::Left)
            }
            code => return Err(unknown(code.unwrap_or('s'))),
        },
        Value::Bool(_) if parsed.code.is_none() => (integer(value, 'd', &parsed), Align::Right),
        Value::Int(_) | Value::Bool(_) => match parsed.code.unwrap_or('d') {
            code @ ('d' | 'n' | 'b' | 'o' | 'x' | 'X') if parsed.precision.is_none() => {
                (integer(value, code, &parsed), Align::Right)
            }
            'c' => {
                let code = value.as_int().and_then(|code| u32::try_from(code).ok());
                let character = code.and_then(char::from_u32).ok_or_else(|| unknown('c'))?;
                (character.to_string(), Align::Left)
            }
            code if "eEfFgG%".contains(code) => (float(value, &parsed), Align::Right),
            code => return Err(unknown(code)),
        },
        Value::Float(_) => match parsed.code {
            Some(code) if !"eEfFgGn%".contains(code) => return Err(unknown(code)),
            _ => (float(value, &parsed), Align::Right),
        },
        _ => {
            return Err(Error::type_error(format!(
                "unsupported format string passed to {}.__format__",
                value.type_name()
            )));
        }
    };
    let align = parsed.align.unwrap_or(align);
    if align == Align::BehindSign
        && let Some(separator) = parsed.grouping
        && parsed.fill == '0'
    {
        return Ok(zeros_in_groups(&text, parsed.width, separator));
    }
    Ok(pad(&text, parsed.width, parsed.fill, align))
}

/// Zeros in front, grouped like the digits: as few as fill the field.
fn zeros_in_groups(text: &str, width: usize, separator: char) -> String {
    let plain: String = text.chars().filter(|c| *c != separator).collect();
    let sign = plain.len() - plain.trim_start_matches(['+', '-', ' ']).len();
    let digits = plain[sign..].find(['.', 'e']).unwrap_or(plain.len() - sign);
    let tail = plain.chars().count() - sign - digits;
    // So many digits before the point, and separators between threes of them, fill the field.
    let room = width.saturating_sub(sign + tail);
    let wanted = room - room.saturating_sub(1) / 4;
    let zeros = wanted.saturating_sub(digits);
    let padded = pad(&plain, plain.chars().count() + zeros, '0', Align::BehindSign);
    grouped(&padded, separator, 3)
}

fn integer(value: &Value, code: char, spec: &Spec) -> String {
    let number = value.as_int().unwrap_or_default();
    let size = number.unsigned_abs();
    let (digits, prefix) = match code {
        'b' => (format!("{size:b}"), "0b"),
        'o' => (format!("{size:o}"), "0o"),
        'x' => (format!("{size:x}"), "0x"),
        'X' => (format!("{size:X}"), "0X"),
        _ => (size.to_string(), ""),
    };
    let digits = match spec.grouping {
        Some(separator) => grouped(&digits, separator, if prefix.is_empty() { 3 } else { 4 }),
        None => digits,
    };
    let prefix = if spec.has_prefix { prefix } else { "" };
    format!("{}{prefix}{digits}", spec.sign_of(number < 0))
}

fn float(value: &Value, spec: &Spec) -> String {
    let number = value.as_float().unwrap_or_default();
    let size = number.abs();
    let precision = spec.precision.unwrap_or(6);
    let digits = match spec.code.map(|code| code.to_ascii_lowercase()) {
        _ if !size.is_finite() => not_finite(size).to_owned(),
        Some('e') => exponential(size, precision),
        Some('f') => format!("{size:.precision$}"),
        Some('%') => format!("{:.precision$}%", size * 100.0),
        Some(_) => general(size, precision, spec.has_prefix),
        None => match spec.precision {
            None => super::float_repr(size),
            Some(precision) => {
                let text = general(size, precision, false);
                let is_whole = !text.contains(['.', 'e']);
                if is_whole { text + ".0" } else { text }
            }
        },
    };
    let is_upper = spec.code.is_some_and(char::is_uppercase);
    let digits = if is_upper { digits.to_uppercase() } else { digits };
    let digits = match spec.grouping {
        Some(separator) => grouped(&digits, separator, 3),
        None => digits,
    };
    let is_negative = number.is_sign_negative() && !number.is_nan();
    spec.sign_of(is_negative).to_owned() + &digits
}
