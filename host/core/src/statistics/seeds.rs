//! From these runs to the strategy: the variance of a difference that counts two crossed sources of
//! luck, the held-out samples that were drawn and the seeds that were run.
//!
//! Resampling held-out samples alone asks whether *these models* differ. Two models trained alike
//! with different seeds do differ, and with enough held-out samples that test will say so. Whether
//! the *strategies* differ needs the spread between seeds as well.
//!
//! Every run is judged on the same samples, so a loss is L_{si} = μ + a_i + b_s + e_{si}: sample,
//! seed, and the rest. The spread over samples of losses averaged over seeds holds a share of e, and
//! so does the spread over seeds of losses averaged over samples; adding the two would count it
//! twice. Estimated by what is left of the table when both are taken away, it is taken off once, as
//! in the analysis of variance with two crossed random effects (Searle, Casella and McCulloch 1992,
//! *Variance Components*, chapter 4).

use super::reading::Reading;
use super::student::{Source, Student};
use super::summary::variance;

/// What the seeds of one arm say of its luck.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeedSpread {
    /// Of the arm's reading averaged over its seeds: s² over seeds / S.
    pub between: Source,
    /// The share of that which is neither a seed's nor a sample's alone: Σₛ Var(eₛ) / (S (S − 1)).
    pub shared: f64,
}

/// s² / n of these values; none below two.
pub fn source(values: &[f64]) -> Option<Source> {
    let n = values.len() as f64;
    (values.len() >= 2)
        .then(|| Source { variance: variance(values) / n, degrees_of_freedom: n - 1.0 })
}

/// The spread of an arm's runs, each a loss a held-out sample; none where it has one seed.
pub fn seed_spread(reading: &Reading, runs: &[&[f64]]) -> Option<SeedSpread> {
    let readings: Vec<f64> = runs.iter().map(|run| reading.of(run)).collect();
    let between = source(&readings)?;
    let seeds = runs.len() as f64;
    let average = average(runs);
    let rest = |run: &&[f64]| -> f64 {
        let rest: Vec<f64> = run.iter().zip(&average).map(|(loss, mean)| loss - mean).collect();
        reading.variance(&rest)
    };
    let shared = runs.iter().map(rest).sum::<f64>() / (seeds * (seeds - 1.0));
    Some(SeedSpread { between, shared })
}

/// By sample, the mean over runs.
pub fn average(runs: &[&[f64]]) -> Vec<f64> {
    let seeds = runs.len() as f64;
    (0..runs[0].len()).map(|at| runs.iter().map(|run| run[at]).sum::<f64>() / seeds).collect()
}

/// The difference of two arms that counts samples and seeds: variance max(v − w_A − w_B, 0) + b_A +
/// b_B, with v over samples, b between the seeds of an arm, and w what b shares with v.
///
/// The arms' luck is taken to be independent. Where seeds draw one pool for all arms it is partly
/// shared, and the interval a little wide.
pub fn across_seeds(
    difference: f64,
    over_samples: Source,
    arm: SeedSpread,
    baseline: SeedSpread,
) -> Student {
    let of_samples = (over_samples.variance - arm.shared - baseline.shared).max(0.0);
    let of_samples = Source { variance: of_samples, ..over_samples };
    Student::new(difference, &[of_samples, arm.between, baseline.between])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference_of(arm: &[&[f64]], baseline: &[&[f64]]) -> Student {
        let reading = Reading::by_sample(arm[0].len());
        let differences: Vec<f64> =
            average(arm).iter().zip(average(baseline)).map(|(a, b)| a - b).collect();
        let spread = |runs| seed_spread(&reading, runs).unwrap();
        let over_samples = reading.source(&differences);
        across_seeds(reading.of(&differences), over_samples, spread(arm), spread(baseline))
    }

    #[test]
    fn one_seed_tells_nothing_of_its_spread() {
        assert_eq!(seed_spread(&Reading::by_sample(2), &[&[1.0, 2.0]]), None);
    }

    #[test]
    fn seeds_that_agree_leave_the_spread_over_samples() {
        let (arm, baseline) = ([1.1, 1.3, 1.2, 1.4], [1.0; 4]);
        let found = difference_of(&[&arm, &arm], &[&baseline, &baseline]);
        assert!((found.degrees_of_freedom - 3.0).abs() < 1e-9, "{found:?}");
        assert!((found.standard_error - (variance(&arm) / 4.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn luck_of_seeds_alone_is_welchs() {
        // No sample differs from another, so all there is are means of seeds.
        let found = difference_of(&[&[1.0; 5], &[1.4; 5]], &[&[0.8; 5], &[1.2; 5]]);
        assert!((found.standard_error - 0.08_f64.sqrt()).abs() < 1e-12, "{found:?}");
        assert!((found.degrees_of_freedom - 2.0).abs() < 1e-9, "{found:?}");
        assert!(!found.interval(0.95).excludes_zero());
    }

    #[test]
    fn what_samples_and_seeds_share_is_counted_once() {
        // Two by two: s² over seeds / S + s² over samples / n − what is left of the table.
        let (first, second) = ([1.0, 3.0], [2.0, 2.0]);
        let found = seed_spread(&Reading::by_sample(2), &[&first, &second]).unwrap();
        assert_eq!(found.between.variance, 0.0);
        // Residuals ±½: Σ r² / ((n − 1)(S − 1)) / (n S) = 1 / 4.
        assert!((found.shared - 0.25).abs() < 1e-12, "{found:?}");
    }
}
