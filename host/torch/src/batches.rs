//! Cuts sequences into batches that waste little on padding. Lengths in, indices out: pure.
//!
//! Sequences are sorted by length and cut where it costs least, a batch of n sequences costing
//! n · longest tokens and a constant for everything a batch costs whatever its size. The cheapest
//! cuts are found exactly, by dynamic programming over the sorted lengths.

use std::fmt;

/// What a batch costs beside its tokens, in tokens.
pub(crate) const BATCH_COST: usize = 64;

/// How large a batch may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    /// At most so many tokens, padding included; a longer sequence has a batch of its own.
    Tokens(usize),
    /// Exactly so many sequences but for the last batch, padded as it comes.
    Sequences(usize),
}

/// How the sequences of a batch lie in its tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// A row each, padded to the longest.
    Padded,
    /// One behind the other in a single row.
    Flattened,
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Padded => "padded",
            Self::Flattened => "one behind the other",
        })
    }
}

impl Layout {
    /// How many tokens a batch of sequences of these lengths has, padding included.
    pub(crate) fn tokens(self, lengths: impl ExactSizeIterator<Item = usize>) -> usize {
        match self {
            Self::Padded => lengths.len() * lengths.max().unwrap_or(0),
            Self::Flattened => lengths.sum(),
        }
    }
}

/// Batches of indices into `lengths`, longest sequences first, so that the batch that needs the most
/// memory comes at the start.
pub(crate) fn cut(lengths: &[usize], limit: Limit, layout: Layout) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&index| (std::cmp::Reverse(lengths[index]), index));
    match limit {
        Limit::Sequences(count) => order.chunks(count).map(<[usize]>::to_vec).collect(),
        Limit::Tokens(most_tokens) => {
            let sorted: Vec<usize> = order.iter().map(|&index| lengths[index]).collect();
            let mut rest = order.as_slice();
            let mut batches = Vec::new();
            let sizes = match layout {
                Layout::Padded => cheapest_sizes(&sorted, most_tokens),
                Layout::Flattened => full_sizes(&sorted, most_tokens),
            };
            for size in sizes {
                let (batch, others) = rest.split_at(size);
                batches.push(batch.to_vec());
                rest = others;
            }
            batches
        }
    }
}

/// The sizes of consecutive batches over falling lengths that cost least together.
fn cheapest_sizes(lengths: &[usize], most_tokens: usize) -> Vec<usize> {
    // cost[i] is that of everything from i on, size[i] how many the batch at i takes.
    let mut cost = vec![0; lengths.len() + 1];
    let mut size = vec![0; lengths.len()];
    for first in (0..lengths.len()).rev() {
        let longest = lengths[first].max(1);
        let most = (most_tokens / longest).max(1).min(lengths.len() - first);
        let cost_with = |count: usize| count * longest + BATCH_COST + cost[first + count];
        let best = (1..=most).min_by_key(|&count| cost_with(count)).expect("one is always allowed");
        (cost[first], size[first]) = (cost_with(best), best);
    }
    let mut sizes = Vec::new();
    let mut first = 0;
    while first < lengths.len() {
        sizes.push(size[first]);
        first += size[first];
    }
    sizes
}

/// The sizes of consecutive batches that have as many sequences as there is room for without padding, and at least one.
fn full_sizes(lengths: &[usize], most_tokens: usize) -> Vec<usize> {
    let mut sizes = Vec::new();
    let mut room = 0;
    for &length in lengths {
        match sizes.last_mut() {
            Some(size) if length <= room => *size += 1,
            _ => {
                sizes.push(1);
                room = most_tokens.max(length);
            }
        }
        room -= length;
    }
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(lengths: &[usize], sizes: &[usize]) -> usize {
        let mut first = 0;
        let mut total = 0;
        for &size in sizes {
            total += size * lengths[first].max(1) + BATCH_COST;
            first += size;
        }
        total
    }

    /// The least cost over all ways to cut, one by one.
    fn least(lengths: &[usize], most_tokens: usize) -> usize {
        let allowed = |count: usize| count == 1 || count * lengths[0] <= most_tokens;
        (1..=lengths.len())
            .filter(|&count| allowed(count))
            .map(|count| cost(lengths, &[count]) + least(&lengths[count..], most_tokens))
            .min()
            .unwrap_or(0)
    }

    #[test]
    fn cuts_as_cheaply_as_trying_every_way() {
        for lengths in [
            vec![],
            vec![5],
            vec![900, 900, 10, 9, 8, 7],
            vec![300, 280, 260, 100, 99, 98, 20, 20, 20, 1],
            vec![64, 64, 64, 64, 64, 64, 64],
        ] {
            for most_tokens in [1, 100, 600, 2000] {
                let sizes = cheapest_sizes(&lengths, most_tokens);
                assert_eq!(sizes.iter().sum::<usize>(), lengths.len());
                assert_eq!(
                    cost(&lengths, &sizes),
                    least(&lengths, most_tokens),
                    "{lengths:?} {most_tokens}"
                );
            }
        }
    }

    #[test]
    fn every_sequence_is_in_one_batch_within_the_limit() {
        let lengths: Vec<usize> = (0..500).map(|i| (i * 7919) % 313).collect();
        for limit in [Limit::Tokens(1024), Limit::Tokens(10), Limit::Sequences(8)] {
            for layout in [Layout::Padded, Layout::Flattened] {
                let batches = cut(&lengths, limit, layout);
                let mut all: Vec<usize> = batches.concat();
                all.sort_unstable();
                assert_eq!(all, (0..500).collect::<Vec<_>>());
                for batch in &batches {
                    let tokens = layout.tokens(batch.iter().map(|&index| lengths[index]));
                    match limit {
                        Limit::Tokens(most_tokens) => {
                            assert!(batch.len() == 1 || tokens <= most_tokens);
                        }
                        Limit::Sequences(count) => assert!(batch.len() <= count),
                    }
                }
            }
        }
    }

    #[test]
    fn without_padding_batches_are_as_full_as_they_can_be() {
        for (lengths, most_tokens, sizes) in [
            (&[5, 4, 3, 2, 1][..], 9, &[2, 3][..]),
            (&[20, 3, 3], 6, &[1, 2]),
            (&[6, 6], 6, &[1, 1]),
            (&[], 6, &[]),
        ] {
            assert_eq!(full_sizes(lengths, most_tokens), sizes, "{lengths:?}");
        }
    }
}
