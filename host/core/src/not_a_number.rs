//! `NaN`, `Infinity` and `-Infinity` in JSON, which knows none of them, yet Python's `json.dumps` writes them
//! unless told not to. In data and in a tokenizer's files they read as null: a score nobody reads must not cost a
//! file. In a model's `config.json` they become what transformers 5 writes for them, so that an export says them
//! again.

use std::borrow::Cow;
use std::io::{self, Read};

/// A text of JSON in which every such word outside a string is `null`.
pub(crate) fn as_null(text: &[u8]) -> Cow<'_, [u8]> {
    replaced(text, Instead::Null)
}

/// A text of JSON in which every such word outside a string is an object that names it: `{"__float__": "NaN"}`.
pub fn as_tagged(text: &[u8]) -> Cow<'_, [u8]> {
    replaced(text, Instead::Tag)
}

fn replaced(text: &[u8], instead: Instead) -> Cow<'_, [u8]> {
    // None of the words can be told from a string's content without looking at all of it, but where
    // neither letter is there, neither is a word.
    if !text.windows(2).any(|pair| pair == b"Na" || pair == b"In") {
        return Cow::Borrowed(text);
    }
    let mut words = Words { instead, ..Words::default() };
    let mut out = Vec::with_capacity(text.len() + 16);
    words.take(text, &mut out);
    words.end(&mut out);
    Cow::Owned(out)
}

/// A source of JSON in which every such word outside a string is `null`.
pub(crate) struct AsNull<R> {
    source: R,
    words: Words,
    /// What has been read of the source and not yet been handed on, from `place` on.
    ready: Vec<u8>,
    place: usize,
}

impl<R: Read> AsNull<R> {
    pub(crate) fn new(source: R) -> Self {
        Self { source, words: Words::default(), ready: Vec::new(), place: 0 }
    }
}

impl<R: Read> Read for AsNull<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.place == self.ready.len() {
            self.ready.clear();
            self.place = 0;
            let count = self.source.read(buffer)?;
            if count == 0 {
                self.words.end(&mut self.ready);
                if self.ready.is_empty() {
                    return Ok(0);
                }
            }
            self.words.take(&buffer[..count], &mut self.ready);
        }
        let count = buffer.len().min(self.ready.len() - self.place);
        buffer[..count].copy_from_slice(&self.ready[self.place..][..count]);
        self.place += count;
        Ok(count)
    }
}

/// What stands in such a word's place.
#[derive(Debug, Clone, Copy, Default)]
enum Instead {
    #[default]
    Null,
    Tag,
}

/// Cuts JSON into strings, words and the rest.
#[derive(Default)]
struct Words {
    instead: Instead,
    inside: Inside,
    /// The word begun last, of letters and signs.
    word: Vec<u8>,
}

#[derive(Default, PartialEq)]
enum Inside {
    #[default]
    Nothing,
    String,
    /// Behind a backslash in a string.
    Escape,
}

impl Words {
    fn take(&mut self, mut text: &[u8], out: &mut Vec<u8>) {
        loop {
            if self.inside == Inside::String {
                // Nearly all of a data file, so it is handed on at once.
                let is_end = |byte: &u8| matches!(byte, b'"' | b'\\');
                let (whole, rest) =
                    text.split_at(text.iter().position(is_end).unwrap_or(text.len()));
                out.extend_from_slice(whole);
                text = rest;
            }
            let Some((&byte, rest)) = text.split_first() else { return };
            text = rest;
            match (&self.inside, byte) {
                (Inside::Nothing, b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'+') => {
                    self.word.push(byte);
                    continue;
                }
                (Inside::Nothing, b'"') => self.inside = Inside::String,
                (Inside::String, b'"') => self.inside = Inside::Nothing,
                (Inside::String, b'\\') => self.inside = Inside::Escape,
                (Inside::Escape, _) => self.inside = Inside::String,
                _ => {}
            }
            self.end(out);
            out.push(byte);
        }
    }

    /// Hands on the word begun last.
    fn end(&mut self, out: &mut Vec<u8>) {
        match self.word.as_slice() {
            [] => return,
            b"NaN" | b"Infinity" | b"-Infinity" => match self.instead {
                Instead::Null => out.extend(b"null"),
                Instead::Tag => {
                    out.extend(br#"{"__float__": ""#);
                    out.extend(&self.word);
                    out.extend(br#""}"#);
                }
            },
            word => out.extend(word),
        }
        self.word.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(as_null(text.as_bytes()), expected.as_bytes());
        for grain in [1, 2, 3, 64] {
            let mut read = AsNull::new(Slow { text: text.as_bytes(), grain });
            let mut found = String::new();
            read.read_to_string(&mut found).unwrap();
            assert_eq!(found, expected, "{grain} bytes at a time");
        }
    }

    struct Slow<'a> {
        text: &'a [u8],
        grain: usize,
    }

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = self.grain.min(buffer.len());
            self.text.read(&mut buffer[..length])
        }
    }

    #[test]
    fn a_model_says_them_as_transformers_5_does() {
        let text = br#"{"time_step_limit": [0.0, Infinity], "NaN": "Infinity"}"#;
        let expected =
            r#"{"time_step_limit": [0.0, {"__float__": "Infinity"}], "NaN": "Infinity"}"#;
        assert_eq!(as_tagged(text), expected.as_bytes());
    }

    #[test]
    fn only_whole_words_outside_strings_are_changed() {
        check(r#"{"a": NaN, "b":[-Infinity,Infinity]}"#, r#"{"a": null, "b":[null,null]}"#);
        check(r#"{"NaN": "NaN \" NaN", "x": NaN}"#, r#"{"NaN": "NaN \" NaN", "x": null}"#);
        check(r#"["\\", NaN]"#, r#"["\\", null]"#);
        check("[1e-5, -1, true, NaNs, Nan]", "[1e-5, -1, true, NaNs, Nan]");
        check("NaN", "null");
    }
}
