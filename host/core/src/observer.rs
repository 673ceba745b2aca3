//! What a person sees of a run. The host draws it; the loop only reports.

use crate::learner::Watch;
use crate::record::{EpochRecord, Evaluation, StepRecord};
use iterit_sdk::LogLevel;

/// The long parts of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Reading and tokenizing.
    Tokenizing,
    /// Forward passes for scores; counts samples.
    Scoring,
    /// The greedy pick; counts picks.
    Picking,
    /// Optimizer steps; counts samples.
    Training,
    /// The held-out loss; counts samples.
    Evaluating,
}

/// Hears how a run goes, and says whether to stop it. Progress belongs to the phase begun last.
pub trait Observer: Watch {
    /// A long part begins, for an epoch where it belongs to one.
    fn begin(&self, phase: Phase, epoch: Option<u32>);
    /// The part begun last has ended.
    fn end(&self, phase: Phase);
    /// An optimizer step was taken and written down.
    fn step(&self, _record: &StepRecord) {}
    /// The held-out samples were asked in the midst of an epoch; what they say at its end, the epoch says.
    fn evaluated(&self, _record: &Evaluation) {}
    /// An epoch has ended.
    fn epoch(&self, record: &EpochRecord);
    /// Something to tell the user; `source` is a plugin's name, or empty for the host itself.
    fn say(&self, level: LogLevel, source: &str, message: &str);
}
