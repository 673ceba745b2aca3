//! The arms of a plan, each looked at before anything runs. All faults are told at once, each once.

use crate::wiring::Choosers;
use iterit_core::compare::{Arm, Plan, Run};
use iterit_core::config::Config;
use iterit_core::observer::Observer;
use iterit_core::{Error, Result};

/// An arm that could run.
pub(super) struct CheckedArm<'a> {
    pub(super) arm: &'a Arm,
    /// With the arm's first seed.
    pub(super) config: Config,
    pub(super) choosers: Choosers,
}

/// Faults of any number of things that do not depend on each other.
#[derive(Default)]
pub(super) struct Faults(Vec<String>);

impl Faults {
    /// What came of one of them, if it has no fault.
    pub(super) fn take<T>(&mut self, result: Result<T>) -> Option<T> {
        let faults = match result {
            Ok(value) => return Some(value),
            Err(Error::Config(faults)) => faults,
            Err(other) => vec![other.to_string()],
        };
        for fault in faults {
            if !self.0.contains(&fault) {
                self.0.push(fault);
            }
        }
        None
    }

    /// All there are.
    pub(super) fn told(self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::Config(self.0)) }
    }
}

/// Every arm's configuration and plugins; an arm with a fault is left out.
pub(super) fn arms<'a>(
    plan: &'a Plan,
    observer: &dyn Observer,
    faults: &mut Faults,
) -> Vec<CheckedArm<'a>> {
    let mut checked = Vec::new();
    for arm in &plan.arms {
        let Some(&seed) = arm.seeds.first() else { continue };
        let Some(config) = faults.take(plan.run_config(Run { arm, seed })) else { continue };
        let found = Choosers::find(&config, observer).map_err(|error| named(arm, error));
        let Some(choosers) = faults.take(found) else { continue };
        checked.push(CheckedArm { arm, config, choosers });
    }
    checked
}

/// Says which arm it is.
pub(super) fn named(arm: &Arm, error: Error) -> Error {
    match error {
        Error::Config(faults) => Error::Config(
            faults.into_iter().map(|fault| format!("arm `{}`: {fault}", arm.name)).collect(),
        ),
        other => Error::config(format!("arm `{}`: {other}", arm.name)),
    }
}
