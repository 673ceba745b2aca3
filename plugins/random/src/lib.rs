//! The `random` plugin: a fresh uniform draw of the budget before every epoch; and `static-random`:
//! one draw for the whole run. The honest baselines of every selection.
//!
//! Here are the plans; the draw is in [`mod@draw`].

pub mod draw;

use draw::draw;
use iterit_sdk::{
    Action, Epoch, Host, NoOptions, Plugin, Result, RunShape, Update, UpdateStrategy,
};

/// Draws before every epoch.
#[derive(Debug)]
pub struct Random;

impl Plugin for Random {
    type Options = NoOptions;

    fn new(_: NoOptions) -> Result<Self> {
        Ok(Self)
    }
}

impl UpdateStrategy for Random {
    fn budgets(&self, run: &RunShape) -> Result<Vec<u64>> {
        Ok(vec![run.budget; run.epochs as usize])
    }

    fn plan(&mut self, host: &Host<'_>, epoch: &Epoch) -> Result<Update> {
        Ok(train_on_draw(host, epoch))
    }
}

/// Draws before the first epoch and keeps the draw.
#[derive(Debug)]
pub struct StaticRandom;

impl Plugin for StaticRandom {
    type Options = NoOptions;

    fn new(_: NoOptions) -> Result<Self> {
        Ok(Self)
    }
}

impl UpdateStrategy for StaticRandom {
    fn budgets(&self, run: &RunShape) -> Result<Vec<u64>> {
        Ok(vec![run.budget; run.epochs as usize])
    }

    fn plan(&mut self, host: &Host<'_>, epoch: &Epoch) -> Result<Update> {
        if epoch.epoch > 0 {
            return Ok(Update {
                rescore: Vec::new(),
                candidates: Vec::new(),
                action: Action::Keep,
            });
        }
        Ok(train_on_draw(host, epoch))
    }
}

/// As many candidates as the budget, so all of them are picked. Nothing is scored: the draw must not
/// depend on what a model thinks.
fn train_on_draw(host: &Host<'_>, epoch: &Epoch) -> Update {
    let RunShape { num_samples, budget, .. } = epoch.run;
    let candidates = draw(host.seed(), epoch.epoch, num_samples, budget);
    Update { rescore: Vec::new(), candidates, action: Action::Pick { budget } }
}

iterit_sdk::export_plugin! {
    strategy: { "random" => Random, "static-random" => StaticRandom },
}

#[cfg(test)]
mod tests {
    use super::*;

    iterit_sdk::conformance!(random_conforms: strategy Random);
    iterit_sdk::conformance!(static_random_conforms: strategy StaticRandom);
}
