//! What arms cost, before they are run and behind it: without a random draw that costs as much,
//! scoring included, nobody knows whether choosing is worth its price.

use super::arms::CheckedArm;
use iterit_core::compare::Cost;
use iterit_core::corpus::Corpus;

/// Seconds of a run.
#[derive(Clone, Copy, Default)]
pub(super) struct Predicted {
    /// Of scoring the pool once; 0 where no scorer asks a model.
    pub(super) scoring: f64,
    pub(super) training: f64,
}

impl Predicted {
    pub(super) fn seconds(self) -> f64 {
        self.scoring + self.training
    }
}

/// The share of a pool that a run of so many epochs may train on for this cost: as many samples of mean
/// length as have its tokens, all of them at most.
///
/// ratio = (trained + scored / 3) / (epochs · Σ tokens)
pub(super) fn ratio(cost: &Cost, pool: &Corpus, epochs: u32) -> f64 {
    let tokens = |id| pool.encoded(id).training_tokens() as f64;
    let of_an_epoch: f64 = (0..pool.num_samples()).map(tokens).sum();
    (cost.training_tokens() / (f64::from(epochs) * of_an_epoch)).min(1.0)
}

/// Names the random arm that costs what the dearest arm costs, where there is none.
pub(super) fn hint(arms: &[CheckedArm<'_>], predicted: &[Predicted]) -> Option<String> {
    if arms.iter().any(|checked| checked.arm.costs_as.is_some()) {
        return None;
    }
    let price = |predicted: &Predicted| predicted.scoring / predicted.training;
    let priced = arms.iter().zip(predicted.iter().map(price));
    let (dearest, price) = priced.max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    (price > 0.0).then(|| {
        format!(
            "hint: scoring the pool once costs `{name}` {price:.1} times its training (a token read costs \
             a third of one trained on); a random draw that costs as much is the arm {{ name = \"random, \
             equal compute\", plugins = \"random\", costs_as = \"{name}\" }}",
            name = dearest.arm.name,
        )
    })
}
