//! Markup: `escape`, `striptags` and quoting for addresses, as markupsafe and jinja2 do them.

use crate::budget::Budget;
use crate::error::Result;
use crate::text::split_white;

/// The five characters that mean something in HTML, as entities.
///
/// # Errors
/// A text larger than the budget.
pub(crate) fn escape(text: &str, budget: &Budget) -> Result<String> {
    let entities = text.bytes().filter(|byte| b"&<>\"'".contains(byte)).count();
    budget.bytes(text.len() + entities * 4)?;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    Ok(out)
}

/// Tags and comments away, white space to single spaces, entities to characters. `None` where an
/// entity is named that is not one of HTML's best known.
pub(crate) fn strip_tags(text: &str) -> Option<String> {
    let mut kept = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        let tag = &rest[start..];
        let end = match tag.strip_prefix("<!--") {
            Some(inner) => inner.find("-->").map(|at| at + 7),
            None => tag.find('>').map(|at| at + 1),
        };
        let Some(end) = end else { break };
        kept.push_str(&rest[..start]);
        rest = &tag[end..];
    }
    kept.push_str(rest);
    unescape(&words_of(&kept))
}

/// With one space wherever there is white space.
fn words_of(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in split_white(text, usize::MAX) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

fn unescape(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        out.push_str(&rest[..start]);
        rest = &rest[start + 1..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '#').unwrap_or(rest.len());
        let name = &rest[..end];
        let character = match name.strip_prefix('#') {
            Some(number) => match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16).ok().and_then(char::from_u32),
                None => number.parse().ok().and_then(char::from_u32),
            },
            None => match name {
                "amp" => Some('&'),
                "lt" => Some('<'),
                "gt" => Some('>'),
                "quot" => Some('"'),
                "apos" => Some('\''),
                "nbsp" => Some('\u{a0}'),
                "" => None,
                _ => return None,
            },
        };
        match character {
            Some(character) => {
                out.push(character);
                rest = &rest[end..];
                rest = rest.strip_prefix(';').unwrap_or(rest);
            }
            None => out.push('&'),
        }
    }
    out.push_str(rest);
    Some(out)
}

/// Percent signs for all but letters, digits and `_.-~`; a slash stays but in a query, where a
/// space is a plus.
pub(crate) fn quote(text: &str, is_query: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b'~' => {
                out.push(char::from(byte));
            }
            b'/' if !is_query => out.push('/'),
            b' ' if is_query => out.push('+'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
