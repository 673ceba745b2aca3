//! Keys of `[data]`: what is read, and how it becomes text.

use super::{Key, key, put, put_paths};

pub(super) const KEYS: &[Key] = &[
    key("data.path", "the path of a file, or a list of them", |c, v| {
        put_paths(&mut c.data.path, v)
    }),
    key(
        "data.format",
        "\"auto\", \"alpaca\", \"messages\", \"sharegpt\", \"prompt-completion\" or \
                   \"preference\"",
        |c, v| put(&mut c.data.format, v, |_| true),
    ),
    key("data.skip_bad", "a number of rows, 0 or more", |c, v| {
        put(&mut c.data.skip_bad, v, |_| true)
    }),
    key("data.too_long", "\"cut\" or \"drop\"", |c, v| put(&mut c.data.too_long, v, |_| true)),
    key("data.template", "a template's name or the path of a file", |c, v| {
        put(&mut c.data.template, v, |t| t.as_deref() != Some(""))
    }),
    key("data.texts", "\"template\", \"published\" or \"raw\"", |c, v| {
        put(&mut c.data.texts, v, |_| true)
    }),
    key("data.turns", "\"last\" or \"all\"", |c, v| put(&mut c.data.turns, v, |_| true)),
    key("data.prompt", "\"conversation\" or \"generation\"", |c, v| {
        put(&mut c.data.prompt, v, |_| true)
    }),
    key("data.system", "a text, or \"\" for no system turn of the program's own", |c, v| {
        put(&mut c.data.system, v, |_| true)
    }),
    key("data.eos_text", "a text", |c, v| put(&mut c.data.eos_text, v, |_| true)),
    key("data.target_path", "the path of a file, or a list of them", |c, v| {
        put_paths(&mut c.data.target_path, v)
    }),
    key("data.eval_path", "the path of a file, or a list of them", |c, v| {
        put_paths(&mut c.data.eval_path, v)
    }),
    key("data.eval_fraction", "a share of the samples, 0 or more and below 1", |c, v| {
        put(&mut c.data.eval_fraction, v, |f| (0.0..1.0).contains(f))
    }),
    key("data.eval_split", "\"last\" or \"hash\"", |c, v| put(&mut c.data.eval_split, v, |_| true)),
    key("data.pool", "a share of the samples, above 0 and up to 1", |c, v| {
        put(&mut c.data.pool, v, |p| p.is_some_and(|p| p > 0.0 && p <= 1.0))
    }),
];
