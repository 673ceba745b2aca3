//! The `iterative` plugin: IterIT's update strategy (arXiv 2412.17365). Before the first epoch every
//! sample is scored; before each later one only the most promising, and the pick is made among them.
//!
//! Here are the options and the plan; who is promising is decided in [`order`].

pub mod order;

use iterit_sdk::{
    Action, Epoch, Error, Host, Plugin, Result, RunShape, SampleId, Update, UpdateStrategy,
};
use order::{ReferenceOrder, top_ranked};
use serde::{Deserialize, Serialize};

/// The plugin's options.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// How many times the budget is scored again from the second epoch on; 1 scores every sample.
    pub update_ratio: u64,
    /// Who is scored again.
    pub pool: Pool,
}

/// Who belongs to the candidate pool from the second epoch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pool {
    /// The last picks, then the eligible samples by latest score, then the rest.
    #[default]
    TopRanked,
    /// As IterIT's published program has it: mostly the last picks and samples with IFD of 1 or more.
    Reference,
}

impl Default for Options {
    fn default() -> Self {
        Self { update_ratio: 3, pool: Pool::TopRanked }
    }
}

/// Scores a pool again and picks from it, before every epoch.
#[derive(Debug)]
pub struct Iterative {
    options: Options,
    /// Kept only for [`Pool::Reference`].
    reference: ReferenceOrder,
}

impl Plugin for Iterative {
    type Options = Options;

    fn new(options: Options) -> Result<Self> {
        if options.update_ratio == 0 {
            return Err(Error::options("`update_ratio` is 0, expected 1 (every sample) or more"));
        }
        Ok(Self { options, reference: ReferenceOrder::default() })
    }
}

impl UpdateStrategy for Iterative {
    fn budgets(&self, run: &RunShape) -> Result<Vec<u64>> {
        Ok(vec![run.budget; run.epochs as usize])
    }

    fn plan(&mut self, host: &Host<'_>, epoch: &Epoch) -> Result<Update> {
        let (rescore, candidates) = match self.options.pool {
            Pool::TopRanked => self.top_ranked_pool(host, epoch)?,
            Pool::Reference => self.reference_pool(host, epoch)?,
        };
        Ok(Update { rescore, candidates, action: Action::Pick { budget: epoch.run.budget } })
    }

    fn save(&self) -> Result<Vec<u8>> {
        Ok(self.reference.to_bytes())
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        self.reference = ReferenceOrder::from_bytes(state)?;
        Ok(())
    }
}

impl Iterative {
    /// The pool as it is scored, and as it is picked from: of equals the lowest id wins.
    fn top_ranked_pool(
        &self,
        host: &Host<'_>,
        epoch: &Epoch,
    ) -> Result<(Vec<SampleId>, Vec<SampleId>)> {
        let mut order: Vec<SampleId> = (0..epoch.run.num_samples).collect();
        if epoch.epoch > 0 {
            let picks = last_picks(host, epoch)?;
            order = top_ranked(epoch.run.num_samples, &picks, &host.scores()?);
        }
        order.truncate(self.pool_size(epoch));
        let mut candidates = order.clone();
        candidates.sort_unstable();
        Ok((order, candidates))
    }

    /// The same list twice: of equals the first in the order now in force wins.
    fn reference_pool(
        &mut self,
        host: &Host<'_>,
        epoch: &Epoch,
    ) -> Result<(Vec<SampleId>, Vec<SampleId>)> {
        if epoch.epoch == 0 {
            self.reference = ReferenceOrder::of_input(epoch.run.num_samples);
        } else {
            if self.reference.ids().len() as u64 != epoch.run.num_samples {
                return Err(Error::msg(format!(
                    "the order of {} samples after epoch {} is not there\nhint: resume from a \
                     checkpoint made with `pool = \"reference\"`",
                    epoch.run.num_samples,
                    epoch.epoch - 1
                )));
            }
            self.reference.after_pick(&last_picks(host, epoch)?, &host.scores()?);
        }
        let pool = self.reference.take_pool(self.pool_size(epoch)).to_vec();
        Ok((pool.clone(), pool))
    }

