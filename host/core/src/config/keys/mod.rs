//! Every key of the configuration: its name, what its value must be, and where it goes; a file a
//! section. Keys with free names, `plugins.NAME.KEY`, `selection.weights.NAME`, `data.fields.NAME` and
//! `data.sources.NAME`, are not in the lists.

mod data;
mod model;
mod output;
mod selection;
mod train;

use super::{Config, words};
use serde::de::DeserializeOwned;
use std::path::PathBuf;
use toml::Value;

/// One key.
pub(super) struct Key {
    /// Its dotted name.
    pub name: &'static str,
    /// What its value must be, for messages.
    pub expected: &'static str,
    /// Puts a value in its place and says whether it was accepted.
    pub put: fn(&mut Config, Value) -> bool,
}

/// Every key, in the order of the documentation.
pub(super) fn keys() -> impl Iterator<Item = &'static Key> {
    let sections = [model::KEYS, data::KEYS, selection::KEYS, train::KEYS, output::KEYS];
    std::iter::once(SEED).chain(sections.into_iter().flatten())
}

const SEED: &Key = &key("seed", "a whole number, 0 or more", |c, v| put(&mut c.seed, v, |_| true));

const fn key(
    name: &'static str,
    expected: &'static str,
    put: fn(&mut Config, Value) -> bool,
) -> Key {
    Key { name, expected, put }
}

fn is_positive(number: f64) -> bool {
    number > 0.0 && number.is_finite()
}

fn is_share_below_one(number: f64) -> bool {
    (0.0..1.0).contains(&number)
}

fn put<T: DeserializeOwned>(
    place: &mut T,
    value: Value,
    is_allowed: impl FnOnce(&T) -> bool,
) -> bool {
    match value.try_into() {
        Ok(value) if is_allowed(&value) => *place = value,
        _ => return false,
    }
    true
}

fn put_path(place: &mut Option<PathBuf>, value: Value) -> bool {
    put(place, value, |path| path.as_ref().is_some_and(|path| !path.as_os_str().is_empty()))
}

fn put_commands(place: &mut Vec<String>, value: Value) -> bool {
    let value = if value.is_str() { Value::Array(vec![value]) } else { value };
    put(place, value, |commands| commands.iter().all(|command| words(command).is_some()))
}

fn put_paths(place: &mut Vec<PathBuf>, value: Value) -> bool {
    let value = if value.is_str() { Value::Array(vec![value]) } else { value };
    put(place, value, |paths| paths.iter().all(|path| !path.as_os_str().is_empty()))
}
