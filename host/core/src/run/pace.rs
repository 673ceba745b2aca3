//! How a run goes along its schedule: by steps, or by tokens where those are what is limited.

use super::state::RunState;
use crate::schedule::Schedule;

/// Fixed by the strategy's budgets before the first step.
pub(super) struct Pace {
    /// The rate of every step.
    pub(super) schedule: Schedule,
    /// Tokens that the run is to train on, where they are limited.
    pub(super) tokens: Option<u64>,
}

impl Pace {
    /// The rate of the step about to be taken. Where tokens are limited, arms of long and of short
    /// samples take unequal steps, and the rate follows the tokens: at equal tokens it is equal.
    pub(super) fn learning_rate(&self, state: &RunState) -> f64 {
        let Some(tokens) = self.tokens else { return self.schedule.learning_rate(state.step) };
        let all = self.schedule.total_steps as f64;
        let share = state.tokens as f64 / tokens.max(1) as f64;
        self.schedule.rate_at((share * all).min(all))
    }
}