    fn pool_size(&self, epoch: &Epoch) -> usize {
        let all = epoch.run.num_samples;
        let size = match (epoch.epoch, self.options.update_ratio) {
            (0, _) | (_, 1) => all,
            (_, ratio) => epoch.run.budget.saturating_mul(ratio).min(all),
        };
        size as usize
    }
}

fn last_picks(host: &Host<'_>, epoch: &Epoch) -> Result<Vec<SampleId>> {
    let last = epoch.epoch - 1;
    host.selection_at(last)?
        .ok_or_else(|| Error::msg(format!("the host has no selection of epoch {last}")))
}

iterit_sdk::export_plugin! {
    strategy: { "iterative" => Iterative },
}

#[cfg(test)]
mod tests {
    use super::*;
    use iterit_sdk::{ScoreRow, testkit::FakeHost};

    iterit_sdk::conformance!(iterative_conforms: strategy Iterative);
    iterit_sdk::conformance!(reference_conforms: strategy Iterative, options: r#"{"pool": "reference", "update_ratio": 2}"#);
    iterit_sdk::conformance!(scoring_all_conforms: strategy Iterative, options: r#"{"update_ratio": 1}"#);

    /// Half the samples may be picked; the host picks the first candidates.
    fn run(options: Options) -> Vec<Update> {
        let host = FakeHost::new(1).with_samples(10);
        let run = RunShape { num_samples: 10, epochs: 2, budget: 2 };
        let mut strategy = Iterative::new(options).unwrap();
        let mut plan = |epoch| strategy.plan(&Host::new(&host), &Epoch { epoch, run }).unwrap();
        let first = plan(0);
        let row =
            |&id: &u64| ScoreRow { id, value: 0.2 * id as f64, eligible: id < 5, scored_at: 0 };
        host.record_scores(0, &first.rescore.iter().map(row).collect::<Vec<_>>());
        host.record_selection(vec![1, 3]);
        vec![first, plan(1)]
    }

    fn check(options: Options, rescored: &[SampleId], candidates: &[SampleId]) {
        let plans = run(options);
        let all: Vec<SampleId> = (0..10).collect();
        assert_eq!((&plans[0].rescore, &plans[0].candidates), (&all, &all));
        assert_eq!(plans[1].rescore, rescored, "{options:?}");
        assert_eq!(plans[1].candidates, candidates, "{options:?}");
        assert!(plans.iter().all(|plan| plan.action == Action::Pick { budget: 2 }));
    }

    #[test]
    fn the_pool_of_the_second_epoch() {
        let of = |pool, update_ratio| Options { update_ratio, pool };
        check(of(Pool::TopRanked, 3), &[1, 3, 4, 2, 0, 5], &[0, 1, 2, 3, 4, 5]);
        check(of(Pool::Reference, 3), &[1, 3, 5, 6, 7, 8], &[1, 3, 5, 6, 7, 8]);
        let all = [1, 3, 5, 6, 7, 8, 9, 4, 2, 0];
        check(of(Pool::Reference, 1), &all, &all);
        check(of(Pool::Reference, 9), &all, &all);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let options = Options { update_ratio: 0, ..Options::default() };
        assert!(Iterative::new(options).is_err());
        let mut fresh =
            Iterative::new(Options { pool: Pool::Reference, ..Options::default() }).unwrap();
        let run = RunShape { num_samples: 10, epochs: 2, budget: 2 };
        let host = FakeHost::new(1);
        let error = fresh.plan(&Host::new(&host), &Epoch { epoch: 1, run }).unwrap_err();
        assert!(error.message().starts_with("the order of 10 samples after epoch 0 is not there"));
    }
}
