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
