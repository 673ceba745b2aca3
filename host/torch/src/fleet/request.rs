//! What rank 0 asks of all ranks, as numbers on the wire.

use crate::shim::ProcessGroup;
use iterit_core::Result;
use iterit_core::learner::{Scored, Sequence};
use iterit_core::sdk::{Embedding, Pooling};
use tch::{Device, Kind, Tensor};

/// What all ranks do next, each its share of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Request {
    TokenNll(Vec<Sequence>),
    LogitStatistics(Vec<Sequence>),
    Embeddings(Vec<Sequence>, Embedding),
    /// Nothing any more.
    End,
}

impl Request {
    /// From rank 0 to all others.
    pub(crate) fn send(&self, group: &ProcessGroup) -> Result<()> {
        let words = self.to_words();
        group.broadcast(&mut Tensor::from_slice(&[words.len() as i64]), 0)?;
        group.broadcast(&mut Tensor::from_slice(&words), 0)
    }

    /// What rank 0 sends next.
    pub(crate) fn receive(group: &ProcessGroup) -> Result<Self> {
        let empty = |count| Tensor::zeros([count], (Kind::Int64, Device::Cpu));
        let mut length = empty(1);
        group.broadcast(&mut length, 0)?;
        let mut words = empty(length.int64_value(&[0]));
        group.broadcast(&mut words, 0)?;
        Ok(Self::of_words(Vec::try_from(words).expect("a flat tensor of i64")))
    }

    fn to_words(&self) -> Vec<i64> {
        let (kind, layer, pooling, sequences) = match self {
            Self::End => (0, 0, 0, &[][..]),
            Self::TokenNll(sequences) => (1, 0, 0, &sequences[..]),
            Self::LogitStatistics(sequences) => (2, 0, 0, &sequences[..]),
            Self::Embeddings(sequences, Embedding { layer, pooling }) => {
                let pooling = match pooling {
                    Pooling::Mean => 0,
                    Pooling::Last => 1,
                };
                (3, i64::from(*layer), pooling, &sequences[..])
            }
        };
        let mut words = vec![kind, layer, pooling, sequences.len() as i64];
        for Sequence { tokens, scored } in sequences {
            words.extend([tokens.len() as i64, scored.ranges().len() as i64]);
            words.extend(tokens.iter().map(|&token| i64::from(token)));
            words.extend(scored.ranges().iter().flat_map(|it| [it.start as i64, it.end as i64]));
        }
        words
    }

    /// # Panics
    /// Where these are not the words of a request: all ranks run one program.
    fn of_words(words: Vec<i64>) -> Self {
        let mut words = words.into_iter();
        let mut next = || words.next().expect("a request is whole");
        let (kind, layer, pooling, count) = (next(), next(), next(), next());
        let mut sequence = || {
            let (length, ranges) = (next(), next());
            let tokens = (0..length).map(|_| next() as u32).collect();
            let ranges = (0..ranges).map(|_| next() as usize..next() as usize);
            Sequence { tokens, scored: Scored::new(ranges) }
        };
        let sequences = (0..count).map(|_| sequence()).collect();
        match kind {
            0 => Self::End,
            1 => Self::TokenNll(sequences),
            2 => Self::LogitStatistics(sequences),
            3 => {
                let pooling = if pooling == 0 { Pooling::Mean } else { Pooling::Last };
                Self::Embeddings(sequences, Embedding { layer: layer as i32, pooling })
            }
            other => panic!("request {other} of another program"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn requests_survive_the_wire() {
        let sequences = testing::sequences(20);
        let last = Embedding { layer: -2, pooling: Pooling::Last };
        for request in [
            Request::End,
            Request::TokenNll(sequences.clone()),
            Request::LogitStatistics(Vec::new()),
            Request::Embeddings(sequences, last),
        ] {
            assert_eq!(Request::of_words(request.to_words()), request);
        }
    }
}
