//! Sequences of a batch in one tensor: rows beside one another, padded on the right, or one behind the other without
//! padding. Causal attention keeps the padding out of every answer, so no mask and no pad token are needed.

use crate::batches::Layout;
use crate::layers::flattened::{Flattened, TokenOrder};
use crate::layers::rope::Reach;
use crate::models::place::{Place, Positions, Prefix};
use crate::parcel;
use iterit_core::learner::Sequence;
use std::rc::Rc;
use tch::{Device, Tensor};

/// A batch of sequences, without a prefix that is run apart, and the positions that predict their
/// scored tokens.
pub(crate) struct Collated {
    /// Token ids; 0 where there are none. // [B, T], or [1, N]
    pub(crate) tokens: Tensor,
    /// Positions before the scored tokens, counted row by row. // [n]
    pub(crate) rows: Tensor,
    /// The scored tokens. // [n]
    pub(crate) targets: Tensor,
    /// What each of them weighs in the loss of a step; none where no step is made. // [n], f32
    pub(crate) weights: Tensor,
    /// Whose they are, and their place among that sequence's scored tokens; n of them.
    pub(crate) owners: Vec<(usize, usize)>,
    /// The sequences in their order, each with the places that it takes, padding included.
    pub(crate) runs: Vec<(usize, usize)>,
    /// Where each begins; of rows beside one another all begin at 0.
    flattened: Option<Rc<Flattened>>,
}

impl Collated {
    /// Lays out the sequences that `members` point to; each must have scored tokens.
    pub(crate) fn new(
        sequences: &[Sequence],
        members: &[usize],
        prefix: usize,
        layout: Layout,
        device: Device,
    ) -> Self {
        Self::laid_out(sequences, members, prefix, layout, |_| None, device)
    }

    /// The same with a weight for every scored token, which is that of its sequence.
    pub(crate) fn weighted(
        sequences: &[Sequence],
        members: &[usize],
        weights: &[f32],
        layout: Layout,
        device: Device,
    ) -> Self {
        Self::laid_out(sequences, members, 0, layout, |sequence| Some(weights[sequence]), device)
    }

    fn laid_out(
        sequences: &[Sequence],
        members: &[usize],
        prefix: usize,
        layout: Layout,
        weight: impl Fn(usize) -> Option<f32>,
        device: Device,
    ) -> Self {
        let input = |&member: &usize| &sequences[member].input()[prefix..];
        let lengths: Vec<usize> = members.iter().map(|member| input(member).len()).collect();
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let (order, places, size) = match layout {
            Layout::Padded => (None, vec![longest; members.len()], [members.len(), longest]),
            Layout::Flattened => {
                let size = [1, lengths.iter().sum()];
                (Some(TokenOrder::new(&lengths, prefix)), lengths, size)
            }
        };
        let (mut tokens, mut rows) = (Vec::new(), Vec::new());
        let (mut targets, mut owners) = (Vec::new(), Vec::new());
        for (&member, &places) in members.iter().zip(&places) {
            let (sequence, start) = (&sequences[member], tokens.len());
            tokens.extend(input(&member).iter().map(|&token| i64::from(token)));
            tokens.resize(start + places, 0);
            for (offset, position) in sequence.scored.positions().enumerate() {
                rows.push((start + position - 1 - prefix) as i64);
                targets.push(i64::from(sequence.tokens[position]));
                owners.push((member, offset));
            }
        }
        let weights: Vec<f32> = owners.iter().filter_map(|&(owner, _)| weight(owner)).collect();
        let lists = order.as_ref().map_or([&[][..]; 4], TokenOrder::lists);
        let [positions, starts, seen_starts, seen] = lists;
        let lists = [&tokens, &rows, &targets, positions, starts, seen_starts, seen];
        let ([tokens, rows, targets, order_lists @ ..], weights) =
            parcel::send(lists, &weights, device);
        Self {
            tokens: tokens.view(size.map(|size| size as i64)),
            rows,
            targets,
            weights,
            owners,
            runs: members.iter().copied().zip(places).collect(),
            flattened: order.map(|order| Rc::new(order.sent(order_lists))),
        }
    }

