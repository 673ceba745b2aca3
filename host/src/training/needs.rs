//! The memory that a run needs, told before it begins. A proxy's own is not among it.

use crate::progress::bytes;
use iterit_core::corpus::Corpus;
use iterit_core::memory::MemoryNeed;
use iterit_core::models::Models;

/// For a step of the longest samples, as many as a step has; absent where the model cannot say.
pub(crate) fn of_longest_step(
    models: &Models,
    corpus: &Corpus,
    batch: usize,
) -> Option<MemoryNeed> {
    let samples = corpus.longest_trained(batch);
    let asked = (0..corpus.num_samples()).map(|id| corpus.encoded(id).training_tokens()).sum();
    models.ask(|learner| learner.memory(&samples, asked))
}

/// In words. Not as a bound: kernels, the C library and the program itself take more, on a CPU much more.
pub(crate) fn told(need: &MemoryNeed) -> String {
    let MemoryNeed { device, weights, gradients, optimizer, activations, training, scoring } = need;
    format!(
        "about {} of tensors on {device}: weights {}, optimizer {}, and in a step of the longest samples gradients {} and \
         activations {}, up to {} together; for what is asked {} beside the weights",
        bytes(need.peak()),
        bytes(*weights),
        bytes(*optimizer),
        bytes(*gradients),
        bytes(*activations),
        bytes(training.saturating_sub(weights + optimizer)),
        bytes(*scoring),
    )
}
