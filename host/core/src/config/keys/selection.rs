//! Keys of `[selection]`: who chooses, and how much.

use super::{Key, key, put, put_paths};

pub(super) const KEYS: &[Key] = &[
    key(
        "selection.plugins",
        "a list of names or paths such as [\"ifd\", \"diversity\"]",
        |c, v| put(&mut c.selection.plugins, v, |_| true),
    ),
    key(
        "selection.ratio",
        "a share of the samples above 0 and up to 1, or a count above 1",
        |c, v| put(&mut c.selection.ratio, v, |&r| r > 0.0 && r.is_finite()),
    ),
    key("selection.budget", "\"samples\" or \"tokens\"", |c, v| {
        put(&mut c.selection.budget, v, |_| true)
    }),
    key("selection.ties", "\"complexity\" or \"input\"", |c, v| {
        put(&mut c.selection.ties, v, |_| true)
    }),
    key("selection.plugin_path", "the path of a folder, or a list of them", |c, v| {
        put_paths(&mut c.selection.plugin_path, v)
    }),
    key("selection.plugin_timeout", "a number of seconds, or 0", |c, v| {
        put(&mut c.selection.plugin_timeout, v, |_| true)
    }),
];
