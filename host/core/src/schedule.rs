//! The learning rate of every step. Pure float64, fixed before the first step.
//!
//! With S steps in all, W of them warm-up, the rate is lr(s) = base · f(s), s counted from 0, so that
//! the first step of a warm-up has rate 0, as in transformers. Below W f(s) = s / W; then, with
//! p = (s − W)/(S − W) and m the least share of the base that is left at the end:
//!
//! ```text
//! cosine                ½(1 + cos πp)
//! cosine_with_min_lr    ½(1 + cos πp)(1 − m) + m
//! linear                1 − p
//! constant              1
//! warmup_stable_decay   1 until D steps before the end, then g((s − S + D)/D)(1 − m) + m, where g is
//!                       1 − p, ½(1 + cos πp) or 1 − √p; its warm-up rises from m, not from 0
//! ```
//!
//! The last is MiniCPM's, <https://arxiv.org/abs/2404.06395>; 1 − √p is from
//! <https://arxiv.org/abs/2405.18392>.

use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// How the rate falls after warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decay {
    /// Along half a cosine, to 0.
    #[default]
    Cosine,
    /// Along a line, to 0.
    Linear,
    /// Not at all.
    #[serde(alias = "constant_with_warmup")]
    Constant,
    /// Along half a cosine, to a least rate.
    CosineWithMinLr,
    /// Not at all until the last steps, in which it falls to a least rate.
    WarmupStableDecay,
}

/// How the rate falls in the last part of [`Decay::WarmupStableDecay`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Fall {
    /// Along half a cosine.
    #[default]
    #[serde(rename = "cosine")]
    Cosine,
    /// Along a line.
    #[serde(rename = "linear")]
    Linear,
    /// Fast at first, as 1 − √p.
    #[serde(rename = "1-sqrt")]
    OneMinusSqrt,
}

/// The rate of every step of a run.
///
/// ```
/// use iterit_core::schedule::{Decay, Fall, Schedule};
/// let schedule = Schedule {
///     base: 1e-3,
///     decay: Decay::Cosine,
///     warmup_steps: 1,
///     total_steps: 15,
///     least: 0.0,
///     decay_steps: 0,
///     fall: Fall::Cosine,
/// };
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
    /// m: the share of the base that is left at the end, of the decays that have one.
    pub least: f64,
    /// D: the last steps, in which a rate that was stable falls.
    pub decay_steps: u64,
    /// How it falls in them.
    pub fall: Fall,
}

impl Schedule {
    /// lr(s) of the step after `step` steps.
    pub fn learning_rate(&self, step: u64) -> f64 {
        self.rate_at(step as f64)
    }

    /// lr(s) between steps, for what is not counted in steps.
    pub fn rate_at(&self, step: f64) -> f64 {
        let warmup = self.warmup_steps as f64;
        if step < warmup {
            return match self.decay {
                Decay::WarmupStableDecay => self.base * self.above_least(step / warmup),
                _ => self.base * step / warmup,
            };
        }
        let progress =
            (step - warmup) / self.total_steps.saturating_sub(self.warmup_steps).max(1) as f64;
        self.base
            * match self.decay {
                Decay::Cosine => half_cosine(progress),
                Decay::Linear => (1.0 - progress).max(0.0),
                Decay::Constant => 1.0,
                Decay::CosineWithMinLr => self.above_least(half_cosine(progress)),
                Decay::WarmupStableDecay => self.stable_then_falling(step),
            }
    }

    fn stable_then_falling(&self, step: f64) -> f64 {
        let steps = self.decay_steps.min(self.total_steps.saturating_sub(self.warmup_steps));
        let progress = (step - (self.total_steps - steps) as f64) / steps.max(1) as f64;
        if progress < 0.0 {
            return 1.0;
        }
        let progress = progress.min(1.0);
        self.above_least(match self.fall {
            Fall::Cosine => half_cosine(progress),
            Fall::Linear => 1.0 - progress,
            Fall::OneMinusSqrt => 1.0 - progress.sqrt(),
        })
    }

    /// x(1 − m) + m
    fn above_least(&self, share: f64) -> f64 {
        share * (1.0 - self.least) + self.least
    }
}

/// ½(1 + cos πp)
fn half_cosine(progress: f64) -> f64 {
    0.5 * (1.0 + (PI * progress).cos())
}

/// Σ ⌈budget / G⌉: the optimizer steps of a run whose epochs train on these many samples.
pub fn total_steps(budgets: &[u64], batch: u64) -> u64 {
    budgets.iter().map(|budget| budget.div_ceil(batch)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One schedule of `tests/golden/schedules.json`, and transformers' rate of every step.
    #[derive(Deserialize)]
    struct Golden {
        decay: Decay,
        base: f64,
        warmup_steps: u64,
        total_steps: u64,
        least: f64,
        decay_steps: u64,
        fall: Fall,
        rates: Vec<f64>,
    }

    #[test]
    fn rates_are_those_of_transformers() {
        let text = include_str!("../../../tests/golden/schedules.json");
        let goldens: Vec<Golden> = serde_json::from_str(text).unwrap();
        assert!(goldens.len() > 20, "{}", goldens.len());
        for golden in goldens {
            let Golden { decay, base, warmup_steps, total_steps, least, decay_steps, fall, rates } =
                golden;
            let schedule =
                Schedule { base, decay, warmup_steps, total_steps, least, decay_steps, fall };
            for (step, expected) in (0..).zip(rates) {
                let rate = schedule.learning_rate(step);
                assert!((rate - expected).abs() <= 4e-16 * base, "{schedule:?} at {step}: {rate}");
            }
        }
    }

    #[test]
    fn the_last_step_of_an_epoch_takes_what_is_left() {
        assert_eq!(total_steps(&[20, 20, 20], 8), 9);
        assert_eq!(total_steps(&[], 8), 0);
    }
}
