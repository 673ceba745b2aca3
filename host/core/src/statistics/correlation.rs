//! Agreement of two rankings and of two sets.

use std::collections::HashSet;
use std::hash::Hash;

/// Jaccard's index |A ∩ B| / |A ∪ B|; none for two empty sets.
pub fn jaccard<T: Eq + Hash>(a: &[T], b: &[T]) -> Option<f64> {
    let a: HashSet<&T> = a.iter().collect();
    let b: HashSet<&T> = b.iter().collect();
    let both = a.intersection(&b).count();
    let either = a.len() + b.len() - both;
    (either > 0).then(|| both as f64 / either as f64)
}

/// Ranks from 1, ties sharing the mean of theirs.
pub fn average_ranks(values: &[f64]) -> Vec<f64> {
    let order = ascending(values);
    let mut ranks = vec![0.0; values.len()];
    let mut smaller = 0;
    for tied in order.chunk_by(|&i, &j| values[i] == values[j]) {
        let rank = smaller as f64 + (tied.len() as f64 + 1.0) / 2.0;
        tied.iter().for_each(|&i| ranks[i] = rank);
        smaller += tied.len();
    }
    ranks
}

/// Pearson's r = Σ (x − x̄)(y − ȳ) / √(Σ (x − x̄)² Σ (y − ȳ)²); none where one side is constant.
pub fn pearson(x: &[f64], y: &[f64]) -> Option<f64> {
    assert_eq!(x.len(), y.len(), "paired values");
    let (mean_x, mean_y) = (super::summary::mean(x), super::summary::mean(y));
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in x.iter().zip(y) {
        let (dx, dy) = (x - mean_x, y - mean_y);
        xy += dx * dy;
        xx += dx * dx;
        yy += dy * dy;
    }
    (xx > 0.0 && yy > 0.0).then(|| xy / (xx * yy).sqrt())
}

/// Spearman's ρ: Pearson's r of the ranks, ties sharing theirs.
pub fn spearman(x: &[f64], y: &[f64]) -> Option<f64> {
    pearson(&average_ranks(x), &average_ranks(y))
}

/// Kendall's τ_b = (P − Q) / √((n₀ − n₁)(n₀ − n₂)), with P concordant and Q discordant pairs,
/// n₀ all pairs, n₁ and n₂ those tied in x and in y. Counted in O(n log n) after Knight (1966).
pub fn kendall_tau_b(x: &[f64], y: &[f64]) -> Option<f64> {
    assert_eq!(x.len(), y.len(), "paired values");
    let mut order: Vec<usize> = (0..x.len()).collect();
    order.sort_by(|&i, &j| x[i].total_cmp(&x[j]).then(y[i].total_cmp(&y[j])));
    let tied_in_x = tied_pairs(&order, |i, j| x[i] == x[j]);
    let tied_in_both = tied_pairs(&order, |i, j| x[i] == x[j] && y[i] == y[j]);
    let tied_in_y = tied_pairs(&ascending(y), |i, j| y[i] == y[j]);

    let mut y_by_x: Vec<f64> = order.iter().map(|&i| y[i]).collect();
    let discordant = sort_counting_inversions(&mut y_by_x);

    let n = x.len() as u64;
    let all = n * n.saturating_sub(1) / 2;
    let difference = (all + tied_in_both) as f64 - (tied_in_x + tied_in_y + 2 * discordant) as f64;
    let scale = ((all - tied_in_x) as f64).sqrt() * ((all - tied_in_y) as f64).sqrt();
    (scale > 0.0).then(|| difference / scale)
}

fn ascending(values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&i, &j| values[i].total_cmp(&values[j]));
    order
}

fn tied_pairs(order: &[usize], tied: impl Fn(usize, usize) -> bool) -> u64 {
    order
        .chunk_by(|&i, &j| tied(i, j))
        .map(|run| run.len() as u64 * (run.len() as u64 - 1) / 2)
        .sum()
}

/// Sorts by merging and returns how many pairs stood in strictly falling order.
fn sort_counting_inversions(values: &mut [f64]) -> u64 {
    if values.len() < 2 {
        return 0;
    }
    let middle = values.len() / 2;
    let (left, right) = values.split_at_mut(middle);
    let mut inversions = sort_counting_inversions(left) + sort_counting_inversions(right);
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut i, mut j) = (0, 0);
    while i < left.len() && j < right.len() {
        if right[j] < left[i] {
            inversions += (left.len() - i) as u64;
            merged.push(right[j]);
            j += 1;
        } else {
            merged.push(left[i]);
            i += 1;
        }
    }
    merged.extend_from_slice(&left[i..]);
    merged.extend_from_slice(&right[j..]);
    values.copy_from_slice(&merged);
    inversions
}

#[cfg(test)]
mod tests {
    use super::*;

    /// τ_b by its definition, over all pairs.
    fn kendall_by_definition(x: &[f64], y: &[f64]) -> f64 {
        let (mut difference, mut untied_x, mut untied_y) = (0.0, 0.0, 0.0);
        let sign = |a: f64, b: f64| f64::from(u8::from(a > b)) - f64::from(u8::from(a < b));
        for i in 0..x.len() {
            for j in 0..i {
                difference += sign(x[i], x[j]) * sign(y[i], y[j]);
                untied_x += sign(x[i], x[j]).abs();
                untied_y += sign(y[i], y[j]).abs();
            }
        }
        difference / f64::sqrt(untied_x * untied_y)
    }

    #[test]
    fn knights_count_equals_the_definition() {
        let mut random = crate::statistics::random::SplitMix64::new(7);
        for n in [2, 3, 10, 57] {
            let mut draw = || (0..n).map(|_| f64::from(random.below(9))).collect::<Vec<_>>();
            let (x, y) = (draw(), draw());
            let expected = kendall_by_definition(&x, &y);
            match kendall_tau_b(&x, &y) {
                Some(tau) => assert!((tau - expected).abs() < 1e-12, "{n}: {tau} {expected}"),
                None => assert!(expected.is_nan()),
            }
        }
    }

    #[test]
    fn ties_share_ranks() {
        assert_eq!(average_ranks(&[3.0, 1.0, 3.0, 2.0]), [3.5, 1.0, 3.5, 2.0]);
        assert!(average_ranks(&[]).is_empty());
    }

    #[test]
    fn what_is_undefined_is_none() {
        assert_eq!(spearman(&[1.0, 1.0], &[1.0, 2.0]), None);
        assert_eq!(kendall_tau_b(&[1.0, 1.0], &[1.0, 2.0]), None);
        assert_eq!(kendall_tau_b(&[], &[]), None);
        assert_eq!(jaccard::<u64>(&[], &[]), None);
    }

    #[test]
    fn jaccard_counts_each_member_once() {
        assert_eq!(jaccard(&[1, 2, 2, 3], &[2, 3, 4]), Some(0.5));
    }
}
