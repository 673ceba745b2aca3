//! A source becomes tokens: text, and what stands in tags. White space goes where `trim_blocks`
//! and `lstrip_blocks` want it, as jinja2's lexer does it.

mod inside;

use crate::characters::is_space;
use crate::error::{Error, Result};
use inside::Inside;
use std::sync::Arc;

/// A token and the line it stands on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) line: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TokenKind {
    /// Text between the tags.
    Data(String),
    BlockBegin,
    BlockEnd,
    PrintBegin,
    PrintEnd,
    Name(Arc<str>),
    Str(String),
    Int(i128),
    Float(f64),
    /// An operator or bracket.
    Operator(&'static str),
    End,
}

/// All tokens, the last an [`End`](TokenKind::End).
///
/// # Errors
/// Tags, texts and brackets that do not close; characters that mean nothing in a tag.
pub(crate) fn tokenize(source: &str) -> Result<Vec<Token>> {
    let source = normalized(source);
    let mut lexer = Lexer { source: &source, at: 0, line: 1, is_line_start: true, tokens: vec![] };
    lexer.run()?;
    lexer.push(TokenKind::End);
    Ok(lexer.tokens)
}

/// One kind of line end, and none at the end of the source.
fn normalized(source: &str) -> String {
    let mut source = source.replace("\r\n", "\n").replace('\r', "\n");
    if source.ends_with('\n') {
        source.pop();
    }
    source
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
    line: usize,
    /// Whether what was read last ended a line.
    is_line_start: bool,
    tokens: Vec<Token>,
}

/// What a tag's closing bracket does to the white space behind it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Behind {
    Kept,
    /// One line end goes.
    Line,
    All,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn push(&mut self, kind: TokenKind) {
        self.tokens.push(Token { kind, line: self.line });
    }

    /// Goes on behind what has been read.
    fn advance(&mut self, length: usize) {
        let read = &self.source[self.at..self.at + length];
        self.line += read.matches('\n').count();
        if !read.is_empty() {
            self.is_line_start = read.ends_with('\n');
        }
        self.at += length;
    }

    fn run(&mut self) -> Result<()> {
        while let Some(length) = next_tag(self.rest()) {
            let text = &self.rest()[..length];
            let tag = &self.rest()[length..];
            if let Some((sign, open)) = raw_tag(tag, "raw") {
                self.data(text, sign, true);
                self.advance(length + open);
                self.raw()?;
                continue;
            }
            let sign = tag[2..].chars().next().filter(|c| matches!(c, '-' | '+'));
            self.data(text, sign, !tag.starts_with("{{"));
            self.advance(length);
            let open = 2 + sign.map_or(0, char::len_utf8);
            match &tag[..2] {
                "{#" => self.comment(open)?,
                "{{" => self.tag(open, TokenKind::PrintBegin, TokenKind::PrintEnd)?,
                _ => self.tag(open, TokenKind::BlockBegin, TokenKind::BlockEnd)?,
            }
        }
        let text = self.rest();
        if !text.is_empty() {
            self.push(TokenKind::Data(text.into()));
        }
        self.advance(text.len());
        Ok(())
    }

    /// Text in front of a tag, less what the tag takes of its white space.
    fn data(&mut self, text: &str, sign: Option<char>, may_strip: bool) {
        let mut kept = text;
        if sign == Some('-') {
            kept = text.trim_end_matches(is_space);
        } else if sign.is_none() && may_strip {
            let start = text.rfind('\n').map_or(0, |at| at + 1);
            let indent = &text[start..];
            let is_indent = !indent.is_empty() && indent.chars().all(is_space);
            if is_indent && (start > 0 || self.is_line_start) {
                kept = &text[..start];
            }
        }
        if !kept.is_empty() {
            self.push(TokenKind::Data(kept.into()));
        }
    }

    fn comment(&mut self, open: usize) -> Result<()> {
        let Some(end) = self.rest()[open..].find("#}") else {
            return self.unclosed(open, "Missing end of comment tag");
        };
        let behind = match self.rest()[open..open + end].chars().next_back() {
            Some('-') => Behind::All,
            Some('+') => Behind::Kept,
            _ => Behind::Line,
        };
        self.close(open + end + 2, behind);
        Ok(())
    }

    /// Reads a closing bracket, which ends at `length`, and the white space that goes with it.
    fn close(&mut self, length: usize, behind: Behind) {
        let rest = &self.rest()[length..];
        let taken = match behind {
            Behind::Kept => 0,
            Behind::Line => usize::from(rest.starts_with('\n')),
            Behind::All => rest.len() - rest.trim_start_matches(is_space).len(),
        };
        self.advance(length + taken);
    }

    fn raw(&mut self) -> Result<()> {
        let mut from = 0;
        while let Some(found) = self.rest()[from..].find("{%") {
            let length = from + found;
            if let Some((sign, end)) = raw_tag(&self.rest()[length..], "endraw") {
                let text = &self.rest()[..length];
                self.data(text, sign, true);
                self.advance(length + end);
                return Ok(());
            }
            from = length + 2;
        }
        self.unclosed(0, "Missing end of raw directive")
    }

    /// What opens at the very end of a source need not close.
    fn unclosed(&mut self, open: usize, message: &str) -> Result<()> {
        self.advance(open);
        if self.rest().is_empty() { Ok(()) } else { Err(Error::syntax(self.line, message)) }
    }

    fn tag(&mut self, open: usize, begin: TokenKind, end: TokenKind) -> Result<()> {
        self.push(begin);
        self.advance(open);
        let is_block = end == TokenKind::BlockEnd;
        let mut brackets: Vec<char> = Vec::new();
        loop {
            let rest = self.rest();
            if brackets.is_empty()
                && let Some((length, behind)) = closing(rest, is_block)
            {
                self.push(end);
                self.close(length, behind);
                return Ok(());
            }
            let white = rest.len() - rest.trim_start_matches(is_space).len();
            if white > 0 {
                self.advance(white);
                continue;
            }
            if rest.is_empty() {
                let what =
                    if is_block { "end of statement block" } else { "end of print statement" };
                return Err(Error::syntax(
                    self.line,
                    format!("unexpected end of template, expected '{what}'"),
                ));
            }
            let is_behind_dot = self.source[..self.at].ends_with('.');
            let Inside { kind, length } = inside::next(rest, is_behind_dot)
                .map_err(|message| Error::syntax(self.line, message))?;
            if let TokenKind::Operator(operator) = kind {
                balance(&mut brackets, operator).map_err(|m| Error::syntax(self.line, m))?;
            }
            self.push(kind);
            self.advance(length);
        }
    }
}

