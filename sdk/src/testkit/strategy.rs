//! What the trainer relies on in an update strategy: checked over whole runs against the fake host.

use super::{
    FakeHost,
    subject::{Subject, suite},
    verdict::{Check, Outcome, Succeeds, ensure, fails},
};
use crate::{
    Action, Epoch, ErrorKind, Host, Model, RunShape, SampleId, ScoreRow, Services, Update,
    UpdateStrategy,
};

type Strategy = Subject<dyn UpdateStrategy>;

suite!(UpdateStrategy, CHECKS);

const CHECKS: &[Check<Strategy>] = &[
    ("gives each epoch a budget", gives_each_epoch_a_budget),
    ("plans what its budgets say", plans_what_its_budgets_say),
    ("plans the same again", plans_the_same_again),
    ("passes errors of the host on", passes_errors_on),
    ("refuses unknown options", Strategy::refuses_unknown_options),
    ("reads its own defaults", Strategy::reads_its_own_defaults),
    ("goes on after a restore", goes_on_after_a_restore),
];

const RUNS: [RunShape; 4] = [
    RunShape { num_samples: 64, epochs: 4, budget: 6 },
    RunShape { num_samples: 64, epochs: 1, budget: 64 },
    RunShape { num_samples: 5, epochs: 3, budget: 1 },
    RunShape { num_samples: 40, epochs: 0, budget: 4 },
];

/// A run as the trainer makes it, with a fake model that is another one every epoch.
struct Run {
    shape: RunShape,
    host: FakeHost,
}

impl Run {
    fn new(shape: RunShape) -> Self {
        Self { shape, host: FakeHost::new(1).with_samples(shape.num_samples) }
    }

    fn plan(
        &self,
        strategy: &mut dyn UpdateStrategy,
        epoch: u32,
    ) -> std::result::Result<Update, String> {
        let stage = Epoch { epoch, run: self.shape };
        strategy.plan(&Host::new(&self.host), &stage).succeeds(&format!("plan of epoch {epoch}"))
    }

    /// Scores and picks as asked; returns how many samples the epoch trains on.
    fn follow(&self, update: &Update, epoch: u32) -> std::result::Result<usize, String> {
        let rows = scored(&update.rescore, epoch)?;
        self.host.record_scores(epoch, &rows);
        let ids = match update.action {
            Action::Keep => self.kept(epoch)?,
            Action::TrainAll => (0..self.shape.num_samples).collect(),
            Action::Pick { budget } => {
                update.candidates.iter().copied().take(budget as usize).collect()
            }
        };
        let trained_on = ids.len();
        self.host.record_selection(ids);
        Ok(trained_on)
    }

    fn kept(&self, epoch: u32) -> std::result::Result<Vec<SampleId>, String> {
        let before = epoch.checked_sub(1).map(|before| self.host.selection_at(before));
        match before {
            Some(Ok(Some(ids))) => Ok(ids),
            _ => Err(format!("epoch {epoch} keeps what was picked before, and nothing was")),
        }
    }
}

/// Fake scores: the response's loss under that epoch's model, half of them eligible.
fn scored(ids: &[SampleId], epoch: u32) -> std::result::Result<Vec<ScoreRow>, String> {
    let losses = FakeHost::new(u64::from(epoch) + 1).response_nll(Model::Current, ids);
    let rows = ids.iter().zip(losses.succeeds("the fake model")?).map(|(&id, loss)| {
        let value = loss.conditional.mean() / loss.unconditional.mean();
        ScoreRow { id, value, eligible: value < 1.0, scored_at: epoch }
    });
    Ok(rows.collect())
}

/// Every plan of a run.
fn plans(
    strategy: &mut dyn UpdateStrategy,
    shape: RunShape,
) -> std::result::Result<Vec<Update>, String> {
    let run = Run::new(shape);
    let mut plans = Vec::new();
    for epoch in 0..shape.epochs {
        let update = run.plan(strategy, epoch)?;
        run.follow(&update, epoch)?;
        plans.push(update);
    }
    Ok(plans)
}

fn gives_each_epoch_a_budget(subject: &Strategy) -> Outcome {
    for shape in RUNS {
        subject.make()?.budgets(&shape).succeeds("budgets")?;
    }
    Ok(())
}

fn plans_what_its_budgets_say(subject: &Strategy) -> Outcome {
    for shape in RUNS {
        let mut strategy = subject.make()?;
        let budgets = strategy.budgets(&shape).succeeds("budgets")?;
        let run = Run::new(shape);
        for (epoch, budget) in (0..).zip(budgets) {
            let update = run.plan(&mut *strategy, epoch)?;
            let asked = match update.action {
                Action::Pick { budget } => budget,
                Action::Keep => run.kept(epoch)?.len() as u64,
                Action::TrainAll => shape.num_samples,
            };
            // A pick may fall short where too few candidates are eligible, never exceed.
            let fits = match update.action {
                Action::Keep => asked <= budget,
                Action::Pick { .. } | Action::TrainAll => asked == budget,
            };
            ensure(fits, || {
                format!("epoch {epoch} trains on {asked} samples, its budget said {budget}")
            })?;
            run.follow(&update, epoch)?;
        }
    }
    Ok(())
}

fn plans_the_same_again(subject: &Strategy) -> Outcome {
    for shape in RUNS {
        same(&plans(&mut *subject.make()?, shape)?, &plans(&mut *subject.make()?, shape)?)?;
    }
    Ok(())
}

fn passes_errors_on(subject: &Strategy) -> Outcome {
    let shape = RUNS[0];
    let (run, mut strategy) = (Run::new(shape), subject.make()?);
    run.follow(&run.plan(&mut *strategy, 0)?, 0)?;
    let before = run.host.calls();
    run.plan(&mut *strategy, 1)?;
    for call in before..run.host.calls() {
        let failing = Run { shape, host: Run::new(shape).host.failing_after(call) };
        let mut strategy = subject.make()?;
        failing.follow(&failing.plan(&mut *strategy, 0)?, 0)?;
        let result = strategy.plan(&Host::new(&failing.host), &Epoch { epoch: 1, run: shape });
        let error = fails(result, "a service failed and `plan` did not: use `?`")?;
        ensure(error.kind() == ErrorKind::Host, || {
            format!("a service failed and `plan` said instead: {error}")
        })?;
    }
    Ok(())
}

fn goes_on_after_a_restore(subject: &Strategy) -> Outcome {
    let shape = RUNS[0];
    let expected = plans(&mut *subject.make()?, shape)?;
    let run = Run::new(shape);
    let mut found = Vec::new();
    let mut state = Vec::new();
    for epoch in 0..shape.epochs {
        // A new process for every epoch.
        let mut strategy = subject.make()?;
        if epoch > 0 {
            strategy.restore(&state).succeeds("restore")?;
        }
        let update = run.plan(&mut *strategy, epoch)?;
        run.follow(&update, epoch)?;
        found.push(update);
        state = strategy.save().succeeds("save")?;
    }
    same(&found, &expected)
}

fn same(found: &[Update], expected: &[Update]) -> Outcome {
    for (epoch, (found, expected)) in found.iter().zip(expected).enumerate() {
        ensure(found == expected, || {
            format!("epoch {epoch} was planned as {expected:?}, then as {found:?}")
        })?;
    }
    Ok(())
}
