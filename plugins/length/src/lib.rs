//! The `length` plugin.
