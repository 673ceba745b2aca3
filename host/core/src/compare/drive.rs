//! Runs a plan to its end, or on from where it was stopped.

use super::arm::Run;
use super::ledger::Ledger;
use super::plan::Plan;
use super::result::{ArmResult, Judged};
use crate::{Error, Result};
use std::num::NonZeroUsize;
use std::sync::{Condvar, Mutex};
use std::thread;

/// The results of all runs, in the plan's order: those on file, and the others from `run_one`, each
/// kept as soon as it is there, up to `jobs` of them at a time. A run that may cost as much as another
/// begins when that one has its result.
///
/// A run that fails keeps no other from its turn; what has finished stays.
///
/// # Errors
/// [`Error::Cancelled`], else what the runs said that failed; one whose result cannot be compared is among them.
pub fn drive(
    plan: &Plan,
    ledger: &Ledger,
    jobs: NonZeroUsize,
    run_one: impl Fn(Run<'_>) -> Result<Judged> + Sync,
) -> Result<Vec<ArmResult>> {
    let pending = ledger.pending(plan);
    let workers = jobs.get().min(pending.len());
    let (queue, failed) = (Queue::new(pending), Mutex::new(Vec::new()));
    let is_ready = |run| plan.price_of(run).is_none_or(|dear| ledger.is_finished(dear));
    let work = || {
        while let Some(turn) = queue.next(is_ready) {
            let run = turn.run;
            let kept = run_one(run).and_then(|judged| {
                judged.check().map_err(Error::Run)?;
                ledger.store(run, &judged)
            });
            if let Err(error) = kept {
                let stop = matches!(error, Error::Cancelled);
                failed.lock().expect("no run panics while it holds the list").push((run, error));
                if stop {
                    return;
                }
            }
        }
    };
    thread::scope(|scope| {
        (0..workers).for_each(|_| {
            scope.spawn(work);
        });
    });
    told(failed.into_inner().expect("no run panicked while it held the list"))?;
    plan.runs().into_iter().map(|run| ledger.result(run)).collect()
}

/// Runs that wait for a worker, and some of them for another run.
struct Queue<'a> {
    state: Mutex<Waiting<'a>>,
    run_ended: Condvar,
}

struct Waiting<'a> {
    runs: Vec<Run<'a>>,
    under_way: usize,
}

impl<'a> Queue<'a> {
    fn new(runs: Vec<Run<'a>>) -> Self {
        Self { state: Mutex::new(Waiting { runs, under_way: 0 }), run_ended: Condvar::new() }
    }

