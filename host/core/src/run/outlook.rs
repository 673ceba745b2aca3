//! How long a run will still take, told once, by what its first steps took. What was told before the
//! start was measured on forward passes alone.

use super::{Run, RunState};
use crate::report::format::{count, seconds};
use iterit_sdk::LogLevel;

/// Steps that are measured. The first pays for what later ones find ready, and is left out.
const STEPS: u64 = 8;

/// What this process has seen of the training speed.
#[derive(Debug, Default)]
pub(super) struct Outlook {
    steps: u64,
    tokens: u64,
    seconds: f64,
}

impl Outlook {
    /// One more step; whether enough were seen now.
    pub(super) fn see(&mut self, tokens: u64, seconds: f64) -> bool {
        self.steps += 1;
        if self.steps > 1 {
            self.tokens += tokens;
            self.seconds += seconds;
        }
        self.steps == STEPS
    }

    fn tokens_per_second(&self) -> f64 {
        self.tokens as f64 / self.seconds.max(1e-9)
    }
}

impl Run<'_> {
    /// Says how much time is left, where it is worth a line. `steps` are those of the whole run.
    pub(super) fn tell_outlook(&self, outlook: &Outlook, steps: u64) {
        const WORTH_A_LINE: f64 = 60.0;
        let training = training_seconds(&self.state, outlook.tokens_per_second(), steps);
        let scoring = scoring_seconds(&self.state, self.options.train.epochs);
        if training + scoring < WORTH_A_LINE {
            return;
        }
        let scoring = match scoring >= 1.0 {
            true => format!(", and up to {} of scoring", seconds(scoring)),
            false => String::new(),
        };
        let message = format!(
            "training at {} tokens/s: about {} of it left{scoring}",
            count(outlook.tokens_per_second().round() as u64),
            seconds(training)
        );
        self.say(LogLevel::Info, &message);
    }
}

/// Seconds of the steps that are left, as long as those so far in the mean.
fn training_seconds(state: &RunState, tokens_per_second: f64, steps: u64) -> f64 {
    let tokens_a_step = state.tokens as f64 / state.step.max(1) as f64;
    steps.saturating_sub(state.step) as f64 * tokens_a_step / tokens_per_second
}

/// Seconds of scoring before the epochs that are left, if each takes what this one took. Strategies
/// that score less later take less.
fn scoring_seconds(state: &RunState, epochs: u32) -> f64 {
    let this = state.in_progress.as_ref().map_or(0.0, |epoch| epoch.seconds.scoring);
    f64::from(epochs.saturating_sub(state.epoch + 1)) * this
}

#[cfg(test)]
mod tests {
    use super::super::EpochInProgress;
    use super::*;
    use crate::record::Seconds;

    #[test]
    fn what_is_left_goes_by_what_was_seen() {
        let mut outlook = Outlook::default();
        let seen: Vec<bool> =
            (0..10).map(|step| outlook.see(100, if step == 0 { 50.0 } else { 2.0 })).collect();
        assert_eq!(seen.iter().position(|seen| *seen), Some(7), "once, after eight steps");
        assert_eq!(seen.iter().filter(|seen| **seen).count(), 1);
        assert_eq!(outlook.tokens_per_second(), 50.0, "the first step is left out");
        let seconds = Seconds { scoring: 30.0, ..Seconds::default() };
        let in_progress = Some(EpochInProgress { seconds, ..EpochInProgress::default() });
        let state =
            RunState { epoch: 1, step: 10, tokens: 1000, in_progress, ..RunState::default() };
        assert_eq!(training_seconds(&state, 50.0, 40), 30.0 * 100.0 / 50.0);
        assert_eq!(scoring_seconds(&state, 4), 60.0);
        assert_eq!(scoring_seconds(&state, 2), 0.0);
    }
}
