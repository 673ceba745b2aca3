//! What is read off paired differences over held-out samples: a weighted sum T(d) = Σ kᵢ dᵢ. The
//! mean, the mean a token and the height or slope of a line on the length are such sums, so one
//! variance and one test serve all of them.
//!
//! The variance over samples is the heteroscedasticity-consistent one called HC2 (MacKinnon and
//! White 1985): Σ kᵢ² rᵢ² / (1 − hᵢ), with r the residuals of the fit whose coefficient T is and h
//! their leverages. For the mean it is s² / n. Short responses are noisier than long ones, so
//! nothing may rest on equal variances.

use super::permutation::sign_flip_p_value;
use super::student::{Source, Student};
use super::summary::{mean, quantile, sorted_finite};

/// A weighted sum of paired values, and the fit that it is a coefficient of.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    fit: Fit,
    /// k, one a sample.
    coefficients: Vec<f64>,
    /// h, one a sample.
    leverages: Vec<f64>,
}

/// What values are fitted by.
#[derive(Debug, Clone, PartialEq)]
enum Fit {
    /// Their weighted mean; the weights are `coefficients`.
    Constant,
    /// A least-squares line on these.
    Line(Vec<f64>),
}

/// A straight line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// Its height at x = 0.
    pub intercept: f64,
    /// Its rise per unit of x; 0 where x does not vary.
    pub slope: f64,
}

/// Fewer samples leave a line no residuals to speak of.
const LEAST_FOR_A_LINE: usize = 4;

impl Reading {
    /// Every sample counts the same: kᵢ = 1 / n.
    pub fn by_sample(samples: usize) -> Self {
        Self::weighted(vec![1.0 / samples as f64; samples])
    }

    /// Every token counts the same: kᵢ = wᵢ / Σ w with w the tokens of a response. Where it points
    /// another way than the mean over samples, what an arm gains it gains on some lengths.
    ///
    /// ```
    /// use iterit_core::statistics::reading::Reading;
    /// let reading = Reading::by_token(&[98, 1, 1]);
    /// assert_eq!(reading.of(&[-1.0, 1.0, 1.0]), -0.96);
    /// ```
    pub fn by_token(tokens: &[u32]) -> Self {
        let all: f64 = tokens.iter().map(|&count| f64::from(count)).sum();
        Self::weighted(tokens.iter().map(|&count| f64::from(count) / all).collect())
    }

    fn weighted(coefficients: Vec<f64>) -> Self {
        Self { fit: Fit::Constant, leverages: coefficients.clone(), coefficients }
    }

    /// The height at the median length of a line on the logarithm of the length. None below four
    /// samples, or where all are equally long: then there is no line.
    ///
    /// Centred at the mean instead, the line's height would be the plain mean difference, whatever
    /// the slope (it is an identity of least squares) and nothing would be controlled. The median
    /// length asks about the typical response instead of about the few long ones.
    pub fn at_median_length(tokens: &[u32]) -> Option<Self> {
        let n = tokens.len() as f64;
        Self::on_length(tokens, |centred, mean, squares| 1.0 / n - mean * centred / squares)
    }

    /// What a doubling of the length adds: the slope of the same line.
    pub fn per_doubling(tokens: &[u32]) -> Option<Self> {
        Self::on_length(tokens, |centred, _, squares| centred / squares)
    }

    /// `coefficient` is given xᵢ − x̄, x̄ and Σ (x − x̄)².
    fn on_length(tokens: &[u32], coefficient: impl Fn(f64, f64, f64) -> f64) -> Option<Self> {
        let (x, _) = doublings_from_median(tokens);
        let (n, centre) = (x.len() as f64, mean(&x));
        let centred: Vec<f64> = x.iter().map(|x| x - centre).collect();
        let squares: f64 = centred.iter().map(|x| x * x).sum();
        (x.len() >= LEAST_FOR_A_LINE && squares > 0.0).then(|| Self {
            coefficients: centred.iter().map(|&x| coefficient(x, centre, squares)).collect(),
            leverages: centred.iter().map(|x| 1.0 / n + x * x / squares).collect(),
            fit: Fit::Line(x),
        })
    }

    /// T = Σ kᵢ dᵢ.
    pub fn of(&self, values: &[f64]) -> f64 {
        assert_eq!(values.len(), self.coefficients.len(), "a value for every sample");
        self.coefficients.iter().zip(values).map(|(k, value)| k * value).sum()
    }

