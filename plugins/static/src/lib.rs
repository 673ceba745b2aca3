//! The `static` plugin.
