//! The mean of what questions say, with its error and its interval.

use crate::statistics::Interval;
use crate::statistics::bootstrap::{Bootstrap, distribution, percentile_interval};
use crate::statistics::summary::{mean, standard_deviation};
use serde::Serialize;

/// The coverage of intervals.
pub const CONFIDENCE: f64 = 0.95;

/// How the intervals of an evaluation are resampled: the same figures for the same answers.
pub(super) const BOOTSTRAP: Bootstrap =
    Bootstrap { resamples: 2000, seed: 0, confidence: CONFIDENCE };

/// The share of questions that were answered rightly.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Share {
    /// The mean.
    pub mean: f64,
    /// Its standard error, s / √n; none for one question.
    pub stderr: Option<f64>,
    /// Its percentile bootstrap interval over questions.
    pub interval: Interval,
}

impl Share {
    /// Of questions that were answered rightly or not.
    ///
    /// ```
    /// use iterit_core::evaluation::Share;
    /// let share = Share::of([true, false, true, true]);
    /// assert_eq!(share.mean, 0.75);
    /// assert_eq!(share.stderr, Some(0.25)); // √(0.75 · 0.25 / 3)
    /// ```
    pub fn of(right: impl IntoIterator<Item = bool>) -> Self {
        let right: Vec<f64> = right.into_iter().map(f64::from).collect();
        let of_rows = |rows: &[u32]| {
            rows.iter().map(|&row| right[row as usize]).sum::<f64>() / rows.len() as f64
        };
        let resampled = distribution(right.len(), BOOTSTRAP, of_rows);
        Self {
            mean: mean(&right),
            stderr: (right.len() > 1)
                .then(|| standard_deviation(&right) / (right.len() as f64).sqrt()),
            interval: percentile_interval(&resampled, CONFIDENCE),
        }
    }
}
