//! A share of the samples, drawn by a seed: another pool for another seed. Two runs on one pool
//! share what luck the pool holds; two on pools of their own do not share all of it.

use crate::statistics::random::SplitMix64;
use iterit_sdk::SampleId;
use serde::{Deserialize, Serialize};

/// `drawn.json` of a run: which samples it could choose from. Its own ids are positions in this
/// list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drawn {
    /// Of how many samples.
    pub of: u64,
    /// Which, by their positions in the input, ascending.
    pub ids: Vec<SampleId>,
}

impl Drawn {
    /// ⌊n · `share`⌋ samples, at least one: those whose hash with the seed is lowest. So a larger
    /// share of one seed holds the smaller one.
    ///
    /// ```
    /// use iterit_core::dataset::Drawn;
    /// let drawn = Drawn::new(10, 0.8, 1);
    /// assert_eq!((drawn.of, drawn.ids.len()), (10, 8));
    /// assert_eq!(drawn, Drawn::new(10, 0.8, 1));
    /// assert_ne!(drawn, Drawn::new(10, 0.8, 2));
    /// ```
    pub fn new(samples: usize, share: f64, seed: u64) -> Self {
        let of_seed = SplitMix64::new(seed).next_u64();
        let hash =
            |id: SampleId| SplitMix64::new(of_seed ^ SplitMix64::new(id).next_u64()).next_u64();
        let mut ids: Vec<SampleId> = (0..samples as SampleId).collect();
        ids.sort_by_cached_key(|&id| hash(id));
        ids.truncate(((samples as f64 * share) as usize).max(1));
        ids.sort_unstable();
        Self { of: samples as u64, ids }
    }

    /// What was drawn of one thing a sample.
    pub fn take<T: Clone>(&self, all: &[T]) -> Vec<T> {
        self.ids.iter().map(|&id| all[id as usize].clone()).collect()
    }

    /// The position in the input of a sample of the run.
    pub fn position(&self, id: SampleId) -> SampleId {
        self.ids[id as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_draw_as_if_independent() {
        let pools: Vec<Drawn> = (0..5).map(|seed| Drawn::new(10_000, 0.8, seed)).collect();
        for (at, pool) in pools.iter().enumerate() {
            for other in &pools[..at] {
                let both = pool.ids.iter().filter(|id| other.ids.binary_search(id).is_ok()).count();
                assert!((6300..6500).contains(&both), "{both} of 6,400 expected");
            }
        }
    }

    #[test]
    fn a_larger_share_holds_the_smaller_one() {
        let (small, large) = (Drawn::new(100, 0.3, 7), Drawn::new(100, 0.6, 7));
        assert!(small.ids.iter().all(|id| large.ids.contains(id)));
        assert_eq!(large.take(&(0..100).collect::<Vec<u64>>()), large.ids);
    }
}
