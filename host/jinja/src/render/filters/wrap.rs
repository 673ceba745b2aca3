//! `wordwrap`: lines no longer than a width, by the rules of Python's `textwrap`.

use super::super::Renderer;
use super::super::arguments::{Values, integer, text as text_of};
use crate::characters::{is_decimal, is_word};
use crate::error::{Error, Result};
use crate::text;
use crate::value::Value;
use std::collections::VecDeque;

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
        self.budget.steps(it.len())?;
        let mut out = String::new();
        for (number, line) in text::lines(it, false).enumerate() {
            if number > 0 {
                out.push_str(wrap);
            }
            self.budget.repeated(line.chars().count(), 2 * size_of::<&str>())?;
            let lines = wrapped(line, width as usize, breaks_words, breaks_hyphens);
            self.budget.repeated(wrap.len() + 1, lines.len())?;
            self.budget.bytes(line.len() + wrap.len())?;
            out.push_str(&lines.join(wrap));
        }
        Ok(Value::str(out))
    }
}

/// Lines no longer than `width`, white space at their ends dropped.
fn wrapped(line: &str, width: usize, breaks_words: bool, breaks_hyphens: bool) -> Vec<String> {
    let mut rest: VecDeque<&str> = chunks(line, breaks_hyphens).into();
    let mut lines: Vec<String> = Vec::new();
    while !rest.is_empty() {
        if !lines.is_empty() && rest.front().is_some_and(|chunk| is_white(chunk)) {
            rest.pop_front();
        }
        let mut current: Vec<&str> = Vec::new();
        let mut length = 0;
        while let Some(chunk) = rest.front() {
            let Some(chunk_length) = length_within(chunk, width - length) else { break };
            length += chunk_length;
            current.extend(rest.pop_front());
        }
        if let Some(chunk) = rest.front_mut()
            && length_within(chunk, width).is_none()
        {
            if breaks_words {
                let cut = cut_of(chunk, width - length, breaks_hyphens);
                let (before, behind) = chunk.split_at(cut);
                current.push(before);
                *chunk = behind;
            } else if current.is_empty() {
                current.extend(rest.pop_front());
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

/// How many characters a chunk has, where it has no more than `most`; no more are looked at.
fn length_within(chunk: &str, most: usize) -> Option<usize> {
    match chunk.char_indices().nth(most) {
        Some(_) => None,
        None => Some(chunk.chars().count()),
    }
}

/// Where a word is cut that is longer than `room`: behind its last hyphen there, else at the end of it.
fn cut_of(word: &str, room: usize, breaks_hyphens: bool) -> usize {
    let cut = text::byte_of(word, room);
    let hyphen = word[..cut].rfind('-').filter(|_| breaks_hyphens);
    match hyphen {
        Some(hyphen) if word[..hyphen].contains(|c| c != '-') => hyphen + 1,
        _ => cut,
    }
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
fn chunks(line: &str, breaks_hyphens: bool) -> Vec<&str> {
    let mut chunks = Vec::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| is_blank(c) != is_blank(first)).unwrap_or(rest.len());
        let (chunk, behind) = rest.split_at(end);
        match is_blank(first) || !breaks_hyphens {
            true => chunks.push(chunk),
            false => chunks.extend(parts_of_word(chunk)),
        }
        rest = behind;
    }
    chunks
}

fn parts_of_word(word: &str) -> Vec<&str> {
    let characters: Vec<(usize, char)> = word.char_indices().collect();
    let at = |place: usize| characters.get(place).map(|(_, c)| *c);
    let is_letter = |place: usize| at(place).is_some_and(|c| is_word(c) && !is_decimal(c));
    let is_hyphen = |place: usize| at(place) == Some('-');
    let mut parts = Vec::new();
    let (mut start, mut is_dash) = (0, false);
    // Hyphens from here on.
    let mut run = 0;
    for (place, (byte, _)) in characters.iter().enumerate() {
        if run == 0 {
            run = characters[place..].iter().take_while(|(_, c)| *c == '-').count();
        }
        let is_behind_word = place > 0
            && !is_hyphen(place - 1)
            && at(place - 1).is_some_and(|c| is_word(c) || "!\"'&.,?".contains(c));
        let begins_dash = run >= 2 && is_behind_word && at(place + run).is_some_and(is_word);
        if begins_dash || is_dash && run == 0 {
            parts.push(&word[start..*byte]);
            start = *byte;
        }
        is_dash = begins_dash || is_dash && run > 0;
        // A hyphen with two letters on each side, or one letter and another hyphen.
        let is_break = run == 1
            && !is_dash
            && place >= 2
            && is_letter(place - 1)
            && (is_letter(place - 2) || place >= 3 && is_hyphen(place - 2) && is_letter(place - 3))
            && is_letter(place + 1)
            && (is_letter(place + 2) || is_hyphen(place + 2) && is_letter(place + 3));
        if is_break {
            parts.push(&word[start..=*byte]);
            start = byte + 1;
        }
        run = run.saturating_sub(1);
    }
    parts.push(&word[start..]);
    parts
}
