//! `wordwrap`: lines no longer than a width, by the rules of Python's `textwrap`.

use super::super::Renderer;
use super::super::arguments::{Values, integer, text as text_of};
use crate::characters::{is_decimal, is_word};
use crate::error::{Error, Result};
use crate::text;
use crate::value::Value;

impl Renderer<'_> {
    pub(super) fn wordwrap(&mut self, value: Value, values: Values) -> Result<Value> {
        let names = ["width", "break_long_words", "wrapstring", "break_on_hyphens"];
        let [width, long, wrap, hyphens] = values.bind("wordwrap", names, 0)?;
        let width = width.as_ref().map_or(Ok(79), integer)?;
        if width <= 0 {
            return Err(Error::value(format!("invalid width {width} (must be > 0)")));
        }
        let wrap = wrap.filter(|it| !matches!(it, Value::None));
        let wrap = wrap.unwrap_or_else(|| Value::str("\n"));
        let wrap = text_of("wordwrap", &wrap)?;
        let is_set = |it: Option<Value>| it.is_none_or(|it| it.is_true());
        let (breaks_words, breaks_hyphens) = (is_set(long), is_set(hyphens));
        let it = match &value {
            Value::Str(_) => text_of("wordwrap", &value)?,
            Value::Undefined(missing) => return Err(missing.error()),
            _ => {
                return Err(Error::type_error(format!(
                    "'{}' object has no attribute 'splitlines'",
                    value.type_name()
                )));
            }
        };
        self.budget.repeated(it.len() + 1, wrap.len() + 1)?;
        self.budget.steps(it.len())?;
        let width = width as usize;
        let lines: Vec<String> = text::lines(it, false)
            .iter()
            .map(|line| wrapped(line, width, breaks_words, breaks_hyphens).join(wrap))
            .collect();
        Ok(Value::str(lines.join(wrap)))
    }
}

/// Lines no longer than `width`, white space at their ends dropped.
fn wrapped(line: &str, width: usize, breaks_words: bool, breaks_hyphens: bool) -> Vec<String> {
    let mut rest: Vec<String> = chunks(line, breaks_hyphens);
    rest.reverse();
    let mut lines: Vec<String> = Vec::new();
    while !rest.is_empty() {
        if !lines.is_empty() && rest.last().is_some_and(|chunk| is_white(chunk)) {
            rest.pop();
        }
        let mut current: Vec<String> = Vec::new();
        let mut length = 0;
        while let Some(chunk) = rest.last() {
            let chunk_length = chunk.chars().count();
            if length + chunk_length > width {
                break;
            }
            length += chunk_length;
            current.extend(rest.pop());
        }
        let is_too_long = rest.last().is_some_and(|chunk| chunk.chars().count() > width);
        if is_too_long {
            if breaks_words {
                let chunk = rest.pop().unwrap_or_default();
                let mut cut = text::byte_of(&chunk, (width - length).max(usize::from(width == 0)));
                if breaks_hyphens {
                    let hyphen = chunk[..cut].rfind('-');
                    if let Some(hyphen) = hyphen
                        && chunk[..hyphen].contains(|c| c != '-')
                    {
                        cut = hyphen + 1;
                    }
                }
                current.push(chunk[..cut].to_owned());
                rest.push(chunk[cut..].to_owned());
            } else if current.is_empty() {
                current.extend(rest.pop());
            }
        }
        if current.last().is_some_and(|chunk| is_white(chunk)) {
            current.pop();
        }
        if !current.is_empty() {
            lines.push(current.concat());
        }
    }
    lines
}

/// What `textwrap` takes for white space.
fn is_blank(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\u{b}' | '\u{c}' | '\r' | ' ')
}

fn is_white(chunk: &str) -> bool {
    chunk.chars().all(is_blank)
}

/// Words and the white space between them; a word is cut behind its hyphens where letters stand
/// around them.
fn chunks(line: &str, breaks_hyphens: bool) -> Vec<String> {
    let mut chunks = Vec::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| is_blank(c) != is_blank(first)).unwrap_or(rest.len());
        let (chunk, behind) = rest.split_at(end);
        match is_blank(first) || !breaks_hyphens {
            true => chunks.push(chunk.to_owned()),
            false => chunks.extend(parts_of_word(chunk)),
        }
        rest = behind;
    }
    chunks
}

fn parts_of_word(word: &str) -> Vec<String> {
    let characters: Vec<char> = word.chars().collect();
    let at = |place: usize| characters.get(place).copied();
    let is_letter = |place: usize| at(place).is_some_and(|c| is_word(c) && !is_decimal(c));
    let is_hyphen = |place: usize| at(place) == Some('-');
    let mut parts = vec![String::new()];
    let mut is_dash = false;
    for (place, c) in characters.iter().enumerate() {
        let run = characters[place..].iter().take_while(|c| **c == '-').count();
        let is_behind_word = place > 0
            && !is_hyphen(place - 1)
            && at(place - 1).is_some_and(|c| is_word(c) || "!\"'&.,?".contains(c));
        let begins_dash = run >= 2 && is_behind_word && at(place + run).is_some_and(is_word);
        if begins_dash || is_dash && run == 0 {
            parts.push(String::new());
        }
        is_dash = begins_dash || is_dash && run > 0;
        parts.last_mut().expect("one part at least").push(*c);
        // A hyphen with two letters on each side, or one letter and another hyphen.
        let is_break = run == 1
            && !is_dash
            && place >= 2
            && is_letter(place - 1)
            && (is_letter(place - 2) || place >= 3 && is_hyphen(place - 2) && is_letter(place - 3))
            && is_letter(place + 1)
            && (is_letter(place + 2) || is_hyphen(place + 2) && is_letter(place + 3));
        if is_break {
            parts.push(String::new());
        }
    }
    parts
}
