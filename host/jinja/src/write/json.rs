//! `json.dumps` with the options that transformers' `tojson` passes on.

use super::number::float_repr;
use crate::budget::Budget;
use crate::error::{Error, Result};
use crate::value::{Value, compare, sorted};
use std::cmp::Ordering;
use std::fmt::Write as _;

/// Options of `json.dumps`.
pub(crate) struct Json {
    pub(crate) ensure_ascii: bool,
    pub(crate) indent: Option<String>,
    pub(crate) item_separator: String,
    pub(crate) key_separator: String,
    pub(crate) sort_keys: bool,
}

/// A value as JSON.
///
/// # Errors
/// Values and keys that JSON has no words for; a text larger than the budget.
pub(crate) fn dumps(value: &Value, options: &Json, budget: &Budget) -> Result<String> {
    let mut writer = Writer { out: String::new(), options, budget, paid: 0 };
    writer.value(value, 0)?;
    writer.pay()?;
    Ok(writer.out)
}

struct Writer<'a> {
    out: String,
    options: &'a Json,
    budget: &'a Budget,
    paid: usize,
}

impl Writer<'_> {
    /// Pays for what was written since the last time.
    fn pay(&mut self) -> Result<()> {
        self.budget.bytes(self.out.len() - self.paid)?;
        self.paid = self.out.len();
        self.budget.steps(1)
    }

    fn value(&mut self, value: &Value, depth: usize) -> Result<()> {
        self.pay()?;
        match value {
            Value::None => self.out.push_str("null"),
            Value::Bool(true) => self.out.push_str("true"),
            Value::Bool(false) => self.out.push_str("false"),
            Value::Int(value) => self.out.push_str(&value.to_string()),
            Value::Float(value) => self.out.push_str(&number(*value)),
            Value::Str(text) => self.text(&text.text),
            Value::List(items) | Value::Tuple(items) => {
                self.all('[', items.values.iter(), ']', depth, |this, value| {
                    this.value(value, depth + 1)
                })?;
            }
            Value::Dict(dict) => {
                let mut entries: Vec<&(Value, Value)> = dict.entries().iter().collect();
                if self.options.sort_keys {
                    entries = by_key(entries, self.budget)?;
                }
                self.all('{', entries.into_iter(), '}', depth, |this, (key, value)| {
                    let key = key_text(key)?;
                    this.text(&key);
                    this.out.push_str(&this.options.key_separator);
                    this.value(value, depth + 1)
                })?;
            }
            _ => {
                return Err(Error::type_error(format!(
                    "Object of type {} is not JSON serializable",
                    value.type_name()
                )));
            }
        }
        Ok(())
    }

    fn all<T>(
        &mut self,
        open: char,
        items: impl ExactSizeIterator<Item = T>,
        close: char,
        depth: usize,
        mut write: impl FnMut(&mut Self, T) -> Result<()>,
    ) -> Result<()> {
        self.out.push(open);
        let is_empty = items.len() == 0;
        for (i, item) in items.enumerate() {
            if i > 0 {
                self.out.push_str(&self.options.item_separator);
            }
            self.new_line(depth + 1)?;
            write(self, item)?;
        }
        if !is_empty {
            self.new_line(depth)?;
        }
        self.out.push(close);
        Ok(())
    }

    fn new_line(&mut self, depth: usize) -> Result<()> {
        if let Some(indent) = &self.options.indent {
            self.budget.repeated(indent.len(), depth)?;
            self.out.push('\n');
            self.out.push_str(&indent.repeat(depth));
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                '\u{8}' => self.out.push_str("\\b"),
                '\u{c}' => self.out.push_str("\\f"),
                '\0'..='\u{1f}' => self.escape(c),
                '\u{7f}'.. if self.options.ensure_ascii && c != '\u{7f}' => self.escape(c),
                _ => self.out.push(c),
            }
        }
        self.out.push('"');
    }

    fn escape(&mut self, c: char) {
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(self.out, "\\u{unit:04x}");
        }
    }
}

/// Entries by key, as Python sorts them before it turns keys to text.
fn by_key<'v>(
    entries: Vec<&'v (Value, Value)>,
    budget: &Budget,
) -> Result<Vec<&'v (Value, Value)>> {
    let order = |a: &Value, b: &Value| compare(a, b, "<", budget);
    sorted(entries, &mut |a, b| Ok(order(&a.0, &b.0)?.unwrap_or(Ordering::Equal)))
}

fn number(value: f64) -> String {
    match value {
        _ if value.is_nan() => "NaN".into(),
        f64::INFINITY => "Infinity".into(),
        f64::NEG_INFINITY => "-Infinity".into(),
        _ => float_repr(value),
    }
}

fn key_text(key: &Value) -> Result<String> {
    Ok(match key {
        Value::Str(text) => text.text.as_ref().to_owned(),
        Value::None => "null".into(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => number(*value),
        _ => {
            return Err(Error::type_error(format!(
                "keys must be str, int, float, bool or None, not {}",
                key.type_name()
            )));
        }
    })
}
