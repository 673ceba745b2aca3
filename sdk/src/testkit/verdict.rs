//! What a check found.

use crate::Result;

/// One check of a suite and how it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What was checked, as a statement about a good plugin.
    pub check: &'static str,
    /// What was found instead, if the statement does not hold.
    pub failure: Option<String>,
}

/// How one check goes: the failure says what was found.
pub(super) type Outcome = std::result::Result<(), String>;

/// A check of something `S`, and the statement it proves.
pub(super) type Check<S> = (&'static str, fn(&S) -> Outcome);

/// Runs the checks that are not left out.
pub(super) fn run<S>(checks: &[Check<S>], except: &[&str], subject: &S) -> Vec<Verdict> {
    let wanted = checks.iter().filter(|(check, _)| !except.contains(check));
    wanted.map(|&(check, run)| Verdict { check, failure: run(subject).err() }).collect()
}

pub(super) fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Outcome {
    if holds { Ok(()) } else { Err(otherwise()) }
}

/// For a call that must succeed.
pub(super) trait Succeeds<T> {
    fn succeeds(self, call: &str) -> std::result::Result<T, String>;
}

impl<T> Succeeds<T> for Result<T> {
    fn succeeds(self, call: &str) -> std::result::Result<T, String> {
        self.map_err(|error| format!("{call}: {error}"))
    }
}

/// For a call that must fail.
pub(super) fn fails<T>(
    result: Result<T>,
    otherwise: &str,
) -> std::result::Result<crate::Error, String> {
    match result {
        Ok(_) => Err(otherwise.to_owned()),
        Err(error) => Ok(error),
    }
}
