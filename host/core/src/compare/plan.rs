//! What is to be compared: arms × seeds, and the configuration they share.

use super::arm::{Arm, Run};
use super::design::{Design, Pairs};
use crate::config::{Config, Setting};
use crate::statistics::power::Luck;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What is left of a run's folder besides its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// The trained model.
    #[default]
    Models,
    /// Nothing.
    Records,
}

/// A comparison to be run.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The arms, in the order of the report.
    pub arms: Vec<Arm>,
    /// What is left of the runs.
    pub keep: Keep,
    /// How they are compared.
    pub design: Design,
    /// The questions that they are judged by, where the measure asks some.
    pub questions: Option<PathBuf>,
    /// The configuration all arms share: a TOML text without `[compare]`, line for line as written.
    pub base: String,
    /// What messages call that text.
    pub name: String,
    /// What the command line sets on top of it.
    pub settings: Vec<Setting>,
    /// What was assumed because nobody said it, in words.
    pub assumed: Vec<String>,
}

/// The arms that a comparison has unless refused; the second only beside an arm that picks once.
pub(super) const ADDED: [&str; 3] = ["random", "static-random", "full"];

/// Fewer seeds leave the spread between them a guess.
const ENOUGH_SEEDS: usize = 5;

/// Every run of some arms, a seed at a time over all of them, so that an interrupted comparison has
/// whole seeds.
pub fn runs(arms: &[Arm]) -> Vec<Run<'_>> {
    let mut seeds: Vec<u64> = Vec::new();
    for &seed in arms.iter().flat_map(|arm| &arm.seeds) {
        if !seeds.contains(&seed) {
            seeds.push(seed);
        }
    }
    let of_seed = |seed: u64| arms.iter().filter(move |arm| arm.seeds.contains(&seed));
    seeds.into_iter().flat_map(|seed| of_seed(seed).map(move |arm| Run { arm, seed })).collect()
}

