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

/// A check that was not run yet.
pub struct PendingCheck<'a, S> {
    statement: &'static str,
    run: fn(&S) -> Outcome,
    subject: &'a S,
}

impl<S> PendingCheck<'_, S> {
    /// What is checked, as a statement about a good plugin.
    pub fn statement(&self) -> &'static str {
        self.statement
    }

    /// Runs it.
    pub fn run(self) -> Verdict {
        Verdict { check: self.statement, failure: (self.run)(self.subject).err() }
    }
}

/// The checks that are not left out.
pub(super) fn pending<'a, S>(
    checks: &'static [Check<S>],
    except: &'a [&'static str],
    subject: &'a S,
) -> impl Iterator<Item = PendingCheck<'a, S>> {
    let wanted = checks.iter().filter(|(statement, _)| !except.contains(statement));
    wanted.map(move |&(statement, run)| PendingCheck { statement, run, subject })
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
