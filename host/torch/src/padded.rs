//! Sequences side by side in one tensor, padded on the right. Causal attention keeps the padding out
//! of every answer, so no mask and no pad token are needed.

use crate::parcel;
use iterit_core::learner::Sequence;
use tch::{Device, Tensor};

/// A batch of sequences, without a prefix that is run apart, and the positions that predict their
/// scored tokens.
pub(crate) struct Padded {
    /// Token ids; 0 where there are none. // [B, T]
    pub(crate) tokens: Tensor,
    /// Longest row.
    pub(crate) length: usize,
    /// Positions before the scored tokens, counted row by row. // [N]
    pub(crate) rows: Tensor,
    /// The scored tokens. // [N]
    pub(crate) targets: Tensor,
    /// What each of them weighs in the loss of a step; none where no step is made. // [N], f32
    pub(crate) weights: Tensor,
    /// Whose they are, and their place among that sequence's scored tokens; N of them.
    pub(crate) owners: Vec<(usize, usize)>,
}

impl Padded {
    /// Lays out the sequences that `members` point to; each must have scored tokens.
    pub(crate) fn new(
        sequences: &[Sequence],
        members: &[usize],
        prefix: usize,
        device: Device,
    ) -> Self {
        Self::laid_out(sequences, members, prefix, |_| None, device)
    }

    /// The same with a weight for every scored token, which is that of its sequence.
    pub(crate) fn weighted(
        sequences: &[Sequence],
        members: &[usize],
        weights: &[f32],
        device: Device,
    ) -> Self {
        Self::laid_out(sequences, members, 0, |sequence| Some(weights[sequence]), device)
    }

    fn laid_out(
        sequences: &[Sequence],
        members: &[usize],
        prefix: usize,
        weight: impl Fn(usize) -> Option<f32>,
        device: Device,
    ) -> Self {
        let inputs = members.iter().map(|&member| &sequences[member].input()[prefix..]);
        let (tokens, length) = stacked(inputs);
        let (mut rows, mut targets, mut owners) = (Vec::new(), Vec::new(), Vec::new());
        for (row, &member) in members.iter().enumerate() {
            let sequence = &sequences[member];
            for (offset, position) in sequence.scored.positions().enumerate() {
                rows.push((row * length + position - 1 - prefix) as i64);
                targets.push(i64::from(sequence.tokens[position]));
                owners.push((member, offset));
            }
        }
        let weights: Vec<f32> = owners.iter().filter_map(|&(owner, _)| weight(owner)).collect();
        let ([tokens, rows, targets], weights) =
            parcel::send([&tokens, &rows, &targets], &weights, device);
        let tokens = tokens.view([members.len() as i64, length as i64]);
        Self { tokens, length, rows, targets, weights, owners }
    }
}

/// Rows of tokens, padded with 0, and the length of the longest. // [B, T]
pub(crate) fn stack<'a>(
    rows: impl ExactSizeIterator<Item = &'a [u32]> + Clone,
    device: Device,
) -> (Tensor, usize) {
    let count = rows.len() as i64;
    let (tokens, length) = stacked(rows);
    (parcel::on_device(&tokens, device).view([count, length as i64]), length)
}

/// The same, row behind row. // [B · T]
fn stacked<'a>(rows: impl Iterator<Item = &'a [u32]> + Clone) -> (Vec<i64>, usize) {
    let length = rows.clone().map(<[u32]>::len).max().unwrap_or(0);
    let mut tokens = Vec::new();
    for row in rows {
        tokens.extend(row.iter().map(|&token| i64::from(token)));
        tokens.resize(tokens.len() + length - row.len(), 0);
    }
    (tokens, length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use iterit_core::learner::Scored;

    #[test]
    fn scored_tokens_are_predicted_by_the_position_before_them() {
        let sequence =
            |tokens: &[u32], scored: Scored| Sequence { tokens: tokens.to_vec(), scored };
        let sequences = [
            sequence(&[1, 2, 3, 4, 5, 6], Scored::new([2..3, 4..5])),
            sequence(&[9], Scored::default()),
            sequence(&[1, 2, 7, 8], (3..4).into()),
        ];
        let batch = Padded::new(&sequences, &[0, 2], 1, Device::Cpu);
        let rows = |tensor: &Tensor| Vec::<i64>::try_from(tensor.flatten(0, -1)).unwrap();
        // Token 6 predicts nothing that counts; token 1 is the prefix.
        assert_eq!(batch.tokens.size(), [2, 3]);
        assert_eq!(rows(&batch.tokens), [2, 3, 4, 2, 7, 0]);
        assert_eq!(rows(&batch.rows), [0, 2, 4]);
        assert_eq!(rows(&batch.targets), [3, 5, 8]);
        assert_eq!(batch.weights.size(), [0]);
        assert_eq!(batch.owners, [(0, 0), (0, 1), (2, 0)]);
        let weighted = Padded::weighted(&sequences, &[0, 2], &[0.5, 9.0, 0.25], Device::Cpu);
        let weights = Vec::<f32>::try_from(weighted.weights.contiguous()).unwrap();
        assert_eq!(weights, [0.5, 0.5, 0.25]);
    }
}
