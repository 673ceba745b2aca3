//! Keys of `[model]`: the model, its adapter, its proxy.

use super::{Key, key, put, put_path};

pub(super) const KEYS: &[Key] = &[
    key("model.path", "the path of a model folder", |c, v| put_path(&mut c.model.path, v)),
    key("model.dtype", "\"float32\", \"bfloat16\" or \"bfloat16-pure\"", |c, v| {
        put(&mut c.model.dtype, v, |_| true)
    }),
    key("model.device", "\"auto\", \"cpu\", \"cuda\" or \"cuda:INDEX\"", |c, v| {
        put(&mut c.model.device, v, |_| true)
    }),
    key("model.max_length", "a number of tokens, 2 or more", |c, v| {
        put(&mut c.model.max_length, v, |&n| n >= Some(2))
    }),
    key("model.added_tokens", "\"refuse\" or \"grow\"", |c, v| {
        put(&mut c.model.added_tokens, v, |_| true)
    }),
    key("model.base", "\"int8\" or \"nf4\"", |c, v| put(&mut c.model.base, v, |_| true)),
    key("model.adapter", "the path of an adapter's folder", |c, v| {
        put_path(&mut c.model.adapter, v)
    }),
    key("model.proxy", "the path of a model folder", |c, v| put_path(&mut c.model.proxy, v)),
    key("model.proxy_texts", "\"template\", \"published\" or \"raw\"", |c, v| {
        put(&mut c.model.proxy_texts, v, |_| true)
    }),
];
