//! How much two picks share, and whether they agree on the order.

use crate::SampleId;
use crate::statistics::correlation::{jaccard, spearman};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// A square table of agreements; none where a pair has none.
pub type Matrix = Vec<Vec<Option<f64>>>;

/// Two picks side by side.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Agreement {
    /// Samples in both.
    pub shared: u64,
    /// Shared over all in either.
    pub jaccard: Option<f64>,
    /// Spearman's ρ of the places at which the shared ones were picked; none below two.
    pub order: Option<f64>,
}

/// Compares two picks, each in pick order.
pub fn agreement(a: &[SampleId], b: &[SampleId]) -> Agreement {
    let places: HashMap<SampleId, usize> = b.iter().enumerate().map(|(at, &id)| (id, at)).collect();
    let shared: Vec<(f64, f64)> = a
        .iter()
        .enumerate()
        .filter_map(|(at, id)| places.get(id).map(|&other| (at as f64, other as f64)))
        .collect();
    let (first, second): (Vec<f64>, Vec<f64>) = shared.iter().copied().unzip();
    Agreement {
        shared: shared.len() as u64,
        jaccard: jaccard(a, b),
        order: spearman(&first, &second),
    }
}

/// Jaccard's index of every pair of picks.
pub fn jaccard_matrix(picks: &[&[SampleId]]) -> Matrix {
    picks.iter().map(|a| picks.iter().map(|b| jaccard(a, b)).collect()).collect()
}

/// What two picks of this size from this many share by chance: with both drawn at random,
/// k²/n of them, so Jaccard's index is about k / (2n − k).
pub fn jaccard_by_chance(picked: u64, num_samples: u64) -> Option<f64> {
    let (k, n) = (picked as f64, num_samples as f64);
    (picked > 0 && picked <= num_samples).then(|| k / (2.0 * n - k))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agreement_reads_sets_and_order() {
        let found = agreement(&[4, 1, 9], &[9, 1, 2, 4]);
        assert_eq!((found.shared, found.jaccard), (3, Some(0.75)));
        assert_eq!(found.order, Some(-1.0));
        assert_eq!(agreement(&[], &[]), Agreement { shared: 0, jaccard: None, order: None });
    }

    #[test]
    fn chance_is_nearly_what_draws_share() {
        use crate::statistics::random::SplitMix64;
        let mut random = SplitMix64::new(5);
        let mut draw = |n: usize, k: usize| {
            let mut ids: Vec<SampleId> = (0..n as SampleId).collect();
            for i in 0..k {
                ids.swap(i, i + random.below((n - i) as u32) as usize);
            }
            ids.truncate(k);
            ids
        };
        let mean =
            (0..400).map(|_| jaccard(&draw(400, 40), &draw(400, 40)).unwrap()).sum::<f64>() / 400.0;
        assert!((mean - jaccard_by_chance(40, 400).unwrap()).abs() < 0.003, "{mean}");
    }
}
