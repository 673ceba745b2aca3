//! Watches what a scorer asks the host for, to know whether its answer holds for other runs too.

use iterit_sdk::{Call, Tap};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Remembers what was asked for.
#[derive(Default)]
pub(super) struct Witness {
    asked_a_model: AtomicBool,
    asked_for_the_run: AtomicBool,
}

impl Witness {
    /// Whether a model worked for the answer. If none did, asking again costs little, and what the
    /// answer was made from is unknown.
    pub(super) fn asked_a_model(&self) -> bool {
        self.asked_a_model.load(Relaxed)
    }

    /// Whether the answer may rest on what sets one run apart from another, its seed.
    pub(super) fn asked_for_the_run(&self) -> bool {
        self.asked_for_the_run.load(Relaxed)
    }
}

impl Tap for Witness {
    fn pass<T>(&self, call: Call, work: impl FnOnce() -> T) -> T {
        match call {
            Call::ResponseNll
            | Call::TokenNll
            | Call::PromptedNll
            | Call::Embeddings
            | Call::LogitStatistics => self.asked_a_model.store(true, Relaxed),
            Call::Scores | Call::ScoresAt | Call::SelectionAt | Call::Seed => {
                self.asked_for_the_run.store(true, Relaxed);
            }
            // The same in every run of a comparison.
            Call::NumSamples
            | Call::NumTargetSamples
            | Call::Sample
            | Call::TrainingTargets
            | Call::TokenCounts
            | Call::Threads
            | Call::Progress
            | Call::IsCancelled
            | Call::Log => {}
        }
        work()
    }
}
