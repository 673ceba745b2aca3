//! Where libtorch throws, tch's plain tensor operators panic: out of memory, say. Here that becomes an
//! error of one line, and nothing is printed before it.

use iterit_core::{Error, Result};
use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    /// How many guarded pieces of work this thread is in.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Runs work that may panic.
///
/// # Errors
/// The work's own, or what libtorch said.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    keep_quiet_inside();
    DEPTH.set(DEPTH.get() + 1);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    DEPTH.set(DEPTH.get() - 1);
    outcome.unwrap_or_else(|panic| Err(told(reason(&*panic))))
}

/// What libtorch says inside guarded work is told as an error; a bug of ours goes to the hook before.
fn keep_quiet_inside() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if DEPTH.get() == 0 || !said(info.payload()).contains(THROWN) {
                previous(info);
            }
        }));
    });
}

/// How tch shows what libtorch threw.
const THROWN: &str = "Torch(\"";

fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("unknown reason")
}

/// The first line of what libtorch threw.
fn reason(panic: &(dyn Any + Send)) -> &str {
    let text = said(panic);
    let text = text.split_once(THROWN).map_or(text, |(_, message)| message);
    text.split("\\n").next().unwrap_or_default().trim_end_matches("\")")
}

/// What libtorch said, as an error of one line; out of memory is one of its own, with what helps.
pub(crate) fn told(line: &str) -> Error {
    let is_out_of_memory = line.contains("out of memory") || line.contains("allocate memory");
    match is_out_of_memory {
        true => Error::OutOfMemory(format!(
            "libtorch: {line}\nhint: lower train.micro_batch where it is a number, set \
             train.activation_checkpointing = true, or cut texts at a lower model.max_length"
        )),
        false => Error::Model(format!("libtorch: {line}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;
    use tch::{Device, Kind, Tensor};

    const CHILD: &str = "ITERIT_TEST_GUARD";

    /// More than any machine has.
    fn too_much() -> Result<Tensor> {
        guarded(|| Ok(Tensor::zeros([1 << 50], (Kind::Float, Device::Cpu))))
    }

    #[test]
    fn out_of_memory_is_one_error_with_a_hint_and_nothing_is_printed_before() {
        if std::env::var_os(CHILD).is_some() {
            eprintln!("said: {}", too_much().unwrap_err());
            return;
        }
        let name =
            "guard::tests::out_of_memory_is_one_error_with_a_hint_and_nothing_is_printed_before";
        let own = std::env::current_exe().unwrap();
        let mut child = Command::new(own);
        let child = child.args(["--exact", name, "--nocapture"]).env(CHILD, "1").output().unwrap();
        let said = String::from_utf8_lossy(&child.stderr);
        assert!(child.status.success() && !said.contains("panicked"), "{said}");
        let error = said.split_once("said: ").unwrap().1;
        assert!(error.starts_with("libtorch: ") && error.contains("allocate"), "{said}");
        assert_eq!(error.trim_end().lines().count(), 2, "{said}");
        assert!(error.contains("\nhint: lower train.micro_batch"), "{said}");
    }
}
