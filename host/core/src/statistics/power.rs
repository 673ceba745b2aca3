//! What a design can see: the power of a two-sided t test, the smallest true difference it finds,
//! and the seeds that would show one of a given size.

use super::distribution::{normal_cdf, normal_quantile, student_t_quantile};

/// Points of the integral over the estimated standard error.
const POINTS: usize = 400;

/// The probability that a two-sided t test at level `alpha` finds a true difference of `effect`
/// standard errors, with ν degrees of freedom: 1 − ∫ [Φ(t u − δ) − Φ(−t u − δ)] f(u) du, where u =
/// √(χ²_ν / ν) is the estimated over the true standard error (the noncentral t distribution, Owen
/// 1968). The t is the larger, the fewer the degrees of freedom, and a lucky u finds what is not
/// there; an approximation by the normal distribution misses both.
pub fn power(effect: f64, degrees_of_freedom: f64, alpha: f64) -> f64 {
    let nu = degrees_of_freedom;
    let t = student_t_quantile(1.0 - alpha / 2.0, nu);
    let missed = |u: f64| normal_cdf(t * u - effect) - normal_cdf(-t * u - effect);
    // ln f(u) = ln 2 + (ν/2) ln(ν/2) − ln Γ(ν/2) + (ν − 1) ln u − ν u² / 2.
    let constant = std::f64::consts::LN_2 + 0.5 * nu * (0.5 * nu).ln() - libm::lgamma(0.5 * nu);
    let density = |u: f64| (constant + (nu - 1.0) * u.ln() - 0.5 * nu * u * u).exp();
    // u lies around 1 with a deviation of about 1/√(2ν).
    let reach = 10.0 / (2.0 * nu).sqrt();
    let (low, high) = ((1.0 - reach).max(0.0), 1.0 + reach);
    let width = (high - low) / POINTS as f64;
    // Midpoints: the density may be infinite at 0.
    let terms = (0..POINTS).map(|at| low + (at as f64 + 0.5) * width);
    1.0 - terms.map(|u| missed(u) * density(u) * width).sum::<f64>()
}

/// The true difference, in standard errors, that such a test finds with probability `wanted`.
pub fn detectable(degrees_of_freedom: f64, alpha: f64, wanted: f64) -> f64 {
    let mut high = 1.0;
    while power(high, degrees_of_freedom, alpha) < wanted {
        high *= 2.0;
    }
    let mut low = 0.0;
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        match power(middle, degrees_of_freedom, alpha) < wanted {
            true => low = middle,
            false => high = middle,
        }
    }
    0.5 * (low + high)
}

/// What is known, or said, of the luck in a comparison of two arms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Luck {
    /// The standard deviation of a run's reading between seeds.
    pub seed_deviation: f64,
    /// The standard error that the held-out samples leave, whatever the number of seeds.
    pub sample_error: f64,
}

impl Luck {
    /// The smallest true difference found with probability `wanted` by so many seeds an arm, and as
    /// many times the held-out samples.
    pub fn detectable(&self, seeds: u32, samples: f64, alpha: f64, wanted: f64) -> f64 {
        let of_seeds = 2.0 * self.seed_deviation.powi(2) / f64::from(seeds);
        let of_samples = self.sample_error.powi(2) / samples;
        let total = of_seeds + of_samples;
        if total == 0.0 {
            return 0.0;
        }
        // The samples are many; all degrees of freedom that matter are the seeds'.
        let own = 2.0 * (f64::from(seeds) - 1.0);
        let nu = if of_seeds > 0.0 { own * (total / of_seeds).powi(2) } else { 1e6 };
        detectable(nu.min(1e6), alpha, wanted) * total.sqrt()
    }

    /// The fewest seeds an arm that find `effect` with probability `wanted`; none up to `most`.
    pub fn seeds_for(
        &self,
        effect: f64,
        samples: f64,
        alpha: f64,
        wanted: f64,
        most: u32,
    ) -> Option<u32> {
        (2..=most).find(|&seeds| self.detectable(seeds, samples, alpha, wanted) <= effect)
    }
}

/// What a standard deviation that was estimated with ν degrees of freedom does not exceed with the
/// probability `confidence`: s √(ν / χ²_{ν, 1−c}), the quantile by Wilson and Hilferty (1931).
pub fn upper_deviation(deviation: f64, degrees_of_freedom: f64, confidence: f64) -> f64 {
    let spread = 2.0 / (9.0 * degrees_of_freedom);
    let root = 1.0 - spread + normal_quantile(1.0 - confidence) * spread.sqrt();
    deviation / root.max(0.05).powf(1.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_an_effect_power_is_the_level() {
        for nu in [2.0, 4.0, 30.0, 1e5] {
            assert!((power(0.0, nu, 0.05) - 0.05).abs() < 1e-3, "{nu}: {}", power(0.0, nu, 0.05));
        }
    }

    #[test]
    fn many_degrees_of_freedom_are_the_normal_rule() {
        assert!((detectable(1e6, 0.05, 0.8) - 2.8016).abs() < 1e-3);
        assert!(detectable(4.0, 0.05, 0.8) > 3.7);
    }

    #[test]
    fn a_spread_of_few_seeds_may_be_larger() {
        // χ²_{4, 0.2} = 1.649, χ²_{50, 0.2} = 41.449.
        assert!((upper_deviation(1.0, 4.0, 0.8) - (4.0_f64 / 1.649).sqrt()).abs() < 0.02);
        assert!((upper_deviation(1.0, 50.0, 0.8) - (50.0_f64 / 41.449).sqrt()).abs() < 1e-3);
    }

    #[test]
    fn seeds_are_found_that_suffice() {
        let luck = Luck { seed_deviation: 0.01, sample_error: 0.0 };
        let seeds = luck.seeds_for(0.02, 1.0, 0.05, 0.8, 50).unwrap();
        assert!(luck.detectable(seeds, 1.0, 0.05, 0.8) <= 0.02);
        assert!(luck.detectable(seeds - 1, 1.0, 0.05, 0.8) > 0.02);
        assert_eq!(luck.seeds_for(1e-4, 1.0, 0.05, 0.8, 50), None);
    }
}
