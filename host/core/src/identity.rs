//! What makes a run the run it is: every key of its configuration and the sha256 of everything it
//! read. A run goes on as itself or not at all; one made half of one configuration and half of
//! another is neither's. Which keys may change all the same is the configuration's to say.
//!
//! Types and comparisons only; nothing here reads a file.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What a run was made from.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Identity {
    /// Every key that has a value, by its dotted name.
    pub config: BTreeMap<String, Value>,
    /// Everything that was read, by the part it plays, such as `data.path[0]`.
    #[serde(default)]
    pub contents: BTreeMap<String, Content>,
}

/// Something that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Where it lay, or what it is called; the same content may lie elsewhere the next time.
    pub path: String,
    /// The sha256 of it, in hexadecimal.
    pub sha256: String,
}

/// What a run is carried out by: no setting of its own, and numbers may depend on it in their last
/// digits.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Environment {
    /// The version of iterit.
    pub iterit: String,
    /// The sha256 of the program's own file.
    pub program: String,
    /// libtorch's version and build.
    pub libtorch: String,
    /// What the processor calls itself.
    pub processor: String,
    /// Threads that work on the model, of each rank.
    pub threads: usize,
    /// Processes that work on it together; 0 in records that are older than ranks, which were of one.
    #[serde(default)]
    pub ranks: usize,
    /// `cpu`, `cuda:0` …
    pub device: String,
}

/// Something that was one thing when a run was begun and is another now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// A key, or a part of the environment.
    pub what: String,
    /// What it was.
    pub begun: String,
    /// What it is.
    pub now: String,
}

impl Identity {
    /// The keys of `config` that differ, of those that `counts` says count; then the contents.
    ///
    /// ```
    /// use iterit_core::identity::Identity;
    /// let with = |rate: f64| Identity {
    ///     config: [("train.learning_rate".into(), rate.into())].into(),
    ///     ..Identity::default()
    /// };
    /// let differences = with(0.5).differences(&with(0.25), |_| true);
    /// assert_eq!(differences[0].to_string(), "train.learning_rate 0.5, now it is 0.25");
    /// assert_eq!(with(0.5).differences(&with(0.25), |_| false), []);
    /// ```
    pub fn differences(&self, now: &Self, counts: impl Fn(&str) -> bool) -> Vec<Difference> {
        let mut differences = config_differences(&self.config, &now.config);
        differences.retain(|difference| counts(&difference.what));
        if !self.contents.is_empty() {
            differences.extend(self.contents_differences(now));
        }
        differences
    }

    /// What older records have in place of contents: the hashes of files that were there then, by
    /// path. Those at other paths now cannot be compared.
    pub fn differences_by_path(&self, begun: &BTreeMap<String, String>) -> Vec<Difference> {
        // The template is known by its text; the file it stands in is there under its own part.
        let files = self.contents.iter().filter(|(part, _)| *part != "data.template");
        let differences = files.filter_map(|(_, now)| {
            let begun = begun.get(&now.path)?;
            let what = format!("`{}` of sha256", now.path);
            Difference::of(&what, begun.clone(), now.sha256.clone())
        });
        differences.collect()
    }

    fn contents_differences(&self, now: &Self) -> Vec<Difference> {
        let is = |content: Option<&Content>| content.map(|content| content.sha256.clone());
        let differs = |part: &&String| is(self.contents.get(*part)) != is(now.contents.get(*part));
        union(&self.contents, &now.contents)
            .into_iter()
            .filter(differs)
            .map(|part| {
                let shown = |content: Option<&Content>| {
                    content.map_or_else(|| "not there".to_owned(), Content::to_string)
                };
                let (begun, now) = (self.contents.get(part), now.contents.get(part));
                Difference { what: part.clone(), begun: shown(begun), now: shown(now) }
            })
            .collect()
    }
}

/// The keys of two configurations whose values differ; one without a value is `unset`.
pub fn config_differences(
    begun: &BTreeMap<String, Value>,
    now: &BTreeMap<String, Value>,
) -> Vec<Difference> {
    let shown = |values: &BTreeMap<String, Value>, key: &str| {
        let value = values.get(key).filter(|value| !value.is_null());
        value.map_or_else(|| "unset".to_owned(), Value::to_string)
    };
    let keys = union(begun, now).into_iter();
    let differences =
        keys.filter_map(|key| Difference::of(key, shown(begun, key), shown(now, key)));
    differences.collect()
}

