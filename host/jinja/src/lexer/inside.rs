//! Tokens within a tag: names, numbers, texts, operators.

use super::TokenKind;
use crate::characters::is_word;
use crate::text::is_identifier;

/// Operators, longer ones first.
const OPERATORS: [&str; 27] = [
    "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}",
    ">", "<", "=", ".", ":", "|", ",", ";", "!",
];

/// A token and how many bytes it takes.
pub(super) struct Inside {
    pub(super) kind: TokenKind,
    pub(super) length: usize,
}

/// The token that `rest` begins with; behind a dot stands a whole number, never a decimal one.
pub(super) fn next(rest: &str, is_behind_dot: bool) -> Result<Inside, String> {
    let first = rest.chars().next().expect("a caller that has looked");
    if first.is_ascii_digit() {
        return number(rest, is_behind_dot);
    }
    if is_word(first) {
        let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let name = &rest[..length];
        if !is_identifier(name) {
            return Err("Invalid character in identifier".into());
        }
        return Ok(Inside { kind: TokenKind::Name(name.into()), length });
    }
    if matches!(first, '\'' | '"') {
        return string(rest, first);
    }
    let operator = OPERATORS.iter().find(|operator| rest.starts_with(**operator));
    match operator {
        // Jinja knows `!=` and no `!`.
        Some(&operator) if operator != "!" => {
            Ok(Inside { kind: TokenKind::Operator(operator), length: operator.len() })
        }
        _ => Err(format!("unexpected char '{first}'")),
    }
}

fn number(rest: &str, is_behind_dot: bool) -> Result<Inside, String> {
    if !is_behind_dot && let Some(length) = float(rest) {
        let digits = rest[..length].replace('_', "");
        let value = digits.parse().map_err(|_| format!("`{digits}` is no number"))?;
        return Ok(Inside { kind: TokenKind::Float(value), length });
    }
    let (radix, prefix) = match rest.get(..2).map(str::to_ascii_lowercase).as_deref() {
        Some("0b") => (2, 2),
        Some("0o") => (8, 2),
        Some("0x") => (16, 2),
        _ => (10, 0),
    };
    // The prefix may have an underscore behind it.
    let digits = digits(&rest[prefix..], radix, prefix > 0);
    let (radix, length) = match (prefix, digits) {
        (0, length) if rest.starts_with('0') => {
            (10, 1 + zeros(&rest[1..]).min(length.saturating_sub(1)))
        }
        (0, length) => (10, length),
        (_, 0) => (10, 1),
        (prefix, length) => (radix, prefix + length),
    };
    let start = if radix == 10 { 0 } else { prefix };
    let text = rest[start..length].replace('_', "");
    let value = i128::from_str_radix(&text, radix)
        .map_err(|_| format!("`{text}` is larger than this engine's integers, of 128 bits"))?;
    Ok(Inside { kind: TokenKind::Int(value), length })
}

/// How many bytes `(_?0)*` takes.
fn zeros(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut length = 0;
    loop {
        match (bytes.get(length), bytes.get(length + 1)) {
            (Some(b'0'), _) => length += 1,
            (Some(b'_'), Some(b'0')) => length += 2,
            _ => return length,
        }
    }
}

/// How many bytes of digits there are, single underscores between them.
fn digits(text: &str, radix: u32, may_begin_with_underscore: bool) -> usize {
    let bytes = text.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(|b| char::from(*b).is_digit(radix));
    let mut length = 0;
    loop {
        if is_digit(length) {
            length += 1;
        } else if bytes.get(length) == Some(&b'_')
            && is_digit(length + 1)
            && (length > 0 || may_begin_with_underscore)
        {
            length += 2;
        } else {
            return length;
        }
    }
}

/// The length of a decimal number: with a point, an exponent, or both.
fn float(text: &str) -> Option<usize> {
    let whole = digits(text, 10, false);
    let mut length = whole;
    let fraction = text[length..].strip_prefix('.').map_or(0, |rest| digits(rest, 10, false));
    if fraction > 0 {
        length += 1 + fraction;
    }
    if let Some(rest) = text[length..].strip_prefix(['e', 'E']) {
        let sign = usize::from(rest.starts_with(['+', '-']));
        let exponent = digits(&rest[sign..], 10, false);
        if exponent > 0 {
            length += 1 + sign + exponent;
        }
    }
    (length > whole).then_some(length)
}

fn string(rest: &str, quote: char) -> Result<Inside, String> {
    let mut is_escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            _ if c == quote => {
                let text = unescaped(&rest[1..at])?;
                return Ok(Inside { kind: TokenKind::Str(text), length: at + 1 });
            }
            _ => {}
        }
    }
    Err(format!("unexpected char '{quote}'"))
}

/// Python's escapes. What is no escape stays as it stands.
fn unescaped(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let code = rest.next().ok_or("a text ends in `\\`")?;
        match code {
            '\n' => {}
            '\\' | '\'' | '"' => out.push(code),
            'a' => out.push('\u{7}'),
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            'v' => out.push('\u{b}'),
            'x' => out.push(coded(&mut rest, 2)?),
            'u' => out.push(coded(&mut rest, 4)?),
            'U' => out.push(coded(&mut rest, 8)?),
            'N' => return Err("`\\N{…}` in a text is not supported".into()),
            '0'..='7' => {
                let mut value = code.to_digit(8).unwrap_or(0);
                for _ in 0..2 {
                    let Some(digit) = rest.clone().next().and_then(|c| c.to_digit(8)) else {
                        break;
                    };
                    rest.next();
                    value = value * 8 + digit;
                }
                out.push(char::from_u32(value).expect("at most 0o777"));
            }
            // Jinja hands the text to Python as ASCII, where `\é` is `\` and `\xe9`.
            _ if !code.is_ascii() => {
                out.push('\\');
                let escape = match code as u32 {
                    code @ ..=0xff => format!("x{code:02x}"),
                    code @ ..=0xffff => format!("u{code:04x}"),
                    code => format!("U{code:08x}"),
                };
                out.push_str(&escape);
            }
            _ => {
                out.push('\\');
                out.push(code);
            }
        }
    }
    Ok(out)
}

fn coded(rest: &mut std::str::Chars<'_>, digits: usize) -> Result<char, String> {
    let text: String = rest.by_ref().take(digits).collect();
    let code = u32::from_str_radix(&text, 16).ok().filter(|_| text.len() == digits);
    let code = code.ok_or_else(|| format!("`{text}` is not {digits} hexadecimal digits"))?;
    char::from_u32(code)
        .ok_or_else(|| format!("`{text}` is half of a surrogate pair, which no text holds"))
}
