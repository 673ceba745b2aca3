//! The configuration as a flat list of keys and values, and what of it a resume may change.
//!
//! A key is part of a run's identity unless it stands in one of the two lists below; so a key that
//! is added and forgotten here is one that a resume refuses to change.

use super::names;
use serde_json::Value;
use std::collections::BTreeMap;

/// What a resume may do with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnResume {
    /// The run would be another: refused.
    Refused,
    /// Numbers may differ in their last digits: noted.
    Noted,
    /// No result depends on it.
    Free,
}

/// Keys on which the order depends in which numbers are added up, and nothing else.
const NOTED: [&str; 4] =
    ["model.device", "train.micro_batch", "train.activation_checkpointing", "train.shard"];

/// Keys on which no result depends: where results go, and where inputs lie, which are compared by
/// what they hold.
const FREE: [&str; 15] = [
    "model.path",
    "model.adapter",
    "model.proxy",
    "data.path",
    "data.template",
    "data.target_path",
    "data.eval_path",
    "selection.plugin_path",
    "selection.plugin_timeout",
    "output.path",
    "output.save_every",
    "output.keep",
    "output.tensorboard",
    "output.keep_texts",
    "output.observers",
];

/// What a resume may do with a key.
pub fn on_resume(key: &str) -> OnResume {
    match key {
        key if NOTED.contains(&key) => OnResume::Noted,
        key if FREE.contains(&key) => OnResume::Free,
        _ => OnResume::Refused,
    }
}

/// Every key of a configuration's text by its dotted name; a former name becomes the one of today.
pub(super) fn by_key(table: toml::Table) -> BTreeMap<String, Value> {
    let mut flat = BTreeMap::new();
    flatten("", toml::Value::Table(table), &mut flat);
    flat
}

fn flatten(prefix: &str, value: toml::Value, flat: &mut BTreeMap<String, Value>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                let key = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
                flatten(&key, value, flat);
            }
        }
        value => {
            flat.insert(names::of_today(prefix).to_owned(), json(value));
        }
    }
}

/// As JSON, which has no infinity: what it cannot say becomes the text that TOML has for it.
fn json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Boolean(truth) => truth.into(),
        toml::Value::Float(number) if number.is_finite() => number.into(),
        toml::Value::Array(items) => items.into_iter().map(json).collect(),
        toml::Value::Table(table) => {
            table.into_iter().map(|(key, value)| (key, json(value))).collect()
        }
        other => other.to_string().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::keys;
    use super::super::{Config, Setting};
    use super::*;

    /// A value of this key that is not the default: one that its description quotes, or any.
    fn other_than_default(key: &keys::Key) -> Config {
        let quoted = key.expected.split('"').skip(1).step_by(2).map(|word| format!("{word:?}"));
        let any = ["7", "0.25", "0.0", "true", "false", "\"x\"", "[\"x\"]"].map(str::to_owned);
        quoted
            .chain(any)
            .filter_map(|text| Setting::parse(&format!("{}={text}", key.name)).ok())
            .filter_map(|setting| Config::load(None, &[setting]).ok())
            .find(|config| *config != Config::default())
            .unwrap_or_else(|| {
                panic!("no value of `{}` was found that is not its default", key.name)
            })
    }

    #[test]
    fn every_key_is_there_under_its_name() {
        let defaults = Config::default().by_key();
        for key in keys::keys() {
            let mut config = other_than_default(key).by_key();
            assert_ne!(config.get(key.name), defaults.get(key.name), "{}", key.name);
            config.remove(key.name);
            let mut others = defaults.clone();
            others.remove(key.name);
            assert_eq!(config, others, "{}", key.name);
        }
        let text = "[selection.weights]\nifd = 2.0\n[plugins.a]\nx = { y = inf }\n";
        let config = Config::parse(text, "test").unwrap().by_key();
        assert_eq!(config["selection.weights.ifd"], 2.0);
        assert_eq!(config["plugins.a.x.y"], "inf");
    }

    #[test]
    fn what_may_change_are_keys() {
        for name in NOTED.iter().chain(&FREE) {
            assert!(keys::keys().any(|key| key.name == *name), "`{name}` is no key");
        }
    }
}
