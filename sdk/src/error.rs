//! The one error of the SDK: a kind the host can act on, and a message a person can.
//!
//! It deliberately does not implement `std::error::Error`, so that `?` turns any error into it.

use std::fmt;

/// What plugins and services return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed. The host adds the plugin's name and version; say only what went wrong.
///
/// ```
/// use iterit_sdk::{Error, Result};
///
/// fn threshold(text: &str) -> Result<f64> {
///     let value: f64 = text.parse()?; // any std error becomes an `Error`
///     if value < 0.0 {
///         return Err(Error::options(format!("`threshold` is {value}, expected 0 or more")));
///     }
///     Ok(value)
/// }
/// assert_eq!(threshold("-1").unwrap_err().to_string(), "`threshold` is -1, expected 0 or more");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    detail: String,
}

/// What the host does about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Anything a plugin reports of itself.
    Plugin,
    /// The plugin's code panicked; the object it happened in is not used again.
    Panic,
    /// The user stopped the run; passed on, never reported as a fault.
    Cancelled,
    /// The options in the configuration are wrong.
    Options,
    /// A service of the host failed; the plugin should pass it on with `?`.
    Host,
    /// The host, or this build of it, does not offer what was asked for.
    Unsupported,
    /// A plugin returned something of the wrong shape, or a number that is not one.
    BadOutput,
}

impl Error {
    /// An error of the plugin itself.
    pub fn msg(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Plugin, message)
    }

    /// An option that parses but makes no sense.
    pub fn options(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Options, message)
    }

    /// The run was cancelled; [`Host::check_cancelled`](crate::Host::check_cancelled) makes it for you.
    pub fn cancelled() -> Self {
        Self::new(ErrorKind::Cancelled, "cancelled")
    }

    /// An error of a given kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), detail: String::new() }
    }

    /// Adds what helps a developer but not a user, such as a backtrace.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The message for the user.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What helps a developer; often empty.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Whether the user stopped the run.
    pub fn is_cancelled(&self) -> bool {
        self.kind == ErrorKind::Cancelled
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            message.push_str(": ");
            message.push_str(&cause.to_string());
            source = cause.source();
        }
        Self::msg(message)
    }
}
