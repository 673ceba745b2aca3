//! The Jinja environment that chat templates are written for: what transformers gives them, so
//! that a template renders here as it does there.

use minijinja::value::{Kwargs, Value};
use minijinja::{AutoEscape, Environment, Error, ErrorKind};
use minijinja_contrib::pycompat::unknown_method_callback;
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter, Serializer};
use std::io::{self, Write};

/// The day templates are told. A text that changed with the calendar would make two runs on the
/// same data differ, so it is always the one that Llama 3.1's template falls back to.
const TODAY: [(char, &str); 14] = [
    ('d', "26"),
    ('e', "26"),
    ('j', "208"),
    ('m', "07"),
    ('b', "Jul"),
    ('B', "July"),
    ('a', "Fri"),
    ('A', "Friday"),
    ('y', "24"),
    ('Y', "2024"),
    ('H', "00"),
    ('M', "00"),
    ('S', "00"),
    ('%', "%"),
];

/// An environment without templates.
pub(super) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_unknown_method_callback(unknown_method_callback);
    environment.add_function("raise_exception", raise_exception);
    environment.add_function("strftime_now", strftime_now);
    environment.add_filter("tojson", tojson);
    environment
}

/// Some templates mark what the assistant says with `{% generation %}`, which means nothing to a
/// renderer; the marks become conditions that always hold.
pub(super) fn without_generation_marks(source: &str) -> String {
    let mut result = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find("{%") {
        let Some(length) = rest[start..].find("%}") else { break };
        let inner = &rest[start + 2..start + length];
        let word = inner.trim_matches(['-', '+']).trim();
        let replacement = match word {
            "generation" => inner.replacen(word, "if true", 1),
            "endgeneration" => inner.replacen(word, "endif", 1),
            _ => inner.to_owned(),
        };
        result.push_str(&rest[..start + 2]);
        result.push_str(&replacement);
        rest = &rest[start + length..];
    }
    result + rest
}

fn raise_exception(message: String) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message))
}

fn strftime_now(format: &str) -> Result<String, Error> {
    let mut text = String::new();
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            text.push(character);
            continue;
        }
        // `%-d` is `%d` without padding.
        let code = characters.next();
        let (code, is_bare) =
            if code == Some('-') { (characters.next(), true) } else { (code, false) };
        let Some((_, part)) = TODAY.iter().find(|(known, _)| Some(*known) == code) else {
            let message = format!("strftime_now(\"{format}\") has a code that is not known");
            return Err(Error::new(ErrorKind::InvalidOperation, message));
        };
        text.push_str(if is_bare && part.len() > 1 { part.trim_start_matches('0') } else { part });
    }
    Ok(text)
}

/// As Python's `json.dumps(value, ensure_ascii=False, indent=indent)`: unlike minijinja's own
/// filter it escapes nothing for HTML.
fn tojson(value: &Value, indent: Option<usize>, options: Kwargs) -> Result<String, Error> {
    let indent = match indent {
        Some(indent) => Some(indent),
        None => options.get::<Option<usize>>("indent")?,
    };
    let mut bytes = Vec::new();
    let written = match indent {
        Some(indent) => {
            let indent = " ".repeat(indent);
            let pretty = PrettyFormatter::with_indent(indent.as_bytes());
            value.serialize(&mut Serializer::with_formatter(&mut bytes, pretty))
        }
        None => {
            value.serialize(&mut Serializer::with_formatter(&mut bytes, Python(CompactFormatter)))
        }
    };
    let failed = |error: &dyn std::fmt::Display| {
        Error::new(ErrorKind::InvalidOperation, format!("tojson: {error}"))
    };
    written.map_err(|error| failed(&error))?;
    String::from_utf8(bytes).map_err(|error| failed(&error))
}

/// JSON on one line with Python's spaces behind `,` and `:`.
struct Python(CompactFormatter);

impl Formatter for Python {
    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }
    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }
    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }
}
