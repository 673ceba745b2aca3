//! Plugins as files: found by name, read before any of their code runs, opened, checked, and handed
//! on as the plain traits. Nothing past this folder knows that a plugin is a library.
//!
//! ```text
//! --plugins  →  find  →  Found  →  require services  →  open  →  Loaded  →  Box<dyn ComplexityScorer>
//! ```
//!
//! Every step reports all its faults at once, a line each.

mod error;
mod stale;

mod find;
mod require;

mod watchdog;
mod watched;

mod load;

mod check;
mod list;
mod new;

pub(crate) use check::{check, check_child};
pub(crate) use error::Error;
pub(crate) use find::{Found, SearchPath, find};
pub(crate) use list::list;
pub(crate) use load::{Loaded, open};
pub(crate) use new::{new, next_steps};
pub(crate) use require::require;
pub(crate) use watchdog::Watchdog;
