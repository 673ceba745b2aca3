//! The `random` plugin.
