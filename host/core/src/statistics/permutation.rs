//! The sign-flip permutation test of paired differences: under "no difference" each pair could as
//! well have been the other way round, so every pattern of signs was equally likely.

use super::random::SplitMix64;

/// Up to this many pairs every pattern is tried.
pub const EXACT_LIMIT: usize = 20;

/// Two-sided p of the mean difference being zero: exact up to [`EXACT_LIMIT`] pairs, drawn above.
pub fn sign_flip_p_value(differences: &[f64], draws: u32, seed: u64) -> f64 {
    if differences.len() <= EXACT_LIMIT {
        exact_p_value(differences)
    } else {
        drawn_p_value(differences, draws, seed)
    }
}

/// p = #{patterns: |Σ ±d| ≥ |Σ d|} / 2ⁿ.
///
/// A pattern and its mirror image have the same |Σ|, so the first sign stays as it is.
pub fn exact_p_value(differences: &[f64]) -> f64 {
    assert!(differences.len() <= EXACT_LIMIT, "{} pairs are too many", differences.len());
    let Some((&first, others)) = differences.split_first() else { return 1.0 };
    let threshold = threshold(differences);
    let patterns = 1_u32 << others.len();
    let extreme = (0..patterns)
        .filter(|pattern| {
            let flipped = |(bit, d): (usize, &f64)| if pattern >> bit & 1 == 1 { -d } else { *d };
            let sum: f64 = others.iter().enumerate().map(flipped).sum();
            (first + sum).abs() >= threshold
        })
        .count();
    extreme as f64 / f64::from(patterns)
}

/// p = (b + 1) / (m + 1) with b of m drawn patterns as extreme as what was seen (Phipson and Smyth
/// 2010): never zero, and never too small.
pub fn drawn_p_value(differences: &[f64], draws: u32, seed: u64) -> f64 {
    let threshold = threshold(differences);
    let mut random = SplitMix64::new(seed);
    let extreme = (0..draws)
        .filter(|_| {
            let sum: f64 = differences.chunks(64).map(|chunk| flip(chunk, random.next_u64())).sum();
            sum.abs() >= threshold
        })
        .count();
    (extreme as f64 + 1.0) / (f64::from(draws) + 1.0)
}

/// The sum of at most 64 differences, the sign of the i-th turned where bit i is set.
fn flip(differences: &[f64], signs: u64) -> f64 {
    let turned = |(bit, d): (usize, &f64)| f64::from_bits(d.to_bits() ^ ((signs >> bit) << 63));
    differences.iter().enumerate().map(turned).sum()
}

/// |Σ d|, less what rounding may take from an equal sum added in another order.
fn threshold(differences: &[f64]) -> f64 {
    let scale: f64 = differences.iter().map(|d| d.abs()).sum();
    differences.iter().sum::<f64>().abs() - 1e-12 * scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        // Of the four patterns of 3 and 1 (mirrors counted once: two), only ±4 reaches 4.
        assert_eq!(exact_p_value(&[3.0, 1.0]), 0.5);
        assert_eq!(exact_p_value(&[1.0; 5]), 1.0 / 16.0);
        assert_eq!(exact_p_value(&[0.0; 5]), 1.0);
        assert_eq!(exact_p_value(&[]), 1.0);
        // 0.1 + 0.2 − 0.3 is not zero in floats; it counts as a tie.
        assert_eq!(exact_p_value(&[0.1, 0.2, -0.3]), 1.0);
    }

    #[test]
    fn drawing_comes_near_the_exact_value_and_never_to_zero() {
        let differences: Vec<f64> = (0..18).map(|i| f64::from((i * 7) % 11) - 3.5).collect();
        let exact = exact_p_value(&differences);
        let drawn = drawn_p_value(&differences, 200_000, 1);
        assert!((exact - drawn).abs() < 0.005, "{exact} {drawn}");
        assert_eq!(drawn_p_value(&[1.0; 200], 999, 1), 1.0 / 1000.0);
    }
}