impl Plan {
    /// Every run, see [`runs`].
    pub fn runs(&self) -> Vec<Run<'_>> {
        runs(&self.arms)
    }

    /// What all runs share.
    ///
    /// # Errors
    /// [`Error::Config`] with every fault.
    pub fn config(&self) -> Result<Config> {
        Config::parse_with(&self.base, &self.name, &self.settings)
    }

    /// The configuration of one run: what is shared, then the arm's settings, then its seed.
    ///
    /// # Errors
    /// [`Error::Config`] with every fault, and with what an arm may not change: all arms begin with
    /// the same model, have the same data to choose from, and are judged on the same samples.
    pub fn run_config(&self, run: Run<'_>) -> Result<Config> {
        let shared = self.config()?;
        let mut all = self.settings.clone();
        all.extend(run.settings()?);
        let config = Config::parse_with(&self.base, &self.name, &all)?;
        let kept = [
            ("model", config.model == shared.model),
            ("data", config.data == shared.data),
            ("output", config.output == shared.output),
            ("train.target_end", config.train.target_end == shared.train.target_end),
        ];
        let changed: Vec<String> = kept
            .into_iter()
            .filter(|(_, same)| !same)
            .map(|(what, _)| {
                format!(
                    "arm {}: changes `{what}`, which is one for all arms\nhint: an arm may set \
                     train.KEY, selection.KEY and plugins.NAME.KEY",
                    run.arm.name
                )
            })
            .collect();
        if changed.is_empty() { Ok(config) } else { Err(Error::Config(changed)) }
    }

    /// Adds what a fair comparison has and this one neither names nor refuses.
    pub(super) fn with_added(mut self, seeds: &[u64], refused: &[String]) -> Self {
        let picks_once = self.arms.iter().any(Arm::picks_once);
        for name in ADDED {
            let there = self.arms.iter().any(|arm| arm.name == name || arm.is_plainly(name));
            let idle = name == "static-random" && !picks_once;
            if there || idle || refused.iter().any(|refused| refused == name) {
                continue;
            }
            // One seed of `full` shows what all the data gives; more cost more than they tell.
            let seeds = if name == "full" { &seeds[..seeds.len().min(1)] } else { seeds };
            self.arms.push(Arm::new(name.to_owned(), vec![name.to_owned()], seeds));
        }
        self
    }

    /// What a reader of its result would wish to have known before, in words: too few seeds, or
    /// arms of unequal numbers of them, and what can then be seen.
    pub fn warnings(&self) -> Vec<String> {
        let counts: Vec<usize> = self.arms.iter().map(|arm| arm.seeds.len()).collect();
        let several = || self.arms.iter().filter(|arm| arm.seeds.len() > 1);
        let Some(least) = several().map(|arm| arm.seeds.len()).min() else {
            return vec![
                "every arm has one seed, so no verdict about a strategy is possible\n\
                 hint: --seeds 1,2,3,4,5"
                    .into(),
            ];
        };
        let mut warnings = Vec::new();
        let family = counts.len() - 1;
        let alpha = self.design.alpha() / family.max(1) as f64;
        let luck = Luck { seed_deviation: 1.0, sample_error: 0.0 };
        let visible = |seeds: usize| luck.detectable(seeds as u32, 1.0, alpha, 0.8);
        if least < ENOUGH_SEEDS {
            warnings.push(format!(
                "{least} seeds an arm: where seeds dominate, a difference is found with 80 % only if \
                 it is {:.1} times as large as the standard deviation between seeds; with \
                 {ENOUGH_SEEDS} seeds {:.1} times\nhint: --seeds 1,2,3,4,5; compare --plan says how \
                 many a given difference needs",
                visible(least),
                visible(ENOUGH_SEEDS)
            ));
        }
        if several().any(|arm| arm.seeds.len() != least) {
            let list: Vec<String> =
                self.arms.iter().map(|arm| format!("{} {}", arm.name, arm.seeds.len())).collect();
            warnings.push(format!(
                "the arms differ in their numbers of seeds ({}): the arm with the fewest decides what \
                 can be seen, and intervals are less exact",
                list.join(", ")
            ));
        }
        warnings
    }

    /// What makes a plan that could not be compared, in words.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.arms.len() < 2 {
            let count = self.arms.len();
            faults.push(format!("compare.arms: expected two arms or more, found {count}"));
        }
        for (at, arm) in self.arms.iter().enumerate() {
            if self.arms[..at].iter().any(|other| other.name == arm.name) {
                faults.push(format!("compare.arms: two arms are called `{}`", arm.name));
            }
            if arm.seeds.is_empty() {
                faults.push(format!("compare.seeds: arm `{}` has no seed", arm.name));
            }
            let twice = |(at, seed): (usize, &u64)| arm.seeds[..at].contains(seed).then_some(*seed);
            if let Some(seed) = arm.seeds.iter().enumerate().find_map(twice) {
                faults.push(format!("compare.seeds: arm `{}` has seed {seed} twice", arm.name));
            }
        }
        let has_baseline = self.arms.iter().any(|arm| arm.name == self.design.baseline);
        if self.design.pairs == Pairs::Baseline && !has_baseline {
            let names: Vec<&str> = self.arms.iter().map(|arm| arm.name.as_str()).collect();
            faults.push(format!(
                "compare.baseline: no arm is called `{}`, expected one of `{}`",
                self.design.baseline,
                names.join("`, `")
            ));
        }
        faults.extend(self.arms.iter().filter_map(|arm| self.price_fault(arm)));
        faults.extend(self.design.faults());
        faults
    }

    /// The run whose cost decides how much this one may train on.
    pub fn price_of<'a>(&'a self, run: Run<'a>) -> Option<Run<'a>> {
        let name = run.arm.costs_as.as_ref()?;
        let arm = self.arms.iter().find(|arm| arm.name == *name)?;
        Some(Run { arm, seed: run.seed })
    }

    fn price_fault(&self, arm: &Arm) -> Option<String> {
        let name = arm.costs_as.as_ref()?;
        let fault = |what: String| Some(format!("compare.arms: arm `{}` {what}", arm.name));
        let dear = self.arms.iter().find(|other| other.name == *name);
        let Some(dear) = dear.filter(|dear| dear.costs_as.is_none()) else {
            let known = self.arms.iter().filter(|other| other.costs_as.is_none());
            let known: Vec<&str> = known.map(|other| other.name.as_str()).collect();
            let known = known.join("`, `");
            return fault(format!("costs as `{name}`, expected one of `{known}`"));
        };
        if let Some(seed) = arm.seeds.iter().find(|seed| !dear.seeds.contains(seed)) {
            return fault(format!(
                "costs as `{name}` with seed {seed}, which that arm does not have"
            ));
        }
        let budget = arm.set.iter().find(|set| set.starts_with("selection.ratio"))?;
        fault(format!("costs as `{name}` and sets {budget}: expected one of the two"))
    }
}