/// Where the next tag opens.
fn next_tag(text: &str) -> Option<usize> {
    let mut from = 0;
    while let Some(found) = text[from..].find('{') {
        let at = from + found;
        if text[at + 1..].starts_with(['{', '%', '#']) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

/// `{% raw %}` or `{% endraw %}` at the start of `text`: its sign, and how long it is with the
/// white space that it takes.
fn raw_tag(text: &str, word: &str) -> Option<(Option<char>, usize)> {
    let inner = text.strip_prefix("{%")?;
    let sign = inner.chars().next().filter(|c| matches!(c, '-' | '+'));
    let inner = if sign.is_some() { &inner[1..] } else { inner };
    let inner = inner.trim_start_matches(is_space).strip_prefix(word)?;
    let inner = inner.trim_start_matches(is_space);
    let is_end = word == "endraw";
    let rest = if let Some(rest) = inner.strip_prefix("-%}") {
        rest.trim_start_matches(is_space)
    } else if let Some(rest) = inner.strip_prefix("+%}").filter(|_| is_end) {
        rest
    } else {
        let rest = inner.strip_prefix("%}")?;
        rest.strip_prefix('\n').filter(|_| is_end).unwrap_or(rest)
    };
    Some((sign, text.len() - rest.len()))
}

/// A tag's closing bracket at the start of `text`.
fn closing(text: &str, is_block: bool) -> Option<(usize, Behind)> {
    let bracket = if is_block { "%}" } else { "}}" };
    if text.starts_with(bracket) {
        return Some((2, if is_block { Behind::Line } else { Behind::Kept }));
    }
    if text.strip_prefix('-').is_some_and(|rest| rest.starts_with(bracket)) {
        return Some((3, Behind::All));
    }
    let is_kept = is_block && text.starts_with("+%}");
    is_kept.then_some((3, Behind::Kept))
}

/// Keeps count of open brackets, within which a tag does not end.
fn balance(open: &mut Vec<char>, operator: &str) -> Result<(), String> {
    match operator {
        "(" => open.push(')'),
        "[" => open.push(']'),
        "{" => open.push('}'),
        ")" | "]" | "}" => match open.pop() {
            Some(expected) if operator.starts_with(expected) => {}
            Some(expected) => {
                return Err(format!("unexpected '{operator}', expected '{expected}'"));
            }
            None => return Err(format!("unexpected '{operator}'")),
        },
        _ => {}
    }
    Ok(())
}
