//! Why plugins cannot be used.

use std::fmt;

/// What this folder's functions return.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// One or more faults, each with the plugin or file it concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Error {
    /// A message a fault; it may end in a `hint:` line.
    pub faults: Vec<String>,
    /// What helps a developer but not a user, such as a full layout report. Often empty.
    pub detail: String,
}

impl Error {
    pub(super) fn new(fault: impl Into<String>) -> Self {
        Self { faults: vec![fault.into()], detail: String::new() }
    }

    pub(super) fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.faults.join("\n"))
    }
}

impl std::error::Error for Error {}

/// All values, or all faults.
pub(super) fn all_or_faults<T>(results: impl IntoIterator<Item = Result<T>>) -> Result<Vec<T>> {
    let (mut values, mut faults, mut details) = (Vec::new(), Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(value) => values.push(value),
            Err(error) => {
                faults.extend(error.faults);
                details.push(error.detail);
            }
        }
    }
    details.retain(|detail| !detail.is_empty());
    match faults.is_empty() {
        true => Ok(values),
        false => Err(Error { faults, detail: details.join("\n") }),
    }
}
