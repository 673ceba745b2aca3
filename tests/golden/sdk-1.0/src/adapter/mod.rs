//! The plain traits over the ABI, both ways. Everything here runs on the caller's thread and lets
//! no panic cross the boundary.
//!
//! | | plugin's side | host's side |
//! | --- | --- | --- |
//! | scorers | `plugin`: the author's value becomes an ABI object | `handle`: an ABI object becomes the plain trait |
//! | services | `remote`: the host's ABI object becomes `Services` | `lent`: `Services` becomes an ABI object |

mod guard;

mod convert;

mod lent;
mod remote;

pub mod handle;
pub mod plugin;

pub use guard::report_panics_as_errors;
