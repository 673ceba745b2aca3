//! From these runs to the strategy: an interval that counts two sources of luck, the held-out
//! samples that were drawn and the seeds that were run.
//!
//! Resampling held-out samples alone asks whether *these models* differ. Two models trained alike
//! with different seeds do differ, and with enough held-out samples that test will say so. Whether
//! the *strategies* differ needs the spread between seeds as well.

use super::Interval;
use super::distribution::student_t_quantile;
use super::summary::variance;
use serde::{Deserialize, Serialize};

/// The variance of a mean, and the degrees of freedom it was estimated with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Source {
    /// s² / n.
    pub variance: f64,
    /// n − 1.
    pub degrees_of_freedom: f64,
}

/// A difference between strategies.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AcrossSeeds {
    /// √ of the summed variances.
    pub standard_error: f64,
    /// Welch and Satterthwaite's.
    pub degrees_of_freedom: f64,
    /// Student's interval around the difference.
    pub interval: Interval,
}

/// s² / n of these values; none below two.
pub fn source(values: &[f64]) -> Option<Source> {
    let n = values.len() as f64;
    (values.len() >= 2)
        .then(|| Source { variance: variance(values) / n, degrees_of_freedom: n - 1.0 })
}

/// ν = (Σ vᵢ)² / Σ (vᵢ² / νᵢ) (Welch 1947; Satterthwaite 1946).
pub fn welch_satterthwaite(sources: &[Source]) -> f64 {
    let total: f64 = sources.iter().map(|s| s.variance).sum();
    let divided = |s: &Source| s.variance * s.variance / s.degrees_of_freedom;
    total * total / sources.iter().map(divided).sum::<f64>()
}

/// d̄ ± t_{ν, (1+c)/2} √(Σ vᵢ), with the sources: the paired differences over held-out samples
/// (seeds averaged), and each arm's means over its seeds. None where an arm has one seed: its
/// spread is then unknown.
///
/// They overlap in the noise that is both a sample's and a seed's. The interval is therefore too
/// wide where that noise is all there is (by √2 at most), and never too narrow.
pub fn across_seeds(
    differences: &[f64],
    arm_means: &[f64],
    baseline_means: &[f64],
    confidence: f64,
) -> Option<AcrossSeeds> {
    let sources = [source(differences)?, source(arm_means)?, source(baseline_means)?];
    let standard_error = sources.iter().map(|s| s.variance).sum::<f64>().sqrt();
    let difference = super::summary::mean(differences);
    if standard_error == 0.0 {
        let interval = Interval { low: difference, high: difference };
        return Some(AcrossSeeds { standard_error, degrees_of_freedom: f64::MAX, interval });
    }
    let degrees_of_freedom = welch_satterthwaite(&sources);
    let half = student_t_quantile(0.5 + confidence / 2.0, degrees_of_freedom) * standard_error;
    let interval = Interval { low: difference - half, high: difference + half };
    Some(AcrossSeeds { standard_error, degrees_of_freedom, interval })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_tells_nothing_of_its_spread() {
        assert_eq!(across_seeds(&[0.1, 0.2], &[1.0], &[1.0, 1.1], 0.95), None);
    }

    #[test]
    fn seeds_that_agree_leave_the_spread_over_samples() {
        let differences = [0.1, 0.3, 0.2, 0.4];
        let found = across_seeds(&differences, &[1.0, 1.0], &[0.75, 0.75], 0.95).unwrap();
        assert!((found.degrees_of_freedom - 3.0).abs() < 1e-9, "{found:?}");
        let half = 3.182446 * (variance(&differences) / 4.0).sqrt();
        assert!((found.interval.high - (0.25 + half)).abs() < 1e-5, "{found:?}");
    }

    #[test]
    fn seeds_that_disagree_widen_it() {
        let differences = [0.19, 0.21, 0.2, 0.2];
        let found = across_seeds(&differences, &[1.0, 1.4], &[0.8, 1.2], 0.95).unwrap();
        assert!(!found.interval.excludes_zero(), "{found:?}");
    }

    #[test]
    fn no_spread_at_all_is_no_width() {
        let found = across_seeds(&[0.5; 3], &[1.0, 1.0], &[0.5, 0.5], 0.95).unwrap();
        assert_eq!(found.interval, Interval { low: 0.5, high: 0.5 });
    }
}