impl Environment {
    /// What differs; in a record that is older than this one some parts are empty and unknown.
    pub fn differences(&self, now: &Self) -> Vec<Difference> {
        let threads =
            |threads: usize| if threads == 0 { String::new() } else { threads.to_string() };
        [
            ("iterit", self.iterit.clone(), now.iterit.clone()),
            ("the program of sha256", self.program.clone(), now.program.clone()),
            ("libtorch", self.libtorch.clone(), now.libtorch.clone()),
            ("processor", self.processor.clone(), now.processor.clone()),
            ("threads", threads(self.threads), threads(now.threads)),
            ("ranks", self.ranks.max(1).to_string(), now.ranks.max(1).to_string()),
            ("device", self.device.clone(), now.device.clone()),
        ]
        .into_iter()
        .filter(|(_, begun, _)| !begun.is_empty())
        .filter_map(|(what, begun, now)| Difference::of(what, begun, now))
        .collect()
    }
}

impl Difference {
    fn of(what: &str, begun: String, now: String) -> Option<Self> {
        (begun != now).then(|| Self { what: what.to_owned(), begun, now })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}, now it is {}", self.what, self.begun, self.now)
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` of sha256 {}", self.path, self.sha256)
    }
}

fn union<'a, V>(
    one: &'a BTreeMap<String, V>,
    other: &'a BTreeMap<String, V>,
) -> BTreeSet<&'a String> {
    one.keys().chain(other.keys()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(config: &[(&str, Value)], contents: &[(&str, &str, &str)]) -> Identity {
        let content =
            |path: &str, sha256: &str| Content { path: path.into(), sha256: sha256.into() };
        Identity {
            config: config.iter().map(|(key, value)| ((*key).into(), value.clone())).collect(),
            contents: contents
                .iter()
                .map(|(part, path, sha256)| ((*part).into(), content(path, sha256)))
                .collect(),
        }
    }

    #[track_caller]
    fn check(begun: &Identity, now: &Identity, expected: &[&str]) {
        let found = begun.differences(now, |key| key != "output.path");
        let found: Vec<String> = found.iter().map(Difference::to_string).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn keys_differ_by_value_and_contents_by_hash() {
        let begun = identity(
            &[("a", 1.into()), ("b", "x".into()), ("c", Value::Null), ("output.path", "o".into())],
            &[("data.path[0]", "d.json", "aa"), ("data.path[1]", "e.json", "bb")],
        );
        check(&begun, &begun, &[]);
        let moved = identity(
            &[("a", 1.into()), ("b", "x".into()), ("output.path", "elsewhere".into())],
            &[("data.path[0]", "other/d.json", "aa"), ("data.path[1]", "e.json", "bb")],
        );
        check(&begun, &moved, &[]);
        let changed = identity(
            &[("a", 2.into()), ("c", true.into())],
            &[("data.path[0]", "d.json", "cc"), ("model.path/config.json", "config.json", "dd")],
        );
        check(
            &begun,
            &changed,
            &[
                "a 1, now it is 2",
                "b \"x\", now it is unset",
                "c unset, now it is true",
                "data.path[0] `d.json` of sha256 aa, now it is `d.json` of sha256 cc",
                "data.path[1] `e.json` of sha256 bb, now it is not there",
                "model.path/config.json not there, now it is `config.json` of sha256 dd",
            ],
        );
    }

    #[test]
    fn an_older_record_leaves_parts_of_the_environment_open() {
        let now = Environment { libtorch: "2.12".into(), threads: 2, ..Environment::default() };
        assert_eq!(Environment::default().differences(&now), []);
        let begun = Environment { libtorch: "2.11".into(), threads: 1, ..Environment::default() };
        let found: Vec<String> =
            begun.differences(&now).iter().map(Difference::to_string).collect();
        assert_eq!(found, ["libtorch 2.11, now it is 2.12", "threads 1, now it is 2"]);
    }
}
