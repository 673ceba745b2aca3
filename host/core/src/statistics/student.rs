//! An estimate whose error is that of Student's t: a value, its variance from one or several
//! sources of luck, and the degrees of freedom that these leave.

use super::Interval;
use super::distribution::{student_t_cdf, student_t_quantile};
use serde::{Deserialize, Serialize};

/// The variance of a mean, and the degrees of freedom it was estimated with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Source {
    /// s² / n.
    pub variance: f64,
    /// n − 1.
    pub degrees_of_freedom: f64,
}

/// An estimate with its standard error.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Student {
    /// The estimate.
    pub value: f64,
    /// √ of the summed variances.
    pub standard_error: f64,
    /// Welch and Satterthwaite's.
    pub degrees_of_freedom: f64,
}

/// ν = (Σ vᵢ)² / Σ (vᵢ² / νᵢ) (Welch 1947; Satterthwaite 1946).
pub fn welch_satterthwaite(sources: &[Source]) -> f64 {
    let total: f64 = sources.iter().map(|s| s.variance).sum();
    let divided = |s: &Source| s.variance * s.variance / s.degrees_of_freedom;
    total * total / sources.iter().map(divided).sum::<f64>()
}

impl Student {
    /// An estimate with these sources of luck, of which none depends on another.
    pub fn new(value: f64, sources: &[Source]) -> Self {
        let variance: f64 = sources.iter().map(|s| s.variance).sum();
        let degrees_of_freedom = match variance > 0.0 {
            true => welch_satterthwaite(sources),
            // Without any spread nothing is uncertain.
            false => f64::MAX,
        };
        Self { value, standard_error: variance.sqrt(), degrees_of_freedom }
    }

    /// value ± t_{ν, (1+c)/2} · SE.
    pub fn interval(&self, confidence: f64) -> Interval {
        if self.standard_error == 0.0 {
            return Interval { low: self.value, high: self.value };
        }
        let quantile = student_t_quantile(0.5 + confidence / 2.0, self.degrees_of_freedom);
        let half = quantile * self.standard_error;
        Interval { low: self.value - half, high: self.value + half }
    }

    /// Two-sided p of the true value being zero: below 1 − c exactly where the interval of coverage
    /// c excludes zero.
    pub fn p_value(&self) -> f64 {
        match (self.value == 0.0, self.standard_error == 0.0) {
            (true, _) => 1.0,
            (false, true) => 0.0,
            _ => {
                let t = self.value.abs() / self.standard_error;
                2.0 * student_t_cdf(-t, self.degrees_of_freedom)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p_and_interval_say_the_same() {
        let sources = [(4e-4, 3.0), (1e-4, 99.0)]
            .map(|(variance, degrees_of_freedom)| Source { variance, degrees_of_freedom });
        let estimate = Student::new(0.05, &sources);
        let p = estimate.p_value();
        assert!(estimate.interval(1.0 - p - 1e-9).excludes_zero());
        assert!(!estimate.interval(1.0 - p + 1e-9).excludes_zero());
    }

    #[test]
    fn no_spread_at_all_is_no_width() {
        let none = Source { variance: 0.0, degrees_of_freedom: 2.0 };
        let estimate = Student::new(0.5, &[none]);
        assert_eq!(estimate.interval(0.95), Interval { low: 0.5, high: 0.5 });
        assert_eq!((estimate.p_value(), Student::new(0.0, &[none]).p_value()), (0.0, 1.0));
    }
}
