//! The file of a comparison: a run's configuration with a `[compare]` section in it.
//!
//! ```toml
//! [compare]
//! arms = ["ifd,diversity", { name = "ifd, once", plugins = ["ifd", "static"] }]
//! seeds = [1, 2, 3, 4, 5]
//! ```

mod questions;

use super::arm::Arm;
use super::design::{Design, Pairs};
use super::plan::{ADDED, Plan};
use crate::config::Setting;
use crate::nearest::nearest;
use crate::{Error, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::path::Path;
use toml::{Table, Value};

const KEYS: [&str; 17] = [
    "arms",
    "seeds",
    "baseline",
    "refuse",
    "keep",
    "pairs",
    "measure",
    "questions",
    "max_new_tokens",
    "stop",
    "ignore_case",
    "ignore_punctuation",
    "pool",
    "confidence",
    "resamples",
    "tie",
    "resampling_seed",
];
const MEASURES: &str = "\"sample\", \"token\", \"accuracy\" or \"exact_match\"";
/// The seeds of a plan that names none.
const SEEDS: [u64; 5] = [1, 2, 3, 4, 5];
/// The share of the pool that each seed draws, where nobody says.
const POOL: f64 = 0.8;
/// The share of the data that is held out, where no held-out set is named.
const HELD_OUT: f64 = 0.1;
const ARM_KEYS: [&str; 5] = ["name", "plugins", "set", "costs_as", "seeds"];

/// An arm as it is written.
#[derive(Deserialize)]
#[serde(untagged)]
enum ArmText {
    List(String),
    Table {
        name: Option<String>,
        plugins: ListText,
        #[serde(default)]
        set: Vec<String>,
        costs_as: Option<String>,
        seeds: Option<Vec<u64>>,
    },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ListText {
    One(String),
    Many(Vec<String>),
}

impl Plan {
    /// Reads the file that `compare` is given; the command line's settings come after it.
    ///
    /// # Errors
    /// A file that cannot be read, or [`Error::Config`] with every fault.
    pub fn load(path: &Path, settings: &[Setting]) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
        Self::parse(&text, &path.display().to_string(), settings)
    }

    /// Reads a TOML text with a `[compare]` section; `name` is what messages call it. Settings of
    /// that section come after it, the others are kept for the runs. `random` is added, beside an arm
    /// that picks once `static-random`, and `full` with one seed, where they are missing and not
    /// refused.
    ///
    /// ```
    /// use iterit_core::compare::Plan;
    /// let plan = Plan::parse("[compare]\narms = ['ifd,diversity']\nseeds = [1, 2, 3]", "exp", &[])?;
    /// let names: Vec<&str> = plan.arms.iter().map(|arm| arm.name.as_str()).collect();
    /// assert_eq!(names, ["ifd,diversity", "random", "full"]);
    /// assert_eq!((plan.runs().len(), plan.design.baseline.as_str()), (7, "random"));
    /// # Ok::<(), iterit_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Config`] with every fault.
    pub fn parse(text: &str, name: &str, settings: &[Setting]) -> Result<Self> {
        parse(text, name, settings)
    }
}

fn parse(text: &str, name: &str, settings: &[Setting]) -> Result<Plan> {
    let mut table: Table = text
        .parse()
        .map_err(|error| Error::config(format!("{name}: {error}").trim_end().to_owned()))?;
    let mut section = match table.remove("compare") {
        Some(Value::Table(section)) => section,
        _ => Table::new(),
    };
    let mut others = settings.to_vec();
    others.retain(|setting| match setting.within("compare") {
        None => true,
        Some((key, value)) => {
            section.insert(key.to_owned(), value.clone());
            false
        }
    });
    let mut faults = unknown_keys(&section, &KEYS, "compare");
    let seeds: Vec<u64> = take(&section, "seeds", "a list of whole numbers", &mut faults)
        .unwrap_or_else(|| SEEDS.to_vec());
    let refused: Vec<String> =
        take(&section, "refuse", "a list of \"random\", \"static-random\", \"full\"", &mut faults)
            .unwrap_or_default();
    for refused in refused.iter().filter(|refused| !ADDED.contains(&refused.as_str())) {
        faults.push(format!(
            "compare.refuse: `{refused}` is never added, expected \"random\", \"static-random\" or \
             \"full\""
        ));
    }
    let mut assumed = Vec::new();
    if !section.contains_key("seeds") {
        assumed.push(format!("no seeds are named, so there are {}: {SEEDS:?}", SEEDS.len()));
    }
    let shared = Shared { base: &table, settings: &others };
    let arms = arms(&section, &seeds, &mut faults);
    let by_position = arms.iter().find(|arm| arm.plugins.iter().any(|plugin| plugin == "scores"));
    let pool = match by_position {
        Some(arm) if !section.contains_key("pool") => {
            assumed.push(format!(
                "arm `{}` reads scores by the samples’ positions, so no seed draws a pool of its own",
                arm.name
            ));
            None
        }
        _ => pool(&section, &shared, &mut faults),
    };
    let own = [pool, held_out(&shared, &mut assumed)];
    let others: Vec<Setting> = own.into_iter().flatten().chain(others.iter().cloned()).collect();
    let plan = Plan {
        arms,
        keep: take(&section, "keep", "\"models\" or \"records\"", &mut faults).unwrap_or_default(),
        questions: questions::path(&section, &mut faults),
        design: design(&section, &mut faults),
        base: without_section(text, &table),
        name: name.to_owned(),
        settings: others,
        assumed,
    };
    let plan = plan.with_added(&seeds, &refused);
    faults.extend(plan.faults());
    if faults.is_empty() { Ok(plan) } else { Err(located(faults, name)) }
}

/// What all runs share, as far as it is written.
struct Shared<'a> {
    base: &'a Table,
    settings: &'a [Setting],
}

