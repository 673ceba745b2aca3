//! The `static-random` plugin.
