//! The `diversity` plugin.
