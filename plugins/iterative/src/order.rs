//! Which samples come first when a part of them is scored again: pure functions of earlier picks
//! and scores, which know neither host nor options.

use iterit_sdk::{Error, Result, SampleId, ScoreRow};

/// Every sample: the last picks, then the eligible ones by descending latest score, then the rest.
/// Of equals the lowest id comes first.
///
/// ```
/// use iterit_plugin_iterative::order::top_ranked;
/// use iterit_sdk::ScoreRow;
///
/// let row = |id, value, eligible| ScoreRow { id, value, eligible, scored_at: 0 };
/// let scores = [row(0, 0.2, true), row(1, 1.4, false), row(2, 0.9, true), row(3, 0.9, true)];
/// assert_eq!(top_ranked(5, &[0], &scores), [0, 2, 3, 1, 4]);
/// ```
pub fn top_ranked(num_samples: u64, picks: &[SampleId], scores: &[ScoreRow]) -> Vec<SampleId> {
    let mut order = picks.to_vec();
    let mut placed = vec![false; num_samples as usize];
    picks.iter().for_each(|&id| placed[id as usize] = true);
    let is_open = |row: &&ScoreRow| row.eligible && !placed[row.id as usize];
    let mut eligible: Vec<&ScoreRow> = scores.iter().filter(is_open).collect();
    eligible.sort_by(|a, b| b.value.total_cmp(&a.value));
    for row in eligible {
        placed[row.id as usize] = true;
        order.push(row.id);
    }
    order.extend((0..num_samples).filter(|&id| !placed[id as usize]));
    order
}

/// The order that IterIT's published program keeps its data in. It starts as the input's; each pick
/// moves the pool, the leading samples that had just been scored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReferenceOrder {
    order: Vec<SampleId>,
    pool: usize,
}

impl ReferenceOrder {
    /// The order of the input.
    pub fn of_input(num_samples: u64) -> Self {
        Self { order: (0..num_samples).collect(), pool: 0 }
    }

    /// Every sample, in the order now in force.
    pub fn ids(&self) -> &[SampleId] {
        &self.order
    }

    /// Takes the first samples as the pool that is scored and picked from next.
    pub fn take_pool(&mut self, size: usize) -> &[SampleId] {
        self.pool = size;
        &self.order[..size]
    }

    /// Puts the pool in order after a pick: the picks, those not eligible (IFD of 1 or more) as
    /// they stood, the eligible ones by descending score. What is behind the pool stays.
    ///
    /// The published program drops a sample without a score for ever; here it goes to the very
    /// end, where it disturbs no later pool.
    pub fn after_pick(&mut self, picks: &[SampleId], scores: &[ScoreRow]) {
        let behind = self.order.split_off(self.pool);
        let latest = Latest::of(scores, self.order.len() + behind.len());
        let mut picked = vec![false; self.order.len() + behind.len()];
        picks.iter().for_each(|&id| picked[id as usize] = true);

        let open = self.order.iter().copied().filter(|&id| !picked[id as usize]);
        let (unscored, scored): (Vec<_>, Vec<_>) = open.partition(|&id| latest.value(id).is_nan());
        let (mut eligible, ineligible): (Vec<_>, Vec<_>) =
            scored.into_iter().partition(|&id| latest.is_eligible(id));
        eligible.sort_by(|&a, &b| latest.value(b).total_cmp(&latest.value(a)));
        self.order = [picks.to_vec(), ineligible, eligible, behind, unscored].concat();
    }

    /// The state as bytes: numbers of 8 bytes, the pool's size and then the order.
    pub fn to_bytes(&self) -> Vec<u8> {
        let pool = self.pool as u64;
        [pool].iter().chain(&self.order).flat_map(|number| number.to_le_bytes()).collect()
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let (numbers, rest) = bytes.as_chunks::<8>();
        let mut numbers = numbers.iter().map(|&number| u64::from_le_bytes(number));
        match numbers.next() {
            Some(pool) if rest.is_empty() && pool <= numbers.len() as u64 => {
                Ok(Self { pool: pool as usize, order: numbers.collect() })
            }
            _ => Err(Error::msg(format!(
                "the saved order has {} bytes, which is no whole state",
                bytes.len()
            ))),
        }
    }
}

/// The latest scores by id. Where nothing was scored, every sample counts 1 and may be picked.
struct Latest(Vec<(f64, bool)>);

impl Latest {
    fn of(scores: &[ScoreRow], num_samples: usize) -> Self {
        let mut latest = vec![(1.0, true); num_samples];
        for row in scores {
            latest[row.id as usize] = (row.value, row.eligible);
        }
        Self(latest)
    }

    fn value(&self, id: SampleId) -> f64 {
        self.0[id as usize].0
    }

    fn is_eligible(&self, id: SampleId) -> bool {
        self.0[id as usize].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(values: &[f64]) -> Vec<ScoreRow> {
        let row = |(id, &value): (usize, &f64)| ScoreRow {
            id: id as SampleId,
            value,
            eligible: value < 1.0,
            scored_at: 0,
        };
        values.iter().enumerate().map(row).collect()
    }

    #[test]
    fn top_ranked_without_any_score_is_picks_and_input_order() {
        assert_eq!(top_ranked(4, &[2], &[]), [2, 0, 1, 3]);
    }

    #[test]
    fn the_reference_orders_its_pool_and_nothing_else() {
        let mut order = ReferenceOrder::of_input(8);
        assert_eq!(order.take_pool(8).len(), 8);
        let scores = rows(&[1.2, 0.5, f64::NAN, 0.9, 0.9, f64::INFINITY, 0.1, 0.7]);
        order.after_pick(&[6, 1], &scores);
        assert_eq!(order.ids(), [6, 1, 0, 5, 3, 4, 7, 2]);

        assert_eq!(order.take_pool(4), [6, 1, 0, 5]);
        let scores = rows(&[0.3, 1.0, f64::NAN, 0.9, 0.9, 0.8, f64::NAN, 0.7]);
        order.after_pick(&[0], &scores);
        assert_eq!(order.ids(), [0, 1, 5, 3, 4, 7, 2, 6]);
    }

    #[test]
    fn without_scores_the_pool_keeps_its_order() {
        let mut order = ReferenceOrder::of_input(4);
        order.take_pool(3);
        order.after_pick(&[2], &[]);
        assert_eq!(order.ids(), [2, 0, 1, 3]);
    }

    #[test]
    fn state_survives_bytes_and_nonsense_is_refused() {
        let mut order = ReferenceOrder::of_input(3);
        order.take_pool(2);
        assert_eq!(ReferenceOrder::from_bytes(&order.to_bytes()).unwrap(), order);
        for nonsense in [&[][..], &[1, 2, 3], &[9, 0, 0, 0, 0, 0, 0, 0]] {
            assert!(ReferenceOrder::from_bytes(nonsense).is_err(), "{nonsense:?}");
        }
    }
}
