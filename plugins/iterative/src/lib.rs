//! The `iterative` plugin.
