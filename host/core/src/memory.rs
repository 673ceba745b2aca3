//! What a model needs of its device's memory, by what it is for. Told before anything runs; what a model
//! needs is the learner's to know.

use serde::{Deserialize, Serialize};

/// Bytes on one device, of the largest step and the largest question.
///
/// ```
/// let memory = iterit_core::memory::MemoryNeed {
///     device: "cpu".into(), weights: 100, gradients: 100, optimizer: 200, activations: 50, training: 440, scoring: 30,
/// };
/// assert_eq!(memory.peak(), 440);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryNeed {
    /// `cpu`, `cuda:0` …
    pub device: String,
    /// Weights, frozen and trained, with the copy they are computed on where there is one.
    pub weights: u64,
    /// Gradients of all that is trained.
    pub gradients: u64,
    /// What the optimizer remembers.
    pub optimizer: u64,
    /// What a micro-batch keeps between its forward and its backward pass, logits included.
    pub activations: u64,
    /// The most at one time of a step. Less than the sum where gradients come as activations go.
    pub training: u64,
    /// What a question takes beside the weights and what the optimizer remembers.
    pub scoring: u64,
}

impl MemoryNeed {
    /// The most at any time.
    pub fn peak(&self) -> u64 {
        self.training.max(self.weights + self.optimizer + self.scoring)
    }
}
