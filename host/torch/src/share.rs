//! Which pieces of some work are one rank's. Pure: costs in, a choice out, the same on every rank.

/// What each of several ranks keeps only its part of, <https://arxiv.org/abs/1910.02054>.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sharding {
    /// The optimizer's moments, stage 1 of ZeRO.
    #[default]
    Moments,
    /// Gradients too, stage 2.
    Gradients,
}

/// One rank's part of the work that all do together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) rank: usize,
    pub(crate) size: usize,
}

impl Share {
    /// All of the work.
    pub(crate) const WHOLE: Self = Self { rank: 0, size: 1 };

    /// The parts of all ranks, in their order.
    pub(crate) fn all(size: usize) -> impl Iterator<Item = Self> {
        (0..size).map(move |rank| Self { rank, size })
    }

    /// This rank's pieces in their order. The dearest is dealt first, each to the rank that has least; so no rank
    /// has more than another by more than one piece costs.
    pub(crate) fn of<T>(self, pieces: Vec<T>, cost: impl Fn(&T) -> usize) -> Vec<T> {
        let costs: Vec<usize> = pieces.iter().map(cost).collect();
        let mut order: Vec<usize> = (0..pieces.len()).collect();
        order.sort_by_key(|&piece| (std::cmp::Reverse(costs[piece]), piece));
        let mut loads = vec![0; self.size];
        let mut owners = vec![0; pieces.len()];
        for piece in order {
            let least = (0..self.size).min_by_key(|&rank| (loads[rank], rank));
            owners[piece] = least.expect("there is a rank");
            loads[owners[piece]] += costs[piece];
        }
        let own = |(piece, owner)| (owner == self.rank).then_some(piece);
        pieces.into_iter().zip(owners).filter_map(own).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_has_one_owner_and_loads_are_even() {
        let pieces: Vec<usize> = (0..100).map(|it| 1 + it * 37 % 50).collect();
        for size in 1..6 {
            let parts: Vec<Vec<usize>> =
                (0..size).map(|rank| Share { rank, size }.of(pieces.clone(), |it| *it)).collect();
            let mut all = parts.concat();
            all.sort_unstable();
            let mut expected = pieces.clone();
            expected.sort_unstable();
            assert_eq!(all, expected, "{size}");
            let loads = parts.iter().map(|part| part.iter().sum::<usize>());
            let (least, most) = (loads.clone().min().unwrap(), loads.max().unwrap());
            assert!(most - least <= 50, "{size}: {least} to {most}");
        }
        assert_eq!(Share::WHOLE.of(pieces.clone(), |it| *it), pieces);
    }
}
