//! The `full` plugin: no selection. Every epoch trains on every sample, in input order, and nothing
//! is scored. The baseline that selection has to beat at a fraction of its steps.

use iterit_sdk::{
    Action, Epoch, Host, NoOptions, Plugin, Result, RunShape, Update, UpdateStrategy,
};

/// Trains on everything.
#[derive(Debug)]
pub struct Full;

impl Plugin for Full {
    type Options = NoOptions;

    fn new(_: NoOptions) -> Result<Self> {
        Ok(Self)
    }
}

impl UpdateStrategy for Full {
    fn budgets(&self, run: &RunShape) -> Result<Vec<u64>> {
        Ok(vec![run.num_samples; run.epochs as usize])
    }

    fn plan(&mut self, _: &Host<'_>, _: &Epoch) -> Result<Update> {
        Ok(Update { rescore: Vec::new(), candidates: Vec::new(), action: Action::TrainAll })
    }
}

iterit_sdk::export_plugin! {
    strategy: { "full" => Full },
}

#[cfg(test)]
mod tests {
    use super::*;

    iterit_sdk::conformance!(full_conforms: strategy Full);
}
