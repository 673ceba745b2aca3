//! What the course of a run decides: evaluations within epochs, the end by steps or by patience, and
//! which checkpoints are kept.

use super::*;
use crate::held_out::{best, without_improvement};

fn options_with(change: impl FnOnce(&mut TrainConfig)) -> RunOptions {
    let mut options = options();
    // Steps so long that the held-out loss goes down and up.
    options.train.learning_rate = 0.2;
    change(&mut options.train);
    options
}

fn run_with(folder: &Path, options: RunOptions) -> RunRecord {
    let patient = Impatient::new(u64::MAX);
    train_with(folder, plugins(Box::new(MeanLoss)), options, &patient).unwrap()
}

/// Evaluated every two steps; three steps are an epoch.
fn whole_course() -> Vec<Evaluation> {
    let folder = tempfile::tempdir().unwrap();
    run_with(folder.path(), options_with(|train| train.eval_every = 2)).evaluations
}

#[test]
fn evaluations_stand_where_they_were_asked_for_and_change_nothing() {
    let [plain, evaluated] = [0, 2].map(|every| {
        let folder = tempfile::tempdir().unwrap();
        timeless(run_with(folder.path(), options_with(|train| train.eval_every = every)))
    });
    let places = |record: &RunRecord| -> Vec<(u64, u32)> {
        record.evaluations.iter().map(|it| (it.step, it.epoch)).collect()
    };
    assert_eq!(places(&plain), [(3, 0), (6, 1), (9, 2)]);
    assert_eq!(places(&evaluated), [(2, 0), (3, 0), (4, 1), (6, 1), (8, 2), (9, 2)]);
    for (evaluation, epoch) in plain.evaluations.iter().zip(&plain.epochs) {
        assert_eq!(Some(evaluation.loss), epoch.eval_loss);
    }
    assert_eq!((plain.steps, plain.epochs), (evaluated.steps, evaluated.epochs));
}

#[test]
fn a_run_ends_after_its_last_step_and_the_rate_is_laid_over_them() {
    let folder = tempfile::tempdir().unwrap();
    let record = run_with(folder.path(), options_with(|train| train.max_steps = Some(4)));
    assert_eq!((record.steps.len(), record.epochs.len()), (4, 2));
    assert_eq!(record.epochs[1].steps, 4);
    let schedule = options_with(|_| ()).train.rates(4);
    for step in &record.steps {
        assert_eq!(step.lr, schedule.learning_rate(step.step));
    }
    // Told to go on it has nothing left to do.
    let again = run_with(folder.path(), options_with(|train| train.max_steps = Some(4)));
    assert_eq!(timeless(again), timeless(record));
}

#[test]
fn training_ends_when_the_held_out_loss_has_not_fallen_for_long_enough() {
    let course = whole_course();
    let mut ends = Vec::new();
    for patience in 1..=4 {
        let folder = tempfile::tempdir().unwrap();
        let options = options_with(|train| {
            train.eval_every = 2;
            train.patience = Some(patience);
        });
        let record = run_with(folder.path(), options);
        let is_enough = |&count: &usize| without_improvement(&course[..count]) >= patience;
        let expected = (1..=course.len()).find(is_enough).unwrap_or(course.len());
        assert_eq!(record.evaluations, course[..expected], "patience {patience}");
        assert_eq!(record.steps.len() as u64, course[expected - 1].step);
        ends.push(expected);
    }
    assert!(ends[0] < course.len(), "no patience ends this course early: {course:?}");
}

/// A curve has one point a step, whether an evaluation falls on an epoch's last step or ends the epoch.
#[test]
fn an_observer_hears_of_each_evaluation_once() {
    let patiences = [None, Some(1), Some(2), Some(3)];
    let cases = (1..=3).flat_map(|every| patiences.map(|patience| (every, patience)));
    for (every, patience) in cases {
        let folder = tempfile::tempdir().unwrap();
        let options = options_with(|train| {
            (train.eval_every, train.patience) = (every, patience);
        });
        let observer = Impatient::new(u64::MAX);
        let plugins = plugins(Box::new(MeanLoss));
        let record = train_with(folder.path(), plugins, options, &observer).unwrap();
        let mut heard = observer.evaluated.lock().unwrap().clone();
        heard.extend(observer.epochs.lock().unwrap().iter().map(|epoch| epoch.steps));
        heard.sort_unstable();
        let asked: Vec<u64> = record.evaluations.iter().map(|it| it.step).collect();
        assert_eq!(heard, asked, "every {every}, patience {patience:?}");
    }
}

#[test]
fn the_best_checkpoint_is_kept_beside_the_newest() {
    let course = whole_course();
    let best = best(&course).unwrap().step;
    for model in [FinalModel::Last, FinalModel::Best] {
        let folder = tempfile::tempdir().unwrap();
        let options = options_with(|train| train.eval_every = 2);
        run_with(folder.path(), RunOptions { keep: 1, model, ..options });
        let directory = RunDirectory::open(folder.path()).unwrap();
        let mut expected = vec![best, 9];
        expected.retain(|&step| step == 9 || model == FinalModel::Best);
        expected.dedup();
        let there = directory.checkpoints().unwrap();
        assert_eq!(there.iter().map(|it| it.step).collect::<Vec<_>>(), expected, "{model:?}");
    }
}

#[test]
fn whatever_ends_a_run_it_can_be_interrupted_anywhere() {
    let by_steps = options_with(|train| {
        (train.epochs, train.eval_every) = (2, 2);
        train.max_steps = Some(5);
    });
    check_interruptions(&RunOptions { keep: 1, model: FinalModel::Best, ..by_steps });
    check_interruptions(&options_with(|train| {
        (train.epochs, train.eval_every) = (2, 1);
        train.patience = Some(1);
    }));
}

fn check_interruptions(options: &RunOptions) {
    let run = |folder: &Path, patience: u64| {
        let observer = Impatient::new(patience);
        let plugins = plugins(Box::new(MeanLoss));
        let record = train_with(folder, plugins, options.clone(), &observer);
        (record.map(timeless), observer.asked.load(Ordering::SeqCst))
    };
    let whole = tempfile::tempdir().unwrap();
    let (expected, questions) = run(whole.path(), u64::MAX);
    let expected = expected.unwrap();
    for patience in 0..questions {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(run(folder.path(), patience).0, Err(Error::Cancelled)));
        let resumed = run(folder.path(), u64::MAX).0.unwrap();
        assert_eq!(resumed, expected, "stopped after {patience} questions: {options:?}");
    }
}
