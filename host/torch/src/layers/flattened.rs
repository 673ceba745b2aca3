//! Sequences one behind the other in a single row, so that nothing is padded: where each begins, which position each
//! token has, and attention that keeps them apart, by FlashAttention's kernel, <https://arxiv.org/abs/2307.08691>. What
//! PyTorch calls varlen and Hugging Face padding-free.
//!
//! S sequences of N tokens together, P tokens of a prefix that stands before each, H heads, Hk key/value heads, Dh
//! features a head.

use crate::shim::attention::{Starts, flash_attention};
use tch::{Kind, Tensor};

/// The order of tokens in the row, as lists that go to a device with the tokens themselves.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TokenOrder {
    /// Of each token in its sequence, the prefix counted. // [N]
    positions: Vec<i64>,
    /// Where the own tokens of each sequence begin, and the last end. // [S + 1]
    starts: Vec<i64>,
    /// The same of all that it sees. // [S + 1]; nothing without a prefix
    seen_starts: Vec<i64>,
    /// Which token of prefix and row, in this order, stands at each of those places. // [S · P + N]; nothing without a prefix
    seen: Vec<i64>,
    longest: usize,
    prefix: usize,
}

/// The same where the tokens are.
pub(crate) struct Flattened {
    positions: Tensor,           // [N]
    starts: Tensor,              // [S + 1], i32
    behind_prefix: Option<Seen>, // none without a prefix
    longest: i64,
    prefix: i64,
}

/// What sequences see behind a prefix.
struct Seen {
    starts: Tensor, // [S + 1], i32
    places: Tensor, // [S · P + N]
}

impl TokenOrder {
    /// Of sequences with so many own tokens each.
    pub(crate) fn new(lengths: &[usize], prefix: usize) -> Self {
        let mut order = Self {
            positions: Vec::new(),
            starts: vec![0],
            seen_starts: Vec::new(),
            seen: Vec::new(),
            longest: lengths.iter().copied().max().unwrap_or(0),
            prefix,
        };
        let mut start = 0;
        for length in lengths {
            order.positions.extend((prefix..prefix + length).map(|position| position as i64));
            if prefix > 0 {
                order.seen_starts.push(order.seen.len() as i64);
                let own = prefix + start..prefix + start + length;
                order.seen.extend((0..prefix).chain(own).map(|place| place as i64));
            }
            start += length;
            order.starts.push(start as i64);
        }
        if prefix > 0 {
            order.seen_starts.push(order.seen.len() as i64);
        }
        order
    }

    /// What goes to the device, in the order in which [`Self::sent`] takes it back.
    pub(crate) fn lists(&self) -> [&[i64]; 4] {
        [&self.positions, &self.starts, &self.seen_starts, &self.seen]
    }

    /// With its lists on their device.
    pub(crate) fn sent(&self, [positions, starts, seen_starts, seen]: [Tensor; 4]) -> Flattened {
        // As the kernel wants them.
        let short = |starts: &Tensor| starts.to_kind(Kind::Int);
        let seen = || Seen { starts: short(&seen_starts), places: seen };
        let starts = short(&starts);
        let behind_prefix = (self.prefix > 0).then(seen);
        let (longest, prefix) = (self.longest as i64, self.prefix as i64);
        Flattened { positions, starts, behind_prefix, longest, prefix }
    }
}

impl Flattened {
    /// Of each token in its sequence. // [N]
    pub(crate) fn positions(&self) -> &Tensor {
        &self.positions
    }

    /// How many tokens the last of the longest sequence sees, itself included.
    pub(crate) fn longest_seen(&self) -> i64 {
        self.prefix + self.longest
    }

    /// softmax(s Q Kᵀ) V, each sequence by itself. Keys and values are those of the prefix, then of the row.
    /// // [1, N, H, Dh], [1, P + N, Hk, Dh] twice -> [1, N, H, Dh]
    pub(crate) fn attend(
        &self,
        queries: &Tensor,
        keys_values: [&Tensor; 2],
        scale: f64,
        window: Option<i64>,
    ) -> Tensor {
        let seen = |x: &Tensor| match &self.behind_prefix {
            Some(seen) => x.squeeze_dim(0).index_select(0, &seen.places),
            None => x.squeeze_dim(0),
        };
        let [keys, values] = keys_values.map(seen);
        let of_queries = Starts { at: &self.starts, longest: self.longest };
        let seen_starts = self.behind_prefix.as_ref().map_or(&self.starts, |seen| &seen.starts);
        let of_keys = Starts { at: seen_starts, longest: self.longest_seen() };
        let queries = queries.squeeze_dim(0);
        flash_attention(&queries, [&keys, &values], &of_queries, &of_keys, scale, window)
            .unsqueeze(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sequence_counts_its_own_positions_and_sees_the_prefix_and_itself() {
        let order = TokenOrder::new(&[3, 1, 2], 0);
        assert_eq!(order.positions, [0, 1, 2, 0, 0, 1]);
        assert_eq!(order.starts, [0, 3, 4, 6]);
        assert_eq!((order.seen_starts.len(), order.seen.len()), (0, 0));

        let order = TokenOrder::new(&[3, 1], 2);
        assert_eq!(order.positions, [2, 3, 4, 2]);
        assert_eq!(order.starts, [0, 3, 4]);
        assert_eq!(order.seen_starts, [0, 5, 8]);
        // Places 0 and 1 are the prefix; the row's first token stands at 2.
        assert_eq!(order.seen, [0, 1, 2, 3, 4, 0, 1, 5]);
    }
}
