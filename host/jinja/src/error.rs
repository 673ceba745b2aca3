//! What stops a template. The kinds are those a Python program would see, so that a refusal here
//! can be held beside a refusal there.

use std::fmt;

/// Why a template cannot be parsed or will not render.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    line: Option<usize>,
}

/// What kind of fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The source is no Jinja.
    Syntax,
    /// The template itself refused, by `raise_exception`.
    Raised,
    /// Something was done with a value that is not there.
    Undefined,
    /// Something was done with a value of another type.
    Type,
    /// A value of the right type and of no use.
    Value,
    /// The sandbox forbids it: what would change a list or dict, or names that begin with `_`.
    Security,
    /// The template asks for more work or memory than a text needs.
    Limit,
    /// Python would do it; this crate refuses rather than guess.
    Unsupported,
}

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), line: None }
    }

    pub(crate) fn syntax(line: usize, message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Syntax, message: message.into(), line: Some(line) }
    }

    pub(crate) fn type_error(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Type, message)
    }

    pub(crate) fn value(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Value, message)
    }

    pub(crate) fn limit(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Limit, message)
    }

    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// Says where, unless something closer has said so already.
    pub(crate) fn at(mut self, line: usize) -> Self {
        self.line.get_or_insert(line);
        self
    }

    /// What kind of fault it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What is wrong, without the line.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The line of the template, counted from 1.
    pub fn line(&self) -> Option<usize> {
        self.line
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
