//! Mean, variance and quantile of a slice.

/// The arithmetic mean, x̄ = Σ x / n. NaN for an empty slice.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The unbiased variance, s² = Σ (x − x̄)² / (n − 1). NaN below two values.
pub fn variance(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return f64::NAN;
    }
    let mean = mean(values);
    values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64
}

/// The standard deviation, s.
pub fn standard_deviation(values: &[f64]) -> f64 {
    variance(values).sqrt()
}

/// The `q`-quantile of sorted values, linear between order statistics (Hyndman and Fan's type 7,
/// NumPy's default). NaN for an empty slice.
pub fn quantile(sorted: &[f64], q: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let position = q.clamp(0.0, 1.0) * last as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(last);
    let weight = position - below as f64;
    sorted[below] * (1.0 - weight) + sorted[above] * weight
}

/// The finite ones among the values, ascending.
pub fn sorted_finite(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.into_iter().filter(|x| x.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let values = [1.0, 2.0, 4.0, 9.0];
        assert_eq!(mean(&values), 4.0);
        assert_eq!(variance(&values), 38.0 / 3.0);
        assert_eq!(quantile(&values, 0.5), 3.0);
        assert_eq!(quantile(&values, 1.0), 9.0);
        assert_eq!(quantile(&[5.0], 0.3), 5.0);
        assert!(mean(&[]).is_nan() && variance(&[1.0]).is_nan() && quantile(&[], 0.5).is_nan());
        assert_eq!(sorted_finite([2.0, f64::NAN, 1.0, f64::INFINITY]), [1.0, 2.0]);
    }
}
