//! The `static` plugin: every sample is scored and the budget picked once, by the untrained model;
//! all epochs train on that pick. IterIT calls it `baseline`.

use iterit_sdk::{
    Action, Epoch, Host, NoOptions, Plugin, Result, RunShape, Update, UpdateStrategy,
};

/// Picks before the first epoch and keeps the pick.
#[derive(Debug)]
pub struct Static;

impl Plugin for Static {
    type Options = NoOptions;

    fn new(_: NoOptions) -> Result<Self> {
        Ok(Self)
    }
}

impl UpdateStrategy for Static {
    fn budgets(&self, run: &RunShape) -> Result<Vec<u64>> {
        Ok(vec![run.budget; run.epochs as usize])
    }

    fn plan(&mut self, _: &Host<'_>, epoch: &Epoch) -> Result<Update> {
        if epoch.epoch > 0 {
            return Ok(Update {
                rescore: Vec::new(),
                candidates: Vec::new(),
                action: Action::Keep,
            });
        }
        let all: Vec<u64> = (0..epoch.run.num_samples).collect();
        let action = Action::Pick { budget: epoch.run.budget };
        Ok(Update { rescore: all.clone(), candidates: all, action })
    }
}

iterit_sdk::export_plugin! {
    strategy: { "static" => Static },
}

#[cfg(test)]
mod tests {
    use super::*;

    iterit_sdk::conformance!(static_conforms: strategy Static);
}
