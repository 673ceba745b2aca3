//! `plan.json`: what a comparison was begun with, so that it goes on as the same comparison or not
//! at all. A result made half of one configuration and half of another is neither's.

use super::arm::Arm;
use super::design::Design;
use super::look::Look;
use super::plan::Plan;
use crate::Result;
use crate::config::{Config, OnResume, on_resume};
use crate::identity::{Content, Difference, Identity, config_differences};
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
    /// The configuration they share, and everything that is read.
    #[serde(flatten)]
    pub identity: Identity,
    /// sha256 of every file, by its path as given: what older versions had in place of contents.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, String>,
    /// What was seen of it so far.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub looks: Vec<Look>,
}

/// Settings that are each run's own.
const OF_RUNS: [&str; 2] = ["seed", "selection.plugins"];

/// How the part that a content plays for one arm begins.
pub const OF_ARM: &str = "arm `";

impl Begun {
    /// What a plan is about to begin with, or to go on with.
    ///
    /// # Errors
    /// A configuration with faults.
    pub fn new(plan: &Plan, contents: BTreeMap<String, Content>) -> Result<Self> {
        Ok(Self {
            iterit: env!("CARGO_PKG_VERSION").to_owned(),
            arms: plan.arms.clone(),
            design: plan.design.clone(),
            identity: Identity { config: plan.config()?.by_key(), contents },
            inputs: BTreeMap::new(),
            looks: Vec::new(),
        })
    }

    /// One key of the configuration that all arms share.
    pub(super) fn setting(&self, key: &str) -> Option<&Value> {
        self.identity.config.get(key)
    }

    /// What keeps `now` from going on with this, in words. Arms and seeds may be added.
    pub fn differences(&self, now: &Self) -> Vec<String> {
        let mut differences = Vec::new();
        let mut check = |what: &str, begun: String, now: String| {
            if begun != now {
                differences.push(Difference { what: what.to_owned(), begun, now });
            }
        };
        check("iterit", self.iterit.clone(), now.iterit.clone());
        for arm in &self.arms {
            let Some(other) = now.arms.iter().find(|other| other.name == arm.name) else {
                check(&format!("arm `{}`", arm.name), "in it".into(), "gone".into());
                continue;
            };
            let what = |part: &str| format!("{part} of arm `{}`", arm.name);
            check(&what("the plugins"), json(&arm.plugins), json(&other.plugins));
            check(&what("the settings"), json(&arm.set), json(&other.set));
            check(&what("the price"), json(&arm.costs_as), json(&other.costs_as));
            let mut seeds = other.seeds.clone();
            seeds.retain(|seed| arm.seeds.contains(seed));
            check(&what("seeds"), json(&arm.seeds), json(&seeds));
        }
        differences.extend(config_differences(&fields(&self.design), &fields(&now.design)));
        let counts = |key: &str| on_resume(key) == OnResume::Refused && !OF_RUNS.contains(&key);
        let (mut begun, now) = (self.identity.clone(), now.identity.clone());
        Config::complete(&mut begun.config);
        let (begun, now) = (begun.of_arms_in(&now), now.of_arms_in(&self.identity));
        differences.extend(begun.differences(&now, counts));
        differences.extend(now.differences_by_path(&self.inputs));
        told(differences)
    }
}

/// One fault a difference, and behind the last what to do.
fn told(differences: Vec<Difference>) -> Vec<String> {
    let tell = |difference: Difference| format!("the comparison was begun with {difference}");
    let mut faults: Vec<String> = differences.into_iter().map(tell).collect();
    if let Some(last) = faults.last_mut() {
        last.push_str(
            "\nhint: go on with what it was begun with, or give another comparison another --out",
        );
    }
    faults
}

impl Identity {
    /// Without what arms read that only one of the two has: those may be added.
    fn of_arms_in(mut self, other: &Self) -> Self {
        self.contents
            .retain(|part, _| !part.starts_with(OF_ARM) || other.contents.contains_key(part));
        self
    }
}

fn fields(design: &Design) -> BTreeMap<String, Value> {
    let value = serde_json::to_value(design).expect("a design is JSON");
    let fields = value.as_object().cloned().unwrap_or_default();
    fields.into_iter().map(|(key, value)| (format!("compare.{key}"), value)).collect()
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("a part of a plan is JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(text: &str, model: &str) -> Begun {
        let plan = Plan::parse(text, "exp.toml", &[]).unwrap();
        let model = Content { path: "m".into(), sha256: model.into() };
        Begun::new(&plan, BTreeMap::from([("model.path".into(), model)])).unwrap()
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
        check(TEXT, "bb", &["model.path `m` of sha256 aa, now it is `m` of sha256 bb\nhint:"]);
        check(
            "[train]\nepochs = 3\nlearning_rate = 1.0\n[compare]\narms = ['random']\n\
             seeds = [1]\ntie = 1.0",
            "aa",
            &[
                "arm `ifd` in it, now it is gone",
                "seeds of arm `random` [1,2], now it is [1]",
                "compare.tie 0.01, now it is 1.0",
                "train.epochs 2, now it is 3",
                "train.learning_rate 0.00002, now it is 1.0",
            ],
        );
    }

    #[test]
    fn a_plan_of_an_older_version_is_compared_by_path() {
        let mut older = begun(TEXT, "aa");
        older.identity.contents.clear();
        older.inputs = BTreeMap::from([("m".into(), "aa".into()), ("gone".into(), "cc".into())]);
        assert_eq!(older.differences(&begun(TEXT, "aa")), [""; 0]);
        let found = older.differences(&begun(TEXT, "bb"));
        assert!(found[0].contains("`m` of sha256 aa, now it is bb"), "{found:?}");
    }
}
