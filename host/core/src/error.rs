//! The one error of this crate. A message says where, what was found, what was expected and what
//! to do; it is lower case, has no full stop, and ends with `hint:` where there is one.

use std::fmt;
use std::path::{Path, PathBuf};

/// What the crate's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A value for a message: its beginning, where it is long.
///
/// ```
/// use iterit_core::error::shown;
/// assert_eq!(shown(&"short"), "short");
/// assert_eq!(shown(&"x".repeat(1000)).len(), 81 + "…".len() - 1);
/// ```
pub fn shown(value: &dyn fmt::Display) -> String {
    let text = value.to_string();
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Everything that can go wrong between a configuration and a trained model.
#[derive(Debug)]
pub enum Error {
    /// A file or folder could not be read or written.
    Io {
        /// What was being done: `read`, `write`, `create` …
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file was read but does not say what it should.
    File {
        /// Which file.
        path: PathBuf,
        /// Where in it, what was found, what was expected.
        message: String,
    },
    /// The configuration, in a file or on the command line; each line one fault.
    Config(Vec<String>),
    /// A chat template, tokenizer or the texts they make.
    Text(String),
    /// The model: weights, shapes, devices, numbers that are not.
    Model(String),
    /// A device's memory is full.
    OutOfMemory(String),
    /// A plugin failed.
    Plugin {
        /// Its name and version.
        plugin: String,
        /// What it was asked to do.
        call: &'static str,
        /// What it said.
        source: iterit_sdk::Error,
    },
    /// The run cannot go on, or would do nothing.
    Run(String),
    /// Faults that do not depend on one another, to be mended in one go.
    Several(Vec<Self>),
    /// The user stopped it; what is done is kept.
    Cancelled,
}

impl Error {
    /// For `map_err`: names the file an operation failed on.
    pub fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// A file that does not say what it should.
    pub fn file(path: impl AsRef<Path>, message: impl Into<String>) -> Self {
        Self::File { path: path.as_ref().to_owned(), message: message.into() }
    }

    /// One fault in the configuration.
    pub fn config(message: impl Into<String>) -> Self {
        Self::Config(vec![message.into()])
    }

    /// Both values, or the faults of both.
    ///
    /// ```
    /// use iterit_core::Error;
    /// let data = Err::<(), _>(Error::file("data.json", "no sample in it"));
    /// let model = Err::<(), _>(Error::Model("no weights".into()));
    /// let error = Error::both(data, model).unwrap_err();
    /// assert_eq!(error.to_string(), "`data.json`: no sample in it\nno weights");
    /// ```
    ///
    /// # Errors
    /// The one that failed, or [`Error::Several`]; an interruption is no fault and comes first.
    pub fn both<A, B>(one: Result<A>, other: Result<B>) -> Result<(A, B)> {
        match (one, other) {
            (Ok(one), Ok(other)) => Ok((one, other)),
            (Err(Self::Cancelled), _) | (_, Err(Self::Cancelled)) => Err(Self::Cancelled),
            (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
            (Err(one), Err(other)) => Err(Self::Several(vec![one, other])),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { action, path, source } => {
                write!(f, "cannot {action} `{}`: {source}", path.display())
            }
            Self::File { path, message } => write!(f, "`{}`: {message}", path.display()),
            Self::Config(faults) => f.write_str(&faults.join("\n")),
            Self::Text(message)
            | Self::Model(message)
            | Self::OutOfMemory(message)
            | Self::Run(message) => f.write_str(message),
            Self::Plugin { plugin, call, source } => {
                write!(f, "{plugin}: {call}: {}", quoted(&source.to_string()))
            }
            Self::Several(faults) => {
                let lines: Vec<String> = faults.iter().map(Self::to_string).collect();
                f.write_str(&lines.join("\n"))
            }
            Self::Cancelled => f.write_str("interrupted"),
        }
    }
}

/// A message of others, whose further lines are indented, so that they are not taken for faults of
/// their own.
fn quoted(message: &str) -> String {
    message.lines().fold(String::new(), |mut text, line| {
        match (text.is_empty(), line.starts_with("hint:")) {
            (true, _) => {}
            (false, true) => text.push('\n'),
            (false, false) => text.push_str("\n  "),
        }
        text + line
    })
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_plugin_quotes_is_no_fault_of_its_own() {
        let said = "it ended; it said\nTraceback:\n  line 3\nhint: mend it";
        let source = iterit_sdk::Error::msg(said);
        let error = Error::Plugin { plugin: "plugin `a` 1.0.0".into(), call: "score", source };
        assert_eq!(
            error.to_string(),
            "plugin `a` 1.0.0: score: it ended; it said\n  Traceback:\n    line 3\nhint: mend it"
        );
    }
}
