//! Other people's code over strangers' bytes. A parser is written for files that are right; on others some
//! panic. Here that becomes a fault of the file, and nothing is printed before it.
//!
//! Only what decodes belongs in here: a panic of our own is a bug, and is to be seen as one.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    /// How many guarded pieces of work this thread is in.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Runs work that may panic; what it said, where it did. Whatever it worked on is not to be used again.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    keep_quiet_inside();
    DEPTH.set(DEPTH.get() + 1);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    DEPTH.set(DEPTH.get() - 1);
    outcome.map_err(|panic| said(&*panic))
}

fn keep_quiet_inside() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if DEPTH.get() == 0 {
                previous(info);
            }
        }));
    });
}

/// The first line of it.
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    let line = text.and_then(|text| text.lines().next());
    line.unwrap_or("without a word").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_what_it_said() {
        assert_eq!(guarded(|| 1), Ok(1));
        assert_eq!(guarded(|| -> u8 { panic!("at {}\nand more", 7) }), Err("at 7".into()));
        assert_eq!(guarded(|| -> u8 { panic::panic_any(1) }), Err("without a word".into()));
        assert!(catch_unwind(|| panic!("ours")).is_err(), "others are left alone");
    }
}