    /// The first run that is ready, as soon as there is one; none where nothing that is under way
    /// could make one ready: what is left then waits for a run that failed.
    fn next(&self, is_ready: impl Fn(Run<'a>) -> bool) -> Option<Turn<'_, 'a>> {
        let mut state = self.state.lock().expect(UNHARMED);
        loop {
            if let Some(at) = state.runs.iter().position(|&run| is_ready(run)) {
                state.under_way += 1;
                return Some(Turn { queue: self, run: state.runs.remove(at) });
            }
            if state.runs.is_empty() || state.under_way == 0 {
                return None;
            }
            state = self.run_ended.wait(state).expect(UNHARMED);
        }
    }
}

/// A run under way. It ends when this is dropped, also by a panic: else whoever waits for it would wait for
/// ever.
struct Turn<'q, 'a> {
    queue: &'q Queue<'a>,
    run: Run<'a>,
}

impl Drop for Turn<'_, '_> {
    fn drop(&mut self) {
        self.queue.state.lock().expect(UNHARMED).under_way -= 1;
        self.queue.run_ended.notify_all();
    }
}

const UNHARMED: &str = "no run panics while it holds the queue";

/// One error of all, each named by its run; of equal ones the first stands for all.
fn told(failed: Vec<(Run<'_>, Error)>) -> Result<()> {
    if failed.iter().any(|(_, error)| matches!(error, Error::Cancelled)) {
        return Err(Error::Cancelled);
    }
    let mut faults: Vec<String> = Vec::new();
    let mut seen: Vec<String> = Vec::new();
    for (run, error) in failed {
        let said = error.to_string();
        if !seen.contains(&said) {
            faults.push(format!("arm `{}`, seed {}: {said}", run.arm.name, run.seed));
            seen.push(said);
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(Error::Config(faults)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::begun::Begun;
    use crate::learner::{Learner, NoModel};
    use crate::record::RunManifest;
    use crate::run_directory::RunDirectory;
    use std::collections::BTreeMap;
    use std::path::Path;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const TEXT: &str = "[compare]\narms = ['ifd', 'length']\nseeds = [1, 2]";

    fn plan() -> Plan {
        Plan::parse(TEXT, "exp.toml", &[]).unwrap()
    }

    fn ledger(root: &Path) -> Ledger {
        Ledger::begin(root, &Begun::new(&plan(), BTreeMap::new()).unwrap()).unwrap()
    }

    fn jobs(count: usize) -> NonZeroUsize {
        NonZeroUsize::new(count).unwrap()
    }

    /// A run's folder, and any figures that differ from run to run and hold every bit.
    fn run_one(ledger: &Ledger, run: Run<'_>) -> Result<Judged> {
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
            texts: None,
            identity: Default::default(),
            environment: Default::default(),
            resumed: Vec::new(),
        };
        RunDirectory::new(&ledger.run_folder(run))?.begin("", &manifest)?;
        let base = run.arm.name.len() as f64 / 3.0 + run.seed as f64 / 7.0;
        Ok(Judged {
            held_out: vec![base, base / 3.0, 0.1 + 0.2],
            response_tokens: vec![3, 4, 5],
            spared_seconds: 0.0,
            spared_tokens: 0,
        })
    }

    #[test]
    fn what_was_killed_goes_on_and_ends_the_same() {
        let plan = plan();
        let (whole, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let kept = ledger(whole.path());
        let expected = drive(&plan, &kept, jobs(1), |run| run_one(&kept, run)).unwrap();
        assert_eq!(expected.len(), 7);
        let ledger = ledger(folder.path());
        for (killed_after, pending) in [(0, 7), (3, 4), (2, 2)] {
            let left = AtomicUsize::new(killed_after);
            let take = |left: usize| left.checked_sub(1);
            let killed = drive(&plan, &ledger, jobs(2), |run| {
                match left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take) {
                    Err(_) => Err(Error::Cancelled),
                    Ok(_) => run_one(&ledger, run),
                }
            });
            assert!(matches!(killed, Err(Error::Cancelled)));
            assert_eq!(ledger.pending(&plan).len(), pending);
        }
        let runs = AtomicUsize::new(0);
        let found = drive(&plan, &ledger, jobs(3), |run| {
            runs.fetch_add(1, Ordering::SeqCst);
            run_one(&ledger, run)
        });
        assert_eq!((found.unwrap(), runs.into_inner()), (expected, 2));
    }

    #[test]
    fn a_failure_is_told_once_and_keeps_no_other_run_from_its_turn() {
        let folder = tempfile::tempdir().unwrap();
        let (plan, ledger) = (plan(), ledger(folder.path()));
        let failed = drive(&plan, &ledger, jobs(1), |run| match run.arm.name.as_str() {
            "ifd" => Err(Error::Run("no luck".into())),
            _ => run_one(&ledger, run),
        });
        assert_eq!(failed.unwrap_err().to_string(), "arm `ifd`, seed 1: no luck");
        assert_eq!(ledger.pending(&plan).len(), 2);
        let broken = drive(&plan, &ledger, jobs(1), |run| {
            run_one(&ledger, run).map(|judged| Judged { held_out: vec![], ..judged })
        });
        assert!(broken.unwrap_err().to_string().contains("expected two or more"));
    }

    #[test]
    fn a_run_that_costs_as_another_waits_for_it() {
        let text = "[compare]\nseeds = [1, 2]\nrefuse = ['random', 'full']\nbaseline = 'ifd'\narms = [\
                    { name = 'like', plugins = 'random', costs_as = 'ifd' }, 'ifd']";
        let plan = Plan::parse(text, "exp.toml", &[]).unwrap();
        for count in [1, 2, 4] {
            let folder = tempfile::tempdir().unwrap();
            let begun = Begun::new(&plan, BTreeMap::new()).unwrap();
            let ledger = Ledger::begin(folder.path(), &begun).unwrap();
            let broken = drive(&plan, &ledger, jobs(count), |run| match run.arm.costs_as {
                None => Err(Error::Run("no luck".into())),
                Some(_) => panic!("what it costs is not known"),
            });
            assert!(broken.unwrap_err().to_string().contains("arm `ifd`, seed 1: no luck"));
            let found = drive(&plan, &ledger, jobs(count), |run| {
                assert!(plan.price_of(run).is_none_or(|dear| ledger.is_finished(dear)));
                run_one(&ledger, run)
            });
            assert_eq!(found.unwrap().len(), 4);
        }
    }

    #[test]
    #[should_panic(expected = "a scoped thread panicked")]
    fn a_run_that_panics_lets_none_wait_for_ever() {
        let text = "[compare]\nseeds = [1]\nrefuse = ['random', 'full']\nbaseline = 'ifd'\narms = [\
                    { name = 'like', plugins = 'random', costs_as = 'ifd' }, 'ifd']";
        let plan = Plan::parse(text, "exp.toml", &[]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let begun = Begun::new(&plan, BTreeMap::new()).unwrap();
        let ledger = Ledger::begin(folder.path(), &begun).unwrap();
        let _ = drive(&plan, &ledger, jobs(2), |_| panic!("a plugin that breaks"));
    }
}
