//! The learning rate of every step. Pure float64, fixed before the first step.
//!
//! With S steps in all, W of them warm-up: lr(s) = base · s / W below W, then
//! base · ½(1 + cos π(s − W)/(S − W)) for `cosine`, base · (S − s)/(S − W) for `linear`, base for
//! `constant`. s counts from 0, so the first step of a warm-up has rate 0, as in transformers.

use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// How the rate falls after warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decay {
    /// Along half a cosine, to 0.
    #[default]
    Cosine,
    /// Along a line, to 0.
    Linear,
    /// Not at all.
    Constant,
}

/// The rate of every step of a run.
///
/// ```
/// use iterit_core::schedule::{Decay, Schedule};
/// let schedule = Schedule::new(1e-3, Decay::Cosine, 0.03, 15);
/// assert_eq!(schedule.warmup_steps, 1);
/// assert_eq!(schedule.learning_rate(0), 0.0);
/// assert_eq!(schedule.learning_rate(1), 1e-3);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// The rate at the end of warm-up.
    pub base: f64,
    /// How it falls.
    pub decay: Decay,
    /// W: steps of warm-up.
    pub warmup_steps: u64,
    /// S: steps in all.
    pub total_steps: u64,
}

impl Schedule {
    /// W = ⌈`warmup_ratio` · S⌉.
    pub fn new(base: f64, decay: Decay, warmup_ratio: f64, total_steps: u64) -> Self {
        let warmup_steps = (warmup_ratio * total_steps as f64).ceil() as u64;
        Self { base, decay, warmup_steps, total_steps }
    }

    /// lr(s) of the step after `step` steps.
    pub fn learning_rate(&self, step: u64) -> f64 {
        self.rate_at(step as f64)
    }

    /// lr(s) between steps, for what is not counted in steps.
    pub fn rate_at(&self, step: f64) -> f64 {
        let warmup = self.warmup_steps as f64;
        if step < warmup {
            return self.base * step / warmup;
        }
        let progress =
            (step - warmup) / self.total_steps.saturating_sub(self.warmup_steps).max(1) as f64;
        self.base
            * match self.decay {
                Decay::Cosine => 0.5 * (1.0 + (PI * progress).cos()),
                Decay::Linear => (1.0 - progress).max(0.0),
                Decay::Constant => 1.0,
            }
    }
}

/// Σ ⌈budget / G⌉: the optimizer steps of a run whose epochs train on these many samples.
pub fn total_steps(budgets: &[u64], batch: u64) -> u64 {
    budgets.iter().map(|budget| budget.div_ceil(batch)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_of_transformers() {
        // get_cosine_schedule_with_warmup(1 of 15) and get_linear_schedule_with_warmup(2 of 10),
        // as transformers computes them.
        let cosine = Schedule::new(1e-3, Decay::Cosine, 0.03, 15);
        assert!((cosine.learning_rate(2) - 0.000_987_463_956_090_911_8).abs() < 1e-18);
        let linear = Schedule::new(1.0, Decay::Linear, 0.2, 10);
        let rates: Vec<f64> = (0..10).map(|step| linear.learning_rate(step)).collect();
        let expected = [0.0, 0.5, 1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125];
        assert_eq!(rates, expected);
        let constant = Schedule::new(2.0, Decay::Constant, 0.0, 3);
        assert_eq!(constant.learning_rate(0), 2.0);
    }

    #[test]
    fn the_last_step_of_an_epoch_takes_what_is_left() {
        assert_eq!(total_steps(&[20, 20, 20], 8), 9);
        assert_eq!(total_steps(&[], 8), 0);
    }
}