    /// Where the batch stands, behind a prefix if there is one.
    pub(crate) fn place<'a>(
        &self,
        positions: &'a Positions,
        reach: Reach,
        prefix: Option<&'a Prefix>,
    ) -> Place<'a> {
        let length = || self.tokens.size()[1] as usize;
        match (&self.flattened, prefix) {
            (Some(flattened), _) => {
                Place::flattened(Rc::clone(flattened), positions, reach, prefix)
            }
            (None, Some(prefix)) => Place::after(prefix, positions, length()),
            (None, None) => Place::start(positions, reach, length()),
        }
    }
}

/// Rows of tokens, padded with 0, and the length of the longest. // [B, T]
pub(crate) fn stack<'a>(
    rows: impl ExactSizeIterator<Item = &'a [u32]> + Clone,
    device: Device,
) -> (Tensor, usize) {
    let count = rows.len() as i64;
    let length = rows.clone().map(<[u32]>::len).max().unwrap_or(0);
    let mut tokens = Vec::new();
    for row in rows {
        tokens.extend(row.iter().map(|&token| i64::from(token)));
        tokens.resize(tokens.len() + length - row.len(), 0);
    }
    (parcel::on_device(&tokens, device).view([count, length as i64]), length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use iterit_core::learner::Scored;

    fn sequences() -> [Sequence; 3] {
        let sequence =
            |tokens: &[u32], scored: Scored| Sequence { tokens: tokens.to_vec(), scored };
        [
            sequence(&[1, 2, 3, 4, 5, 6], Scored::new([2..3, 4..5])),
            sequence(&[9], Scored::default()),
            sequence(&[1, 2, 7, 8], (3..4).into()),
        ]
    }

    fn numbers(tensor: &Tensor) -> Vec<i64> {
        Vec::<i64>::try_from(tensor.flatten(0, -1)).unwrap()
    }

    #[test]
    fn scored_tokens_are_predicted_by_the_position_before_them() {
        let batch = Collated::new(&sequences(), &[0, 2], 1, Layout::Padded, Device::Cpu);
        // Token 6 predicts nothing that counts; token 1 is the prefix.
        assert_eq!(batch.tokens.size(), [2, 3]);
        assert_eq!(numbers(&batch.tokens), [2, 3, 4, 2, 7, 0]);
        assert_eq!(numbers(&batch.rows), [0, 2, 4]);
        assert_eq!(numbers(&batch.targets), [3, 5, 8]);
        assert_eq!(batch.weights.size(), [0]);
        assert_eq!(batch.owners, [(0, 0), (0, 1), (2, 0)]);
        assert_eq!(batch.runs, [(0, 3), (2, 3)]);
    }

    #[test]
    fn one_behind_the_other_nothing_is_padded() {
        let batch = Collated::new(&sequences(), &[0, 2], 1, Layout::Flattened, Device::Cpu);
        assert_eq!(batch.tokens.size(), [1, 5]);
        assert_eq!(numbers(&batch.tokens), [2, 3, 4, 2, 7]);
        assert_eq!(numbers(&batch.rows), [0, 2, 4]);
        assert_eq!(numbers(&batch.targets), [3, 5, 8]);
        assert_eq!(batch.runs, [(0, 3), (2, 2)]);
        assert_eq!(numbers(batch.flattened.unwrap().positions()), [1, 2, 3, 1, 2]);
    }

    #[test]
    fn every_scored_token_weighs_what_its_sequence_does() {
        for layout in [Layout::Padded, Layout::Flattened] {
            let weights = [0.5, 9.0, 0.25];
            let batch = Collated::weighted(&sequences(), &[0, 2], &weights, layout, Device::Cpu);
            let weights = Vec::<f32>::try_from(batch.weights.contiguous()).unwrap();
            assert_eq!(weights, [0.5, 0.5, 0.25]);
        }
    }
}