impl Shared<'_> {
    /// Whether a key of `[data]` has a value.
    fn has_data(&self, key: &str) -> bool {
        let in_file = self.base.get("data").and_then(|data| data.get(key)).is_some();
        let is_it =
            |setting: &Setting| setting.within("data").is_some_and(|(found, _)| found == key);
        in_file || self.settings.iter().any(is_it)
    }
}

/// Each seed draws its own share of the pool, the same for all arms: else a verdict is about this
/// one pool, whose luck every seed of an arm that draws nothing by itself would share.
fn pool(section: &Table, shared: &Shared<'_>, faults: &mut Vec<String>) -> Option<Setting> {
    let written: Option<f64> = take(section, "pool", "a share such as 0.8", faults);
    if written.is_some_and(|share| !(share > 0.0 && share <= 1.0)) {
        faults.push(format!(
            "compare.pool: expected a share above 0 and up to 1, found {}",
            section["pool"]
        ));
        return None;
    }
    let share = match written {
        None if shared.has_data("pool") => return None,
        None => POOL,
        Some(1.0) if !shared.has_data("pool") => return None,
        Some(share) => share,
    };
    Some(Setting::flag("compare.pool", "data.pool", &share.to_string()))
}

/// All arms are judged on samples that none is trained on.
fn held_out(shared: &Shared<'_>, assumed: &mut Vec<String>) -> Option<Setting> {
    if shared.has_data("eval_path") || shared.has_data("eval_fraction") {
        return None;
    }
    assumed.push(
        "no held-out set is named, so the last tenth of the data is held out\nhint: name one of the \
         kind you care about with --set data.eval_path=FILE; a part of the same data favours what \
         resembles the pool, as a random draw does"
            .to_owned(),
    );
    Some(Setting::flag("compare", "data.eval_fraction", &HELD_OUT.to_string()))
}

fn located(faults: Vec<String>, name: &str) -> Error {
    Error::Config(faults.into_iter().map(|fault| format!("{name}: {fault}")).collect())
}

fn design(section: &Table, faults: &mut Vec<String>) -> Design {
    let usual = Design::default();
    Design {
        baseline: take(section, "baseline", "an arm's name", faults).unwrap_or(usual.baseline),
        pairs: take(section, "pairs", "\"baseline\" or \"all\"", faults).unwrap_or(Pairs::Baseline),
        measure: take(section, "measure", MEASURES, faults).unwrap_or(usual.measure),
        answering: questions::answering(section, faults),
        confidence: take(section, "confidence", "a share such as 0.95", faults)
            .unwrap_or(usual.confidence),
        resamples: take(section, "resamples", "a whole number", faults).unwrap_or(usual.resamples),
        tie: take(section, "tie", "nats a token", faults).unwrap_or(usual.tie),
        resampling_seed: take(section, "resampling_seed", "a whole number", faults)
            .unwrap_or(usual.resampling_seed),
    }
}

fn arms(section: &Table, seeds: &[u64], faults: &mut Vec<String>) -> Vec<Arm> {
    let Some(Value::Array(written)) = section.get("arms") else {
        let found = match section.get("arms") {
            Some(other) => format!("found {other}"),
            None => "found none".to_owned(),
        };
        faults.push(format!(
            "compare.arms: expected a list such as [\"ifd,diversity\", \"random\"], {found}\n\
             hint: name them in [compare] of the file, or with --arm \"ifd,diversity\""
        ));
        return Vec::new();
    };
    let mut arms = Vec::new();
    for (at, value) in written.iter().enumerate() {
        if let Value::Table(table) = value {
            faults.extend(unknown_keys(table, &ARM_KEYS, &format!("compare.arms[{at}]")));
        }
        match arm(value, seeds) {
            Ok(arm) => arms.push(arm),
            Err(fault) => faults.push(format!("compare.arms[{at}]: {fault}")),
        }
    }
    arms
}

