//! Turns panics into errors, and never uses a value again whose method panicked.

use crate::{Error, ErrorKind, Result};
use std::{
    any::Any,
    backtrace::{Backtrace, BacktraceStatus},
    cell::{Cell, RefCell},
    mem,
    panic::{self, AssertUnwindSafe, PanicHookInfo},
    sync::{Once, OnceLock},
};

thread_local! {
    /// How many guarded calls this thread is in.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    /// Where the last panic inside one happened.
    static LAST_PANIC: RefCell<Place> = const { RefCell::new(Place::unknown()) };
}

struct Place {
    location: String,
    backtrace: String,
}

impl Place {
    const fn unknown() -> Self {
        Self { location: String::new(), backtrace: String::new() }
    }
}

/// Lets a panic inside a guarded call be silent and remembered; others go to the hook before.
///
/// Each dylib has its own standard library and so its own hook: every plugin calls this for itself,
/// and the host once more.
pub fn report_panics_as_errors() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(
            move |info| {
                if DEPTH.get() == 0 { previous(info) } else { remember(info) }
            },
        ));
    });
}

fn remember(info: &PanicHookInfo<'_>) {
    let location = info.location().map(ToString::to_string).unwrap_or_default();
    let backtrace = Backtrace::capture();
    let captured = matches!(backtrace.status(), BacktraceStatus::Captured);
    let backtrace = if captured { backtrace.to_string() } else { String::new() };
    LAST_PANIC.set(Place { location, backtrace });
}

/// Runs code that may panic.
pub(super) fn guard<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    DEPTH.set(DEPTH.get() + 1);
    // Whoever holds the value decides what becomes of it: `Guarded` never touches it again.
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    DEPTH.set(DEPTH.get() - 1);
    outcome.unwrap_or_else(|payload| Err(panic_error(payload)))
}

fn panic_error(payload: Box<dyn Any + Send>) -> Error {
    let said = if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "something that is not text".to_owned()
    };
    // Dropping a payload may panic again, and this time nobody would catch it.
    mem::forget(payload);
    let Place { location, backtrace } = LAST_PANIC.replace(Place::unknown());
    let at = if location.is_empty() { String::new() } else { format!(" at {location}") };
    Error::new(ErrorKind::Panic, format!("panicked{at}: {said}")).with_detail(backtrace)
}

/// A value whose methods may panic.
pub(super) struct Guarded<T> {
    /// Present until dropped.
    value: Option<T>,
    /// What the first panic said.
    panicked: OnceLock<String>,
}

impl<T> Guarded<T> {
    pub(super) fn new(value: T) -> Self {
        Self { value: Some(value), panicked: OnceLock::new() }
    }

    pub(super) fn with<R>(&self, work: impl FnOnce(&T) -> Result<R>) -> Result<R> {
        self.refuse_after_panic()?;
        let value = self.value.as_ref().expect("the value is there until dropped");
        self.remember_panic(guard(|| work(value)))
    }

    pub(super) fn with_mut<R>(&mut self, work: impl FnOnce(&mut T) -> Result<R>) -> Result<R> {
        self.refuse_after_panic()?;
        let value = self.value.as_mut().expect("the value is there until dropped");
        let result = guard(|| work(value));
        self.remember_panic(result)
    }

    fn refuse_after_panic(&self) -> Result<()> {
        match self.panicked.get() {
            None => Ok(()),
            Some(said) => {
                Err(Error::new(ErrorKind::Panic, format!("unusable since an earlier call {said}")))
            }
        }
    }

    fn remember_panic<R>(&self, result: Result<R>) -> Result<R> {
        if let Err(error) = &result
            && error.kind() == ErrorKind::Panic
        {
            // A second thread may have been first; one reason is enough.
            let _ = self.panicked.set(error.message().to_owned());
        }
        result
    }
}

impl<T> Drop for Guarded<T> {
    fn drop(&mut self) {
        let value = self.value.take();
        if self.panicked.get().is_some() {
            // Its invariants are unknown, so its own `Drop` must not run.
            mem::forget(value);
        } else {
            let dropped = guard(|| {
                drop(value);
                Ok(())
            });
            if let Err(error) = dropped {
                // No call is left that could answer with it, and it does no harm.
                eprintln!("warning: a plugin's `Drop` {error}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in drop");
        }
    }

    #[test]
    fn a_panic_becomes_an_error_and_poisons() {
        report_panics_as_errors();
        let guarded = Guarded::new(5);
        let error = guarded.with::<()>(|&five| panic!("boom {five}")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Panic);
        assert!(error.message().starts_with("panicked at "), "{error}");
        assert!(error.message().ends_with(": boom 5"), "{error}");
        let again = guarded.with(|&five| Ok(five)).unwrap_err();
        assert!(again.message().starts_with("unusable since an earlier call panicked at "));
    }

    #[test]
    fn a_panicking_drop_is_swallowed() {
        report_panics_as_errors();
        drop(Guarded::new(Bomb));
    }

    #[test]
    fn a_payload_of_any_type_is_caught_and_never_dropped() {
        let error = guard::<()>(|| panic::panic_any(Bomb)).unwrap_err();
        assert!(error.message().ends_with("something that is not text"), "{error}");
    }
}
