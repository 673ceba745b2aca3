//! Bootstrap intervals (Efron and Tibshirani 1993, *An Introduction to the Bootstrap*, chapters
//! 13 and 14). The unit that is drawn again is whatever a row is to the caller; for paired
//! differences one row is one pair, which makes this the paired bootstrap.

use super::Interval;
use super::distribution::{normal_cdf, normal_quantile};
use super::random::SplitMix64;
use super::summary::{mean, quantile, sorted_finite};

/// How intervals are resampled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bootstrap {
    /// Resamples drawn.
    pub resamples: u32,
    /// The seed of the draws.
    pub seed: u64,
    /// The coverage asked for, such as 0.95.
    pub confidence: f64,
}

/// The statistic on `resamples` draws of `n` row numbers with replacement, in drawing order.
pub fn distribution(
    n: usize,
    bootstrap: Bootstrap,
    mut statistic: impl FnMut(&[u32]) -> f64,
) -> Vec<f64> {
    let mut random = SplitMix64::new(bootstrap.seed);
    let mut rows = vec![0_u32; n];
    (0..bootstrap.resamples)
        .map(|_| {
            rows.iter_mut().for_each(|row| *row = random.below(n as u32));
            statistic(&rows)
        })
        .collect()
}

/// The percentile interval: the (1 − c)/2 and (1 + c)/2 quantiles of the resampled statistic.
pub fn percentile_interval(distribution: &[f64], confidence: f64) -> Interval {
    let sorted = sorted_finite(distribution.iter().copied());
    let tail = (1.0 - confidence) / 2.0;
    Interval { low: quantile(&sorted, tail), high: quantile(&sorted, 1.0 - tail) }
}

/// The bias-corrected and accelerated interval: the quantiles at
/// Φ(z₀ + (z₀ + z) / (1 − a (z₀ + z))) for z = Φ⁻¹((1 ∓ c)/2).
///
/// `jackknife` holds the statistic with each row left out.
pub fn bca_interval(
    estimate: f64,
    distribution: &[f64],
    jackknife: &[f64],
    confidence: f64,
) -> Interval {
    let z0 = bias_correction(estimate, distribution);
    let a = acceleration(jackknife);
    let z = normal_quantile((1.0 - confidence) / 2.0);
    let level = |z: f64| normal_cdf(z0 + (z0 + z) / (1.0 - a * (z0 + z)));
    let sorted = sorted_finite(distribution.iter().copied());
    Interval { low: quantile(&sorted, level(z)), high: quantile(&sorted, level(-z)) }
}

/// z₀ = Φ⁻¹ of the share of the distribution below the estimate, ties counting half. The share is
/// kept half a resample away from 0 and 1, where z₀ would be infinite.
pub fn bias_correction(estimate: f64, distribution: &[f64]) -> f64 {
    let count = distribution.len() as f64;
    let below = distribution.iter().filter(|&&value| value < estimate).count() as f64;
    let not_above = distribution.iter().filter(|&&value| value <= estimate).count() as f64;
    let share = (below + not_above) / (2.0 * count);
    normal_quantile(share.clamp(0.5 / count, 1.0 - 0.5 / count))
}

/// a = Σ u³ / (6 (Σ u²)^{3/2}) with u = mean of the jackknife − its value; 0 where nothing varies.
pub fn acceleration(jackknife: &[f64]) -> f64 {
    let centre = mean(jackknife);
    let (mut squares, mut cubes) = (0.0, 0.0);
    for value in jackknife {
        let u = centre - value;
        squares += u * u;
        cubes += u * u * u;
    }
    if squares > 0.0 { cubes / (6.0 * squares.powf(1.5)) } else { 0.0 }
}

/// The mean with each value left out: (Σ x − xᵢ) / (n − 1).
pub fn jackknife_mean(values: &[f64]) -> Vec<f64> {
    let sum: f64 = values.iter().sum();
    let left = (values.len() - 1) as f64;
    values.iter().map(|x| (sum - x) / left).collect()
}

/// The weighted mean with each value left out: (Σ w x − wᵢ xᵢ) / (Σ w − wᵢ).
pub fn jackknife_weighted(values: &[f64], weights: &[f64]) -> Vec<f64> {
    let all: f64 = weights.iter().sum();
    let sum: f64 = values.iter().zip(weights).map(|(x, w)| x * w).sum();
    values.iter().zip(weights).map(|(x, w)| (sum - w * x) / (all - w)).collect()
}

/// The resampled means of the values.
pub fn mean_distribution(values: &[f64], bootstrap: Bootstrap) -> Vec<f64> {
    let n = values.len() as f64;
    distribution(values.len(), bootstrap, |rows| {
        rows.iter().map(|&row| values[row as usize]).sum::<f64>() / n
    })
}

/// The resampled weighted means: a value is drawn again with its weight, so each is a ratio of two
/// means.
pub fn weighted_distribution(values: &[f64], weights: &[f64], bootstrap: Bootstrap) -> Vec<f64> {
    distribution(values.len(), bootstrap, |rows| {
        let (mut sum, mut all) = (0.0, 0.0);
        for &row in rows {
            sum += weights[row as usize] * values[row as usize];
            all += weights[row as usize];
        }
        sum / all
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOTSTRAP: Bootstrap = Bootstrap { resamples: 4000, seed: 3, confidence: 0.95 };

    #[test]
    fn the_interval_of_a_mean_is_near_the_normal_one() {
        let values: Vec<f64> = (0..400).map(|i| f64::from(i % 20)).collect();
        let interval = percentile_interval(&mean_distribution(&values, BOOTSTRAP), 0.95);
        let half = 1.96 * (crate::statistics::summary::variance(&values) / 400.0).sqrt();
        assert!((interval.low - (9.5 - half)).abs() < 0.04, "{interval:?}");
        assert!((interval.high - (9.5 + half)).abs() < 0.04, "{interval:?}");
    }

    #[test]
    fn equal_values_have_an_interval_without_width() {
        let values = [0.25; 12];
        let means = mean_distribution(&values, BOOTSTRAP);
        let interval = bca_interval(0.25, &means, &jackknife_mean(&values), 0.95);
        assert_eq!(interval, Interval { low: 0.25, high: 0.25 });
    }

    #[test]
    fn the_same_seed_draws_the_same() {
        let values = [1.0, 2.0, 5.0];
        assert_eq!(mean_distribution(&values, BOOTSTRAP), mean_distribution(&values, BOOTSTRAP));
        let other = Bootstrap { seed: 4, ..BOOTSTRAP };
        assert_ne!(mean_distribution(&values, BOOTSTRAP), mean_distribution(&values, other));
    }
}