fn arm(value: &Value, seeds: &[u64]) -> Result<Arm, String> {
    let expected = "expected \"ifd,diversity\" or { name = …, plugins = […], set = […], \
                    costs_as = …, seeds = […] }";
    match value.clone().try_into::<ArmText>() {
        Ok(ArmText::List(list)) => Arm::from_list(&list, seeds).map_err(|error| error.to_string()),
        Ok(ArmText::Table { name, plugins, set, costs_as, seeds: own }) => {
            let list = match plugins {
                ListText::One(list) => list,
                ListText::Many(items) => items.join(","),
            };
            let seeds = own.unwrap_or_else(|| seeds.to_vec());
            let arm = Arm::from_list(&list, &seeds).map_err(|error| error.to_string())?;
            Ok(Arm { name: name.unwrap_or(arm.name), set, costs_as, ..arm })
        }
        Err(_) => Err(expected.to_owned()),
    }
}

/// The value of a key, where it is there and what it should be.
fn take<T: DeserializeOwned>(
    section: &Table,
    key: &str,
    expected: &str,
    faults: &mut Vec<String>,
) -> Option<T> {
    let value = section.get(key)?.clone();
    let found = value.to_string();
    let taken = value.try_into().ok();
    if taken.is_none() {
        faults.push(format!("compare.{key}: expected {expected}, found {found}"));
    }
    taken
}

fn unknown_keys(table: &Table, known: &[&str], place: &str) -> Vec<String> {
    let unknown = table.keys().filter(|key| !known.contains(&key.as_str()));
    unknown
        .map(|key| match nearest(key, known.iter().copied()) {
            Some(near) => format!("{place}.{key}: unknown key\nhint: did you mean `{near}`?"),
            None => format!("{place}.{key}: unknown key, expected one of {}", known.join(", ")),
        })
        .collect()
}

