//! What curves are called: one name for TensorBoard, for observers and for whoever reads on, in the terms
//! that trainers and their dashboards share. Pure; it writes nothing.

use crate::record::{EpochRecord, Evaluation, StepRecord};

/// A point of a curve, without its step.
pub type Metric = (&'static str, f64);

/// What an optimizer step says.
///
/// ```
/// use iterit_core::{metrics, record::StepRecord};
/// let step = StepRecord {
///     step: 7, epoch: 0, loss: 2.5, lr: 1e-5, grad_norm: 0.7, tokens: 90, tokens_per_second: 30.0,
/// };
/// assert_eq!(metrics::of_step(&step)[0], ("train/loss", 2.5));
/// ```
pub fn of_step(step: &StepRecord) -> Vec<Metric> {
    vec![
        ("train/loss", step.loss),
        ("train/learning_rate", step.lr),
        ("train/grad_norm", step.grad_norm),
        ("train/tokens_per_second", step.tokens_per_second),
    ]
}

/// What the held-out samples say in the midst of an epoch.
pub fn of_evaluation(evaluation: &Evaluation) -> Vec<Metric> {
    vec![("eval/loss", evaluation.loss)]
}

/// What an epoch says, at its last step. What was not measured is left out.
pub fn of_epoch(epoch: &EpochRecord) -> Vec<Metric> {
    let measured = [("eval/loss", epoch.eval_loss), ("selection/mean_score", epoch.mean_score)];
    let counted = [
        ("selection/picked", epoch.picked),
        ("selection/rescored", epoch.rescored),
        ("selection/eligible", epoch.eligible),
    ];
    let measured = measured.into_iter().filter_map(|(name, value)| Some((name, value?)));
    measured.chain(counted.map(|(name, count)| (name, count as f64))).collect()
}
