//! What rank 0 asks of all ranks, as numbers on the wire.

use iterit_core::learner::{LossNormalization, Scored, Sequence, StepOptions};
use iterit_core::sdk::{Embedding, Pooling};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What all ranks do next, each its share of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Request {
    TokenNll(Vec<Sequence>),
    LogitStatistics(Vec<Sequence>),
    Embeddings(Vec<Sequence>, Embedding),
    /// One optimizer step over samples of several sequences.
    Step(Vec<Vec<Sequence>>, StepOptions),
    Save(PathBuf),
    Restore(PathBuf),
    /// Nothing any more.
    End,
}

impl Request {
    /// What it is about, after "it was to".
    pub(super) fn doing(&self) -> String {
        let about = |what: &str, all: &[Sequence]| format!("{what} {} texts", all.len());
        match self {
            Self::TokenNll(sequences) => about("find the losses of", sequences),
            Self::LogitStatistics(sequences) => about("find the logits of", sequences),
            Self::Embeddings(sequences, _) => about("embed", sequences),
            Self::Step(samples, _) => format!("take a step over {} samples", samples.len()),
            Self::Save(folder) => format!("write a checkpoint to `{}`", folder.display()),
            Self::Restore(folder) => format!("read the checkpoint `{}`", folder.display()),
            Self::End => "end".into(),
        }
    }

    /// For one of the models.
    pub(super) fn to_words(&self, model: usize) -> Vec<i64> {
        let mut words = Words(vec![model as i64]);
        match self {
            Self::End => words.push(0),
            Self::TokenNll(sequences) => {
                words.push(1);
                words.sequences(sequences);
            }
            Self::LogitStatistics(sequences) => {
                words.push(2);
                words.sequences(sequences);
            }
            Self::Embeddings(sequences, Embedding { layer, pooling }) => {
                let pooling = match pooling {
                    Pooling::Mean => 0,
                    Pooling::Last => 1,
                };
                words.0.extend([3, i64::from(*layer), pooling]);
                words.sequences(sequences);
            }
            Self::Step(samples, options) => {
                let normalization = match options.loss_normalization {
                    LossNormalization::Sample => 0,
                    LossNormalization::Token => 1,
                };
                words.push(4);
                words.0.extend([options.learning_rate, options.max_grad_norm].map(bits));
                words.0.extend([normalization, samples.len() as i64]);
                samples.iter().for_each(|sequences| words.sequences(sequences));
            }
            Self::Save(folder) => {
                words.push(5);
                words.path(folder);
            }
            Self::Restore(folder) => {
                words.push(6);
                words.path(folder);
            }
        }
        words.0
    }

    /// The model that is asked, and what.
    ///
    /// # Panics
    /// Where these are not the words of a request: all ranks run one program.
    pub(super) fn of_words(words: Vec<i64>) -> (usize, Self) {
        let mut words = Read(words.into_iter());
        let model = words.next() as usize;
        let request = match words.next() {
            0 => Self::End,
            1 => Self::TokenNll(words.sequences()),
            2 => Self::LogitStatistics(words.sequences()),
            3 => {
                let layer = words.next() as i32;
                let pooling = if words.next() == 0 { Pooling::Mean } else { Pooling::Last };
                Self::Embeddings(words.sequences(), Embedding { layer, pooling })
            }
            4 => {
                let [learning_rate, max_grad_norm] =
                    [(); 2].map(|()| f64::from_bits(words.next().cast_unsigned()));
                let loss_normalization = match words.next() {
                    0 => LossNormalization::Sample,
                    _ => LossNormalization::Token,
                };
                let count = words.next();
                let samples = (0..count).map(|_| words.sequences()).collect();
                Self::Step(
                    samples,
                    StepOptions { learning_rate, max_grad_norm, loss_normalization },
                )
            }
            5 => Self::Save(words.path()),
            6 => Self::Restore(words.path()),
            other => panic!("request {other} of another program"),
        };
        (model, request)
    }
}

fn bits(number: f64) -> i64 {
    number.to_bits().cast_signed()
}

/// Words that are being written.
struct Words(Vec<i64>);

impl Words {
    fn push(&mut self, word: i64) {
        self.0.push(word);
    }

    fn sequences(&mut self, sequences: &[Sequence]) {
        self.push(sequences.len() as i64);
        for Sequence { tokens, scored } in sequences {
            self.0.extend([tokens.len() as i64, scored.ranges().len() as i64]);
            self.0.extend(tokens.iter().map(|&token| i64::from(token)));
            self.0.extend(scored.ranges().iter().flat_map(|it| [it.start as i64, it.end as i64]));
        }
    }

    fn path(&mut self, path: &Path) {
        let bytes = path.as_os_str().as_bytes();
        self.push(bytes.len() as i64);
        self.0.extend(bytes.iter().map(|&byte| i64::from(byte)));
    }
}

/// Words that are being read.
struct Read(std::vec::IntoIter<i64>);

impl Read {
    fn next(&mut self) -> i64 {
        self.0.next().expect("a request is whole")
    }

    fn sequences(&mut self) -> Vec<Sequence> {
        let count = self.next();
        (0..count).map(|_| self.sequence()).collect()
    }

    fn sequence(&mut self) -> Sequence {
        let (length, ranges) = (self.next(), self.next());
        let tokens = (0..length).map(|_| self.next() as u32).collect();
        let ranges: Vec<_> =
            (0..ranges).map(|_| self.next() as usize..self.next() as usize).collect();
        Sequence { tokens, scored: Scored::new(ranges) }
    }

    fn path(&mut self) -> PathBuf {
        let length = self.next();
        let bytes: Vec<u8> = (0..length).map(|_| self.next() as u8).collect();
        PathBuf::from(OsStr::from_bytes(&bytes))
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
        let options = StepOptions {
            learning_rate: 1e-3,
            max_grad_norm: f64::INFINITY,
            loss_normalization: LossNormalization::Token,
        };
        let samples = vec![sequences.clone(), Vec::new(), sequences[..1].to_vec()];
        for request in [
            Request::End,
            Request::TokenNll(sequences.clone()),
            Request::LogitStatistics(Vec::new()),
            Request::Embeddings(sequences, last),
            Request::Step(samples, options),
            Request::Save("runs/a b/ü".into()),
            Request::Restore("x".into()),
        ] {
            assert_eq!(Request::of_words(request.to_words(1)), (1, request));
        }
    }
}
