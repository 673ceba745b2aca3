//! Chooses anew every few epochs and stays with the choice between: epoch e picks where
//! e mod `every` = 0, and keeps otherwise.

use iterit_sdk::{Action, Epoch, Error, Host, Plugin, Result, RunShape, Update, UpdateStrategy};
use serde::{Deserialize, Serialize};

/// The section `[plugins.NAME]` of the configuration. A key that is not here is refused, and one
/// that is not given has its default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Epochs from one choice to the next; at least 1.
    pub every: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { every: 2 }
    }
}

/// The strategy: its options. What was scored and picked before, it would ask of the host.
#[derive(Debug)]
pub struct Strategy(Options);

impl Plugin for Strategy {
    type Options = Options;

    fn new(options: Options) -> Result<Self> {
        if options.every == 0 {
            return Err(Error::options("`every` is 0, expected 1 or more"));
        }
        Ok(Self(options))
    }
}

impl UpdateStrategy for Strategy {
    fn budgets(&self, run: &RunShape) -> Result<Vec<u64>> {
        // Known before the first step, since the learning-rate schedule depends on it.
        Ok(vec![run.budget; run.epochs as usize])
    }

    fn plan(&mut self, _: &Host<'_>, epoch: &Epoch) -> Result<Update> {
        if !epoch.epoch.is_multiple_of(self.0.every) {
            let (rescore, candidates) = (Vec::new(), Vec::new());
            return Ok(Update { rescore, candidates, action: Action::Keep });
        }
        let all: Vec<_> = (0..epoch.run.num_samples).collect();
        let action = Action::Pick { budget: epoch.run.budget };
        Ok(Update { rescore: all.clone(), candidates: all, action })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use iterit_sdk::testkit;

    // Everything the trainer relies on, over the real boundary.
    iterit_sdk::conformance!(conforms: strategy Strategy);
    iterit_sdk::conformance!(conforms_each_epoch: strategy Strategy, options: r#"{"every": 1}"#);

    #[test]
    fn picks_in_every_second_epoch() {
        let host = testkit::FakeHost::new(1);
        let mut strategy = testkit::strategy::<Strategy>("{}").unwrap();
        let run = RunShape { num_samples: 64, epochs: 4, budget: 6 };
        for epoch in 0..4 {
            let update = strategy.plan(&Host::new(&host), &Epoch { epoch, run }).unwrap();
            assert_eq!(update.action == Action::Keep, epoch % 2 == 1);
        }
    }

    #[test]
    fn refuses_to_choose_never() {
        let error = Strategy::new(Options { every: 0 }).unwrap_err();
        assert_eq!(error.message(), "`every` is 0, expected 1 or more");
    }
}
