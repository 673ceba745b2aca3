//! The `ifd` plugin.