    /// The variance of T over samples, Σ kᵢ² rᵢ² / (1 − hᵢ).
    pub fn variance(&self, values: &[f64]) -> f64 {
        let residuals = self.residuals(values);
        let terms = self.coefficients.iter().zip(residuals).zip(&self.leverages);
        // A sample that the line passes through by itself says nothing of the spread around it.
        terms
            .filter(|(_, h)| **h < 1.0 - 1e-9)
            .map(|((k, residual), h)| (k * residual).powi(2) / (1.0 - h))
            .sum()
    }

    /// (Σ k²)² / Σ k⁴ samples count, less the parameters of the fit: n − 1 for the mean, fewer
    /// where few samples carry most of the weight.
    pub fn degrees_of_freedom(&self) -> f64 {
        let power = |p: i32| self.coefficients.iter().map(|k| k.powi(p)).sum::<f64>();
        let parameters = match self.fit {
            Fit::Constant => 1.0,
            Fit::Line(_) => 2.0,
        };
        (power(2).powi(2) / power(4) - parameters).max(1.0)
    }

    /// T's variance with what it was estimated from.
    pub fn source(&self, values: &[f64]) -> Source {
        let (variance, degrees_of_freedom) = (self.variance(values), self.degrees_of_freedom());
        Source { variance, degrees_of_freedom }
    }

    /// T as an estimate over samples alone.
    pub fn over_samples(&self, values: &[f64]) -> Student {
        Student::new(self.of(values), &[self.source(values)])
    }

    /// Two-sided p of T being zero, over samples alone: the sign-flip test's for a mean, Student's
    /// for a line, whose residuals only may be flipped.
    pub fn p_over_samples(&self, values: &[f64], draws: u32, seed: u64) -> f64 {
        match self.fit {
            Fit::Constant => {
                let terms = self.coefficients.iter().zip(values);
                let terms: Vec<f64> = terms.map(|(k, value)| k * value).collect();
                sign_flip_p_value(&terms, draws, seed)
            }
            Fit::Line(_) => self.over_samples(values).p_value(),
        }
    }

    fn residuals(&self, values: &[f64]) -> Vec<f64> {
        match &self.fit {
            Fit::Constant => {
                let centre = self.of(values);
                values.iter().map(|value| value - centre).collect()
            }
            Fit::Line(x) => {
                let line = least_squares(x, values);
                let height = |x: &f64| line.intercept + line.slope * x;
                values.iter().zip(x).map(|(value, x)| value - height(x)).collect()
            }
        }
    }
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

#[cfg(test)]
mod tests {
    use super::super::summary::variance;
    use super::*;

    #[test]
    fn an_exact_line_is_read_exactly() {
        // The difference is −0.1 at 16 tokens and falls by 0.05 with every doubling.
        let tokens = [4, 8, 16, 32, 64];
        let differences = [0.0, -0.05, -0.1, -0.15, -0.2];
        let height = Reading::at_median_length(&tokens).unwrap();
        let slope = Reading::per_doubling(&tokens).unwrap();
        assert!((height.of(&differences) + 0.1).abs() < 1e-12);
        assert!((slope.of(&differences) + 0.05).abs() < 1e-12);
        assert!(height.variance(&differences) < 1e-24 && slope.variance(&differences) < 1e-24);
    }

    #[test]
    fn a_mean_has_its_usual_variance() {
        let differences = [0.3, -0.1, 0.2, 0.7, 0.1];
        let found = Reading::by_sample(5).source(&differences);
        assert!((found.variance - variance(&differences) / 5.0).abs() < 1e-15);
        assert!((found.degrees_of_freedom - 4.0).abs() < 1e-9);
        let equal = Reading::by_token(&[7; 5]).source(&differences);
        assert!((equal.variance - found.variance).abs() < 1e-15);
        assert!(Reading::by_token(&[100, 1, 1, 1, 1]).degrees_of_freedom() < 1.1);
    }

    #[test]
    fn equal_lengths_and_few_samples_have_no_line() {
        assert_eq!(Reading::at_median_length(&[5; 9]), None);
        assert_eq!(Reading::per_doubling(&[5, 6, 7]), None);
    }
}
