//! The `curriculum` plugin: a strategy that starts with many samples and ends with few, or the
//! other way round, each time the best by the latest scores.
//!
//! Here are the options and the plan; the budgets are computed in [`anneal`].

pub mod anneal;

use anneal::{Shape, budgets};
use iterit_sdk::{
    Action, Epoch, Error, Host, Plugin, Result, RunShape, SampleId, Update, UpdateStrategy,
};
use serde::{Deserialize, Serialize};

/// The plugin's options.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// The first epoch's budget, as a multiple of what `selection.ratio` asks for.
    pub start: f64,
    /// The last epoch's.
    pub end: f64,
    /// The course between.
    pub shape: Shape,
    /// When samples are scored.
    pub rescore: Rescore,
}

/// When samples are scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rescore {
    /// All of them, before every epoch.
    #[default]
    EveryEpoch,
    /// All of them once, by the untrained model.
    FirstEpoch,
}

impl Default for Options {
    fn default() -> Self {
        Self { start: 2.0, end: 0.5, shape: Shape::Linear, rescore: Rescore::EveryEpoch }
    }
}

/// Picks among all samples, with a budget that changes.
#[derive(Debug)]
pub struct Curriculum(Options);

impl Plugin for Curriculum {
    type Options = Options;

    fn new(options: Options) -> Result<Self> {
        for (name, factor) in [("start", options.start), ("end", options.end)] {
            if !(factor.is_finite() && factor > 0.0) {
                return Err(Error::options(format!(
                    "`{name}` is {factor}, expected a number above 0"
                )));
            }
        }
        Ok(Self(options))
    }
}

impl UpdateStrategy for Curriculum {
    fn budgets(&self, run: &RunShape) -> Result<Vec<u64>> {
        let Options { shape, start, end, .. } = self.0;
        Ok(budgets(shape, start, end, run.budget, run.epochs, run.num_samples))
    }

    fn plan(&mut self, _: &Host<'_>, epoch: &Epoch) -> Result<Update> {
        let all: Vec<SampleId> = (0..epoch.run.num_samples).collect();
        let rescore = match self.0.rescore {
            Rescore::FirstEpoch if epoch.epoch > 0 => Vec::new(),
            _ => all.clone(),
        };
        let budget = self.budgets(&epoch.run)?[epoch.epoch as usize];
        Ok(Update { rescore, candidates: all, action: Action::Pick { budget } })
    }
}

iterit_sdk::export_plugin! {
    strategy: { "curriculum" => Curriculum },
}

#[cfg(test)]
mod tests {
    use super::*;
    use iterit_sdk::testkit::FakeHost;

    iterit_sdk::conformance!(curriculum_conforms: strategy Curriculum);
    iterit_sdk::conformance!(scoring_once_conforms: strategy Curriculum,
        options: r#"{"rescore": "first-epoch", "shape": "cosine", "start": 0.1, "end": 1}"#);

    #[test]
    fn plans_follow_the_budgets_and_score_when_asked_to() {
        let run = RunShape { num_samples: 10, epochs: 3, budget: 4 };
        for (rescore, scored) in [(Rescore::EveryEpoch, 10), (Rescore::FirstEpoch, 0)] {
            let mut strategy = Curriculum::new(Options { rescore, ..Options::default() }).unwrap();
            let host = FakeHost::new(1);
            let plan = strategy.plan(&Host::new(&host), &Epoch { epoch: 1, run }).unwrap();
            assert_eq!(plan.action, Action::Pick { budget: 5 });
            assert_eq!((plan.rescore.len(), plan.candidates.len()), (scored, 10));
        }
    }

    #[test]
    fn a_factor_that_is_no_amount_is_refused() {
        for start in [0.0, -1.0, f64::INFINITY, f64::NAN] {
            assert!(Curriculum::new(Options { start, ..Options::default() }).is_err(), "{start}");
        }
    }
}
