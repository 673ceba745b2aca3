//! Runs a plan to its end, or on from where it was stopped.

use super::arm::Run;
use super::ledger::Ledger;
use super::plan::Plan;
use super::result::ArmResult;
use crate::{Error, Result};

/// The results of all runs, in the plan's order: those on file, and the others from `run_one`, each
/// kept as soon as it is there. The first error ends it; what has finished stays.
///
/// # Errors
/// What `run_one` or the ledger says, or a result that cannot be compared.
pub fn drive(
    plan: &Plan,
    ledger: &Ledger,
    mut run_one: impl FnMut(Run<'_>) -> Result<ArmResult>,
) -> Result<Vec<ArmResult>> {
    let mut results = Vec::new();
    for run in plan.runs() {
        if let Some(result) = ledger.finished(plan, run)? {
            results.push(result);
            continue;
        }
        let result = run_one(run)?;
        result.check()?;
        if result.arm != run.arm.name || result.seed != run.seed {
            return Err(Error::Run(format!(
                "arm `{}`, seed {} gave a result of arm `{}`, seed {}",
                run.arm.name, run.seed, result.arm, result.seed
            )));
        }
        ledger.store(plan, run, &result)?;
        results.push(result);
    }
    Ok(results)
}
