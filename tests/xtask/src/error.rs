//! What can go wrong in a verb. Messages say what to do next, on a line that starts with `hint:`.

use std::fmt;
use std::path::{Path, PathBuf};

/// What the verbs return.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a verb stopped.
#[derive(Debug)]
pub(crate) enum Error {
    /// A file or folder could not be read or written.
    Io {
        /// What was being done: `read`, `create` …
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A program could not be started.
    Start {
        /// Its name.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A program ended with an error, which it has printed itself.
    Failed {
        /// The command line.
        command: String,
        /// How it ended.
        status: std::process::ExitStatus,
    },
    /// Anything else, in a sentence.
    Told(String),
}

impl Error {
    /// For `map_err`: names the file an operation failed on.
    pub(crate) fn io(
        action: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { action, path, source }
    }
}

impl From<String> for Error {
    fn from(message: String) -> Self {
        Self::Told(message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { action, path, source } => {
                write!(f, "cannot {action} `{}`: {source}", path.display())
            }
            Self::Start { program, source } => write!(f, "cannot start `{program}`: {source}"),
            Self::Failed { command, status } => write!(f, "`{command}` failed: {status}"),
            Self::Told(message) => f.write_str(message),
        }
    }
}
