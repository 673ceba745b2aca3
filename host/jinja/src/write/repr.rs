//! `str(value)` and `repr(value)`.

use super::number::float_repr;
use crate::budget::Budget;
use crate::characters::is_printable;
use crate::error::{Error, Result};
use crate::value::{Dict, Value, View};

/// `str(value)`.
///
/// # Errors
/// A text larger than the budget.
pub(crate) fn str_of(value: &Value, budget: &Budget) -> Result<String> {
    let mut out = String::new();
    push_str(&mut out, value, budget)?;
    Ok(out)
}

/// `str(value)` behind what stands already.
///
/// # Errors
/// A text larger than the budget.
pub(crate) fn push_str(out: &mut String, value: &Value, budget: &Budget) -> Result<()> {
    match value {
        Value::Str(text) => push(out, &text.text, budget),
        Value::Undefined(_) => Ok(()),
        _ => push_repr(out, value, budget),
    }
}

/// `repr(value)`.
///
/// # Errors
/// A text larger than the budget.
pub(crate) fn repr(value: &Value, budget: &Budget) -> Result<String> {
    let mut out = String::new();
    push_repr(&mut out, value, budget)?;
    Ok(out)
}

fn push(out: &mut String, text: &str, budget: &Budget) -> Result<()> {
    budget.bytes(text.len())?;
    out.push_str(text);
    Ok(())
}

fn push_repr(out: &mut String, value: &Value, budget: &Budget) -> Result<()> {
    budget.steps(1)?;
    match value {
        Value::Undefined(_) => push(out, "Undefined", budget),
        Value::None => push(out, "None", budget),
        Value::Bool(true) => push(out, "True", budget),
        Value::Bool(false) => push(out, "False", budget),
        Value::Int(value) => push(out, &value.to_string(), budget),
        Value::Float(value) => push(out, &float_repr(*value), budget),
        Value::Str(text) if text.is_markup => {
            push(out, &format!("Markup({})", quoted(&text.text)), budget)
        }
        Value::Str(text) => push(out, &quoted(&text.text), budget),
        Value::Bytes(bytes) => push(out, &bytes_repr(bytes), budget),
        Value::List(items) => push_items(out, "[", &items.values, "]", budget),
        Value::Tuple(items) => {
            let close = if items.values.len() == 1 { ",)" } else { ")" };
            push_items(out, "(", &items.values, close, budget)
        }
        Value::Dict(dict) => push_dict(out, dict, budget),
        Value::View(view, dict) => {
            push(out, value.type_name(), budget)?;
            push(out, "(", budget)?;
            match view {
                View::Keys => push_items(out, "[", dict.keys(), "]", budget)?,
                View::Values => push_items(out, "[", dict.values(), "]", budget)?,
                View::Items => push_items(out, "[", &value.iterate(budget)?, "]", budget)?,
            }
            push(out, ")", budget)
        }
        Value::Range(range) => {
            let step = if range.step == 1 { String::new() } else { format!(", {}", range.step) };
            push(out, &format!("range({}, {}{step})", range.start, range.stop), budget)
        }
        Value::Namespace(namespace) => {
            push(out, "<Namespace {", budget)?;
            for (i, (name, value)) in namespace.attributes.borrow().iter().enumerate() {
                let comma = if i > 0 { ", " } else { "" };
                push(out, &format!("{comma}{}: ", quoted(name)), budget)?;
                push_repr(out, value, budget)?;
            }
            push(out, "}>", budget)
        }
        Value::Object(object) => match object.shown() {
            Some(shown) => push(out, &shown, budget),
            None => Err(shows_address(value)),
        },
        Value::Iterator(_) | Value::Method(_) => Err(shows_address(value)),
    }
}

/// Python would print where in memory it stands, another place each time.
fn shows_address(value: &Value) -> Error {
    Error::unsupported(format!(
        "printing a {} shows an address in memory, which is refused",
        value.type_name()
    ))
}

fn push_items<'a>(
    out: &mut String,
    open: &str,
    values: impl IntoIterator<Item = &'a Value>,
    close: &str,
    budget: &Budget,
) -> Result<()> {
    push(out, open, budget)?;
    for (i, value) in values.into_iter().enumerate() {
        if i > 0 {
            push(out, ", ", budget)?;
        }
        push_repr(out, value, budget)?;
    }
    push(out, close, budget)
}

fn push_dict(out: &mut String, dict: &Dict, budget: &Budget) -> Result<()> {
    push(out, "{", budget)?;
    for (i, (key, value)) in dict.entries().iter().enumerate() {
        if i > 0 {
            push(out, ", ", budget)?;
        }
        push_repr(out, key, budget)?;
        push(out, ": ", budget)?;
        push_repr(out, value, budget)?;
    }
    push(out, "}", budget)
}

/// A text in quotes: single ones, unless it holds such and no double ones.
pub(super) fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if c == quote => {
                out.push('\\');
                out.push(c);
            }
            _ if is_printable(c) => out.push(c),
            _ => out.push_str(&escape(c)),
        }
    }
    out.push(quote);
    out
}

/// `\x`, `\u` or `\U` and as many digits as they take.
pub(super) fn escape(c: char) -> String {
    match c as u32 {
        code @ ..=0xff => format!("\\x{code:02x}"),
        code @ ..=0xffff => format!("\\u{code:04x}"),
        code => format!("\\U{code:08x}"),
    }
}

fn bytes_repr(bytes: &[u8]) -> String {
    let is_single = !bytes.contains(&b'\'') || bytes.contains(&b'"');
    let quote = if is_single { '\'' } else { '"' };
    let mut out = format!("b{quote}");
    for byte in bytes {
        match byte {
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            _ if char::from(*byte) == quote => {
                out.push('\\');
                out.push(quote);
            }
            b' '..=b'~' => out.push(char::from(*byte)),
            _ => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out.push(quote);
    out
}
