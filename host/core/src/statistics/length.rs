//! Does a difference depend on how long the response is? An ordinary least-squares line of the
//! paired difference on the logarithm of the response's length, read at the median length.
//!
//! Centred at the mean instead, the line's height would be the plain mean difference, whatever the
//! slope (it is an identity of least squares) and nothing would be controlled. The median length
//! asks about the typical response instead of about the few long ones.

use super::Interval;
use super::bootstrap::{Bootstrap, distribution, percentile_interval};
use super::summary::{mean, quantile, sorted_finite};
use serde::{Deserialize, Serialize};

/// A straight line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// Its height at x = 0.
    pub intercept: f64,
    /// Its rise per unit of x; 0 where x does not vary.
    pub slope: f64,
}

/// The difference with length held at the median.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LengthControlled {
    /// The median length, tokens.
    pub median_tokens: f64,
    /// The difference at that length.
    pub difference: f64,
    /// Its interval, over resampled pairs.
    pub interval: Interval,
    /// What a doubling of the length adds to the difference.
    pub per_doubling: f64,
    /// The interval of that.
    pub per_doubling_interval: Interval,
}

/// Least squares: slope = Σ (x − x̄)(y − ȳ) / Σ (x − x̄)², intercept = ȳ − slope · x̄.
pub fn least_squares(x: &[f64], y: &[f64]) -> Line {
    assert_eq!(x.len(), y.len(), "paired values");
    let (mean_x, mean_y) = (mean(x), mean(y));
    let (mut xy, mut xx) = (0.0, 0.0);
    for (x, y) in x.iter().zip(y) {
        xy += (x - mean_x) * (y - mean_y);
        xx += (x - mean_x) * (x - mean_x);
    }
    let slope = if xx > 0.0 { xy / xx } else { 0.0 };
    Line { intercept: mean_y - slope * mean_x, slope }
}

/// log₂ of each length over the median length, and the median.
pub fn doublings_from_median(tokens: &[u32]) -> (Vec<f64>, f64) {
    let lengths = tokens.iter().map(|&count| f64::from(count.max(1)));
    let median = quantile(&sorted_finite(lengths.clone()), 0.5);
    (lengths.map(|length| (length / median).log2()).collect(), median)
}

/// The line of the differences on the length. Pairs are drawn again whole, so the spread of the
/// differences may itself depend on the length, as it does: short responses are noisier.
pub fn length_controlled(
    differences: &[f64],
    tokens: &[u32],
    bootstrap: Bootstrap,
) -> LengthControlled {
    let (x, median_tokens) = doublings_from_median(tokens);
    let line = least_squares(&x, differences);
    let (mut xs, mut ys) = (vec![0.0; x.len()], vec![0.0; x.len()]);
    let mut slopes = Vec::with_capacity(bootstrap.resamples as usize);
    let intercepts = distribution(x.len(), bootstrap, |rows| {
        for (place, &row) in rows.iter().enumerate() {
            xs[place] = x[row as usize];
            ys[place] = differences[row as usize];
        }
        let line = least_squares(&xs, &ys);
        slopes.push(line.slope);
        line.intercept
    });
    LengthControlled {
        median_tokens,
        difference: line.intercept,
        interval: percentile_interval(&intercepts, bootstrap.confidence),
        per_doubling: line.slope,
        per_doubling_interval: percentile_interval(&slopes, bootstrap.confidence),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOTSTRAP: Bootstrap = Bootstrap { resamples: 500, seed: 1, confidence: 0.95 };

    #[test]
    fn an_exact_line_is_found_exactly() {
        // The difference is −0.1 at 16 tokens and falls by 0.05 with every doubling.
        let tokens = [4, 8, 16, 32, 64];
        let differences = [0.0, -0.05, -0.1, -0.15, -0.2];
        let found = length_controlled(&differences, &tokens, BOOTSTRAP);
        assert_eq!(found.median_tokens, 16.0);
        assert!((found.difference + 0.1).abs() < 1e-12, "{found:?}");
        assert!((found.per_doubling + 0.05).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn equal_lengths_leave_the_mean() {
        let found = length_controlled(&[1.0, 2.0, 6.0], &[5, 5, 5], BOOTSTRAP);
        assert_eq!((found.difference, found.per_doubling), (3.0, 0.0));
    }
}
