//! One subcommand a file: wiring, and what is printed.

pub(crate) mod check;
pub(crate) mod compare;
pub(crate) mod doctor;
pub(crate) mod eval;
pub(crate) mod export;
pub(crate) mod manual;
pub(crate) mod plugins;
pub(crate) mod report;
pub(crate) mod score;
pub(crate) mod select;
pub(crate) mod train;
