//! The `full` plugin.
