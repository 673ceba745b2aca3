//! `plan.json`: what a comparison was begun with, so that it goes on as the same comparison or not
//! at all. A result made half of one configuration and half of another is neither's.

use super::arm::Arm;
use super::design::Design;
use super::look::Look;
use super::plan::Plan;
use crate::Result;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// What a comparison was begun with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Begun {
    /// The version of iterit.
    pub iterit: String,
    /// The arms and their seeds.
    pub arms: Vec<Arm>,
    /// The questions.
    pub design: Design,
    /// The configuration they share, by dotted key.
    pub config: BTreeMap<String, Value>,
    /// sha256 of every file that is read, by its path as given.
    pub inputs: BTreeMap<String, String>,
    /// What was seen of it so far.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub looks: Vec<Look>,
}

/// Settings that are each run's own, or that no result depends on.
const APART: [&str; 6] = [
    "seed",
    "output",
    "selection.plugins",
    "selection.plugin_path",
    "selection.plugin_timeout",
    "train.activation_checkpointing",
];

impl Begun {
    /// What a plan is about to begin with, or to go on with.
    ///
    /// # Errors
    /// A configuration with faults.
    pub fn new(plan: &Plan, inputs: BTreeMap<String, String>) -> Result<Self> {
        let config = serde_json::to_value(plan.config()?).expect("a configuration is JSON");
        let mut flat = BTreeMap::new();
        flatten("", config, &mut flat);
        Ok(Self {
            iterit: env!("CARGO_PKG_VERSION").to_owned(),
            arms: plan.arms.clone(),
            design: plan.design.clone(),
            config: flat,
            inputs,
            looks: Vec::new(),
        })
    }

    /// One key of the configuration that all arms share.
    pub(super) fn setting(&self, key: &str) -> Option<&Value> {
        self.config.get(key)
    }

    /// What keeps `now` from going on with this, in words. Arms and seeds may be added.
    pub fn differences(&self, now: &Self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut check = |what: &str, begun: &dyn std::fmt::Display, now: &dyn std::fmt::Display| {
            let (begun, now) = (begun.to_string(), now.to_string());
            if begun != now {
                faults
                    .push(format!("the comparison was begun with {what} {begun}, now it is {now}"));
            }
        };
        check("iterit", &self.iterit, &now.iterit);
        let (begun, current) = (fields(&self.design), fields(&now.design));
        for key in union(&begun, &current) {
            check(&format!("compare.{key}"), &shown(&begun, key), &shown(&current, key));
        }
        for key in union(&self.config, &now.config) {
            check(key, &shown(&self.config, key), &shown(&now.config, key));
        }
        for (path, begun) in &self.inputs {
            if let Some(hash) = now.inputs.get(path) {
                check(&format!("`{path}` of sha256"), begun, hash);
            }
        }
        for arm in &self.arms {
            match now.arms.iter().find(|other| other.name == arm.name) {
                None => check(&format!("arm `{}`", arm.name), &"in it", &"gone"),
                Some(other) => {
                    let what = |part: &str| format!("{part} of arm `{}`", arm.name);
                    check(&what("the plugins"), &json(&arm.plugins), &json(&other.plugins));
                    check(&what("the settings"), &json(&arm.set), &json(&other.set));
                    let mut seeds = other.seeds.clone();
                    seeds.retain(|seed| arm.seeds.contains(seed));
                    check(&what("seeds"), &json(&arm.seeds), &json(&seeds));
                }
            }
        }
        if let Some(last) = faults.last_mut() {
            last.push_str(
                "\nhint: go on with what it was begun with, or give another comparison another --out",
            );
        }
        faults
    }
}

/// Tables become dotted keys.
fn flatten(prefix: &str, value: Value, flat: &mut BTreeMap<String, Value>) {
    if APART.contains(&prefix) {
        return;
    }
    match value {
        Value::Object(table) => {
            for (key, value) in table {
                let key = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
                flatten(&key, value, flat);
            }
        }
        value => {
            flat.insert(prefix.to_owned(), value);
        }
    }
}

fn fields(design: &Design) -> BTreeMap<String, Value> {
    let mut flat = BTreeMap::new();
    flatten("", serde_json::to_value(design).expect("a design is JSON"), &mut flat);
    flat
}

fn union<'a>(
    one: &'a BTreeMap<String, Value>,
    other: &'a BTreeMap<String, Value>,
) -> std::collections::BTreeSet<&'a String> {
    one.keys().chain(other.keys()).collect()
}

fn shown(values: &BTreeMap<String, Value>, key: &str) -> String {
    values.get(key).map_or_else(|| "unset".to_owned(), Value::to_string)
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("a part of a plan is JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(text: &str, model: &str) -> Begun {
        let plan = Plan::parse(text, "exp.toml", &[]).unwrap();
        Begun::new(&plan, BTreeMap::from([("model".into(), model.into())])).unwrap()
    }

    const TEXT: &str = "[train]\nepochs = 2\n[compare]\narms = ['ifd']\nseeds = [1, 2]\n";

    #[track_caller]
    fn check(text: &str, model: &str, expected: &[&str]) {
        let found = begun(TEXT, "aa").differences(&begun(text, model));
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.contains(expected), "{found}");
        }
    }

    #[test]
    fn it_goes_on_as_itself_or_with_more_arms_and_seeds() {
        check(TEXT, "aa", &[]);
        let more =
            "seed = 9\n[train]\nepochs = 2\n[compare]\narms = ['ifd', 'a']\nseeds = [1, 2, 3]";
        check(more, "aa", &[]);
    }

    #[test]
    fn whatever_differs_is_named() {
        check(TEXT, "bb", &["`model` of sha256 aa, now it is bb\nhint:"]);
        check(
            "[train]\nepochs = 3\nlearning_rate = 1.0\n[compare]\narms = ['random']\n\
             seeds = [1]\ntie = 1.0",
            "aa",
            &[
                "compare.tie 0.01, now it is 1.0",
                "train.epochs 2, now it is 3",
                "train.learning_rate 0.00002, now it is 1.0",
                "arm `ifd` in it, now it is gone",
                "seeds of arm `random` [1,2], now it is [1]",
            ],
        );
    }
}
