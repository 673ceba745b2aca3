//! Steps whose loss or gradient norm stands far above those before. Pure.
//!
//! Both figures are positive and vary by factors, so they are judged by their logarithms: a value is a
//! spike where ln x exceeds the median of the last values by six robust standard deviations (1.4826
//! times the median absolute deviation) and x the median itself by a least factor. Neither mean nor
//! variance takes part, which a single spike would spoil.

use crate::record::StepRecord;
use crate::statistics::summary::{quantile, sorted_finite};
use std::collections::VecDeque;

/// How many values are looked back at.
const WINDOW: usize = 64;
/// With fewer, nobody knows what is usual.
const ENOUGH: usize = 16;
/// Robust standard deviations.
const DEVIATIONS: f64 = 6.0;
/// The median absolute deviation of a normal distribution, times this, is its standard deviation.
const NORMAL: f64 = 1.4826;

/// The course of an epoch. Another epoch trains on other samples, whose losses may lie elsewhere.
#[derive(Debug, Clone)]
pub struct Spikes {
    loss: Course,
    grad_norm: Course,
}

/// A step that stands out.
#[derive(Debug, Clone, PartialEq)]
pub struct Spike {
    /// Of what: `loss` or `gradient norm`.
    pub what: &'static str,
    /// The step's.
    pub value: f64,
    /// Of the steps before.
    pub median: f64,
}

impl Default for Spikes {
    fn default() -> Self {
        Self { loss: Course::new("loss", 1.5), grad_norm: Course::new("gradient norm", 4.0) }
    }
}

impl Spikes {
    /// After these steps.
    pub fn after<'a>(steps: impl IntoIterator<Item = &'a StepRecord>) -> Self {
        let mut spikes = Self::default();
        steps.into_iter().for_each(|step| drop(spikes.see(step)));
        spikes
    }

    /// What stands out in a step. Where several in a row do, it is told at the first.
    pub fn see(&mut self, step: &StepRecord) -> Vec<Spike> {
        [self.loss.see(step.loss), self.grad_norm.see(step.grad_norm)]
            .into_iter()
            .flatten()
            .collect()
    }
}

/// One figure, step by step.
#[derive(Debug, Clone)]
struct Course {
    what: &'static str,
    least_factor: f64,
    /// The logarithms of the last values.
    recent: VecDeque<f64>,
    is_high: bool,
}

impl Course {
    fn new(what: &'static str, least_factor: f64) -> Self {
        Self { what, least_factor, recent: VecDeque::with_capacity(WINDOW + 1), is_high: false }
    }

    fn see(&mut self, value: f64) -> Option<Spike> {
        let logarithm = value.max(f64::MIN_POSITIVE).ln();
        let usual = (self.recent.len() >= ENOUGH).then(|| median(self.recent.iter().copied()));
        let was_high = self.is_high;
        self.is_high = usual.is_some_and(|usual| {
            let deviation = median(self.recent.iter().map(|it| (it - usual).abs()));
            let most = (DEVIATIONS * NORMAL * deviation).max(self.least_factor.ln());
            logarithm - usual > most
        });
        self.recent.push_back(logarithm);
        if self.recent.len() > WINDOW {
            self.recent.pop_front();
        }
        let usual = usual.filter(|_| self.is_high && !was_high)?;
        Some(Spike { what: self.what, value, median: usual.exp() })
    }
}

fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    quantile(&sorted_finite(values), 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(number: u64, loss: f64, grad_norm: f64) -> StepRecord {
        let (lr, tokens, tokens_per_second) = (1e-5, 100, 1.0);
        StepRecord { step: number, epoch: 0, loss, lr, grad_norm, tokens, tokens_per_second }
    }

    /// Steps at which something was told.
    fn told(losses: &[f64], norms: &[f64]) -> Vec<(usize, &'static str)> {
        let mut spikes = Spikes::default();
        let numbered = losses.iter().zip(norms).enumerate();
        numbered
            .flat_map(|(number, (&loss, &norm))| {
                let seen = spikes.see(&step(number as u64, loss, norm));
                seen.into_iter().map(move |spike| (number, spike.what)).collect::<Vec<_>>()
            })
            .collect()
    }

    #[test]
    fn a_spike_is_told_once_and_noise_is_not() {
        let noise = |number: usize| 1.0 + 0.2 * (number as f64 * 2.7).sin();
        let losses: Vec<f64> = (0..60)
            .map(|number| match number {
                // Three in a row, and one by itself.
                30..33 => 9.0,
                50 => 8.0,
                _ => 2.0 * noise(number) - 0.01 * number as f64,
            })
            .collect();
        let norms: Vec<f64> =
            (0..60).map(|number| if number == 40 { 70.0 } else { noise(number) }).collect();
        assert_eq!(told(&losses, &norms), [(30, "loss"), (40, "gradient norm"), (50, "loss")]);
    }

    #[test]
    fn what_is_usual_is_learned_first_and_anew() {
        // A first step that is high, a level that doubles and stays, and a fall.
        let mut losses = vec![50.0];
        losses.extend([2.0; 30]);
        losses.extend([4.0; 100]);
        losses.extend([0.1; 10]);
        let norms = vec![1.0; losses.len()];
        assert_eq!(told(&losses, &norms), [(31, "loss")]);
        assert_eq!(told(&[0.0; 20], &[0.0; 20]), []);
    }

    #[test]
    fn a_resume_knows_the_steps_before_it() {
        let steps: Vec<StepRecord> = (0..20).map(|number| step(number, 2.0, 1.0)).collect();
        let mut spikes = Spikes::after(&steps);
        let expected = Spike { what: "gradient norm", value: 9.0, median: 1.0 };
        assert_eq!(spikes.see(&step(20, 2.1, 9.0)), [expected]);
        assert_eq!(Spikes::default().see(&step(20, 2.1, 9.0)), []);
    }
}