/// The text without `[compare]`, its other lines where they were, so that messages about them still
/// name the right one. Where cutting lines would change anything else (a section inside a text of
/// several lines, an inline table), the rest is written anew.
fn without_section(text: &str, rest: &Table) -> String {
    let mut inside = false;
    let mut kept = String::with_capacity(text.len());
    for line in text.lines() {
        if let Some(header) = line.trim_start().strip_prefix('[') {
            let name = header.trim_start_matches('[').trim_start();
            inside = name
                .strip_prefix("compare")
                .is_some_and(|end| end.trim_start().starts_with(['.', ']']));
        }
        kept.push_str(if inside { "" } else { line });
        kept.push('\n');
    }
    match kept.parse::<Table>() {
        Ok(found) if found == *rest => kept,
        _ => rest.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
[model]
path = "m"
[compare]
arms = [
    "ifd, diversity",
    { name = "once", plugins = ["ifd", "static"], set = ["train.epochs=2"] },
]
seeds = [3, 4]
tie = 0.0
[data]
eval_path = "x.json"
[train]
epochs = 5
"#;

    #[test]
    fn a_plan_is_read_with_what_a_fair_one_has() {
        let plan = Plan::parse(TEXT, "exp.toml", &[]).unwrap();
        let names: Vec<&str> = plan.arms.iter().map(|arm| arm.name.as_str()).collect();
        assert_eq!(names, ["ifd,diversity", "once", "random", "static-random", "full"]);
        assert_eq!(plan.arms[1].plugins, ["ifd", "static"]);
        assert_eq!(plan.arms[4].seeds, [3]);
        assert!(plan.assumed.is_empty(), "{:?}", plan.assumed);
        assert_eq!(plan.config().unwrap().data.pool, Some(0.8));
        let runs: Vec<(u64, &str)> =
            plan.runs().iter().map(|run| (run.seed, run.arm.name.as_str())).collect();
        assert_eq!(runs.len(), 9);
        assert_eq!(runs[5], (4, "ifd,diversity"));
        assert_eq!(plan.base.lines().position(|line| line == "epochs = 5"), Some(13));
    }

    #[test]
    fn an_arms_settings_come_last() {
        let set = ["train.epochs=9", "compare.seeds=[8]"].map(|set| Setting::parse(set).unwrap());
        let plan = Plan::parse(TEXT, "exp.toml", &set).unwrap();
        let runs = plan.runs();
        let config = plan.run_config(runs[1]).unwrap();
        assert_eq!((config.train.epochs, config.seed), (2, 8));
        assert_eq!(config.selection.plugins, ["ifd", "static"]);
        assert_eq!(plan.run_config(runs[0]).unwrap().train.epochs, 9);
    }

    #[test]
    fn what_is_assumed_is_said() {
        let plan = Plan::parse("[compare]\narms = ['ifd']\npool = 1.0", "exp.toml", &[]).unwrap();
        assert!(plan.assumed[0].contains("[1, 2, 3, 4, 5]") && plan.assumed.len() == 2);
        let config = plan.config().unwrap();
        assert_eq!((config.data.eval_fraction, config.data.pool), (0.1, None));
        assert!(plan.warnings().is_empty(), "{:?}", plan.warnings());
        let by_position = "[data]\neval_fraction = 0.2\n[compare]\narms = ['scores,static']";
        let plan = Plan::parse(by_position, "exp.toml", &[]).unwrap();
        assert!(plan.assumed[1].contains("by the samples’ positions"), "{:?}", plan.assumed);
        assert_eq!(plan.config().unwrap().data.pool, None);
        let text = "[data]\npool = 0.5\neval_fraction = 0.2\n[compare]\narms = ['ifd', 'a']\nseeds = [1, 2]";
        let plan = Plan::parse(text, "exp.toml", &[]).unwrap();
        let config = plan.config().unwrap();
        assert_eq!((config.data.eval_fraction, config.data.pool), (0.2, Some(0.5)));
        assert!(plan.assumed.is_empty() && plan.warnings()[0].starts_with("2 seeds an arm"));
    }

    #[test]
    fn what_arms_share_is_not_an_arms_to_set() {
        let text = "[compare]\narms = [{ plugins = 'a', set = ['model.path=x', 'data.path=y'] }]";
        let plan = Plan::parse(text, "exp.toml", &[]).unwrap();
        let error = plan.run_config(plan.runs()[0]).unwrap_err().to_string();
        assert!(error.contains("arm a: changes `model`") && error.contains("`data`"), "{error}");
    }

    #[track_caller]
    fn check_fault(section: &str, expected: &str) {
        let error = Plan::parse(section, "exp.toml", &[]).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn faults_say_where_and_what() {
        check_fault(
            "",
            "compare.arms: expected a list such as [\"ifd,diversity\", \"random\"], found none",
        );
        check_fault("[compare", "exp.toml");
        check_fault("[compare]\narms = [\"ifd\"]\nseeds = []", "`ifd` has no seed");
        check_fault("[compare]\narms = [\"a\", \"a\"]\nseeds = [1]", "two arms are called `a`");
        check_fault("[compare]\narms = [\"a\"]\nseeds = [1, 1]", "seed 1 twice");
        check_fault("[compare]\narms = [1]\nseeds = [1]", "compare.arms[0]: expected");
        check_fault("[compare]\narms = [\"a\"]\nseed = [1]", "did you mean `seeds`");
        check_fault(
            "[compare]\narms = [{ plugin = \"a\" }]\nseeds = [1]",
            "did you mean `plugins`",
        );
        check_fault("[compare]\narms = [\" , \"]\nseeds = [1]", "names no plugin");
        check_fault(
            "[compare]\narms = [\"a\"]\nseeds = [1]\nbaseline = \"b\"",
            "no arm is called `b`",
        );
        check_fault("[compare]\narms = [\"a\"]\nseeds = [1]\nrefuse = [\"a\"]", "is never added");
        check_fault("[compare]\narms = [\"a\"]\nseeds = [1]\nconfidence = 95", "0.5 to below 1");
        check_fault("[compare]\narms = [\"a\"]\npool = 0", "above 0 and up to 1, found 0");
        check_fault("[compare]\narms = [\"a\"]\nmeasure = 'x'", "\"accuracy\" or \"exact_match\"");
        check_fault("[compare]\narms = [\"a\"]\nseeds = \"x\"", "expected a list of whole numbers");
        check_fault(
            "[compare]\narms = [\"a\"]\nseeds = [1]\nrefuse = [\"random\", \"full\"]\nbaseline = \"a\"",
            "expected two arms or more, found 1",
        );
        let priced =
            |arm: &str| format!("[compare]\narms = ['ifd', {{ {arm}, plugins = 'random' }}]");
        let dear = "name = 'dear', costs_as =";
        check_fault(&priced(&format!("{dear} 'dear'")), "`dear`, expected one of `ifd`, `random`");
        check_fault(&priced(&format!("{dear} 'full'")), "seed 2, which that arm does not have");
        check_fault(
            &priced(&format!("{dear} 'ifd', set = ['selection.ratio=0.2']")),
            "costs as `ifd` and sets selection.ratio=0.2: expected one of the two",
        );
    }

    #[test]
    fn a_section_within_a_text_is_left_alone() {
        let text = "[data]\neos_text = \"\"\"\n[compare]\n\"\"\"\n[compare]\narms = [\"a\"]\nseeds = [1]\n";
        let plan = Plan::parse(text, "exp.toml", &[]).unwrap();
        let base: Table = plan.base.parse().unwrap();
        assert_eq!(base["data"]["eos_text"].as_str(), Some("[compare]\n"));
    }
}
