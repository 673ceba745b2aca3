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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learner::{Learner, NoModel};
    use crate::record::{RunManifest, RunRecord};
    use std::cell::Cell;
    use std::collections::BTreeMap;
    use std::path::Path;

    fn plan() -> Plan {
        Plan::new(&["ifd".into(), "length".into()], &[1, 2], "").unwrap()
    }

    fn ledger(root: &Path, model: &str) -> Ledger {
        Ledger::new(root, BTreeMap::from([("model".into(), model.into())]))
    }

    /// Any figures that differ from run to run and hold every bit.
    fn result(run: Run<'_>) -> ArmResult {
        let base = run.arm.name.len() as f64 / 3.0 + run.seed as f64 / 7.0;
        let manifest = RunManifest {
            iterit: "0.1.0".into(),
            seed: run.seed,
            num_samples: 2,
            budget: 1,
            epochs: 0,
            total_steps: 0,
            model: NoModel.facts(),
            plugins: Vec::new(),
            sha256: BTreeMap::new(),
        };
        ArmResult {
            arm: run.arm.name.clone(),
            seed: run.seed,
            held_out: vec![base, base / 3.0, 0.1 + 0.2],
            response_tokens: vec![3, 4, 5],
            record: RunRecord {
                manifest,
                epochs: Vec::new(),
                steps: Vec::new(),
                scores: Vec::new(),
                selections: Vec::new(),
            },
        }
    }

    #[test]
    fn what_was_killed_goes_on_and_ends_the_same() {
        let plan = plan();
        let whole = tempfile::tempdir().unwrap();
        let expected = drive(&plan, &ledger(whole.path(), "m"), |run| Ok(result(run))).unwrap();
        assert_eq!(expected.len(), 7);
        let folder = tempfile::tempdir().unwrap();
        let ledger = ledger(folder.path(), "m");
        for (killed_after, pending) in [(0, 7), (3, 4), (2, 2)] {
            let left = Cell::new(killed_after);
            let killed = drive(&plan, &ledger, |run| match left.get() {
                0 => Err(Error::Cancelled),
                more => {
                    left.set(more - 1);
                    Ok(result(run))
                }
            });
            assert!(matches!(killed, Err(Error::Cancelled)));
            assert_eq!(ledger.pending(&plan).unwrap().len(), pending);
        }
        let mut runs = 0;
        let found = drive(&plan, &ledger, |run| {
            runs += 1;
            Ok(result(run))
        });
        assert_eq!((found.unwrap(), runs), (expected, 2));
    }

    #[test]
    fn results_of_something_else_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let run_all = |plan: &Plan, model: &str| {
            drive(plan, &ledger(folder.path(), model), |run| Ok(result(run)))
        };
        run_all(&plan(), "m").unwrap();
        let refused = |plan: &Plan, model: &str| {
            let error = run_all(plan, model).unwrap_err().to_string();
            assert!(error.contains("made from another model, data"), "{error}");
        };
        refused(&plan(), "another model");
        refused(&Plan { base: "[train]\nepochs = 9".into(), ..plan() }, "m");
        // A further arm changes nothing for those that are there.
        let more = Plan::new(&["ifd".into(), "length".into(), "x".into()], &[1, 2], "").unwrap();
        assert_eq!(run_all(&more, "m").unwrap().len(), 9);
    }

    #[test]
    fn a_result_must_be_the_runs_own_and_comparable() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = ledger(folder.path(), "m");
        let swapped = drive(&plan(), &ledger, |run| Ok(ArmResult { seed: 9, ..result(run) }));
        assert!(swapped.unwrap_err().to_string().contains("gave a result of arm `ifd`, seed 9"));
        let broken =
            drive(&plan(), &ledger, |run| Ok(ArmResult { held_out: vec![], ..result(run) }));
        assert!(broken.unwrap_err().to_string().contains("expected two or more"));
        assert_eq!(ledger.pending(&plan()).unwrap().len(), 7);
    }
}
