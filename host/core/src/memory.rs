//! What a model needs of its device's memory, by what it is for, and how much is run at a time so that this
//! fits. Told before anything runs; what a model needs is the learner's to know.

use serde::{Deserialize, Serialize};

/// Bytes on one device, of the largest step and the largest question.
///
/// ```
/// let memory = iterit_core::memory::MemoryNeed {
///     device: "cpu".into(), program: 60, weights: 100, gradients: 100, optimizer: 200, activations: 50, training: 440,
///     scoring: 30, proxy: 0,
/// };
/// assert_eq!(memory.peak(), 500);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryNeed {
    /// `cpu`, `cuda:0` …
    pub device: String,
    /// What the process had there before any weights: the program, its libraries, the texts. 0 on a GPU.
    pub program: u64,
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
    /// The weights of a second model that stands beside this one.
    pub proxy: u64,
}

impl MemoryNeed {
    /// The most at any time.
    pub fn peak(&self) -> u64 {
        self.program + self.proxy + self.training.max(self.weights + self.optimizer + self.scoring)
    }

    /// The same beside a second model that is asked and not trained.
    #[must_use]
    pub fn beside(self, proxy: &Self) -> Self {
        let scoring = self.scoring.max(proxy.scoring);
        Self { proxy: proxy.weights, scoring, ..self }
    }
}

/// How much is run at a time, chosen by the memory that was free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fit {
    /// Bytes that were free.
    pub free: u64,
    /// Of a step, where there is one.
    pub step: Option<Chosen>,
    /// Of a question.
    pub question: Chosen,
}

/// One choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chosen {
    /// Tokens at a time, padding included; nothing where somebody asked for a number of samples.
    pub tokens: Option<usize>,
    /// The same, had there been any amount of memory.
    pub wished: Option<usize>,
    /// Bytes that so much takes beside what was there already, with some to spare.
    pub needs: u64,
}
