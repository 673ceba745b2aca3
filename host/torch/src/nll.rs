//! The scoring engine: every question that is answered by running sequences forward.
//!
//! Sequences are grouped by what they begin with, a group's beginning is run once, the rest sorted by
//! length and cut into batches, and the head applied only at the positions that are asked about,
//! a chunk of rows at a time. Answers do not depend on the batching beyond the last bits of an f32.

use crate::batches::{Layout, Limit};
use crate::collated::{self, Collated};
use crate::cross_entropy;
use crate::layers::rope::Reach;
use crate::models::decoder::Decoder;
use crate::models::place::{Place, Positions, Prefix};
use crate::parcel;
use crate::plan::{self, Batch, Beginning, Plan};
use crate::share::Share;
use crate::shim::Shared;
use crate::side_by_side;
use iterit_core::learner::{Sequence, Watch};
use iterit_core::sdk::{Embedding, LogitStatistics, Matrix, Pooling};
use iterit_core::{Error, Result};
use tch::{Device, Kind, Tensor};

/// How much is run at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budget {
    /// Tokens of a batch, padding included.
    pub(crate) tokens: usize,
    /// Numbers of a chunk of logits.
    pub(crate) logits: i64,
}

impl Budget {
    /// Rows of logits at once, for a vocabulary.
    pub(crate) fn rows_at_once(&self, vocab_size: i64) -> i64 {
        (self.logits / vocab_size).max(MIN_ROWS)
    }
}

/// Fewer rows than this would read the head more often than it is worth.
const MIN_ROWS: i64 = 64;

/// A model to run forward.
pub(crate) struct Scorer<'a> {
    pub(crate) decoder: &'a Decoder,
    pub(crate) positions: &'a Positions,
    pub(crate) budget: Budget,
    /// Of batches that answer about their tokens.
    pub(crate) layout: Layout,
    /// Batches at the same time.
    pub(crate) lanes: usize,
    /// Which of the batches are run; the others' answers are −0, or of no tokens.
    pub(crate) share: Share,
}

/// Logits at some scored tokens.
struct Chunk<'a> {
    logits: &'a Tensor,  // [n, V]
    targets: &'a Tensor, // [n]
}

impl Scorer<'_> {
    /// The loss of every scored token, nats; one row a sequence.
    pub(crate) fn token_nll(
        &self,
        sequences: &[Sequence],
        watch: &dyn Watch,
    ) -> Result<Vec<Vec<f32>>> {
        let mut rows: Vec<Vec<f32>> =
            sequences.iter().map(|sequence| vec![-0.0; sequence.scored.len()]).collect();
        let look =
            |chunk: &Chunk<'_>| to_vec(&cross_entropy::token_nll(chunk.logits, chunk.targets));
        self.visit_logits(sequences, watch, look, |sequence, place, loss| {
            if !loss.is_finite() {
                return Err(not_a_number(sequence, position(&sequences[sequence], place)));
            }
            rows[sequence][place] = loss;
            Ok(())
        })?;
        Ok(rows)
    }

    /// Entropy and margin, averaged over each sequence's scored tokens.
    pub(crate) fn logit_statistics(
        &self,
        sequences: &[Sequence],
        watch: &dyn Watch,
    ) -> Result<Vec<LogitStatistics>> {
        let mut sums = vec![LogitStatistics::default(); sequences.len()];
        let look = |chunk: &Chunk<'_>| {
            let entropies = to_vec(&cross_entropy::entropy(chunk.logits));
            entropies.into_iter().zip(to_vec(&cross_entropy::margin(chunk.logits))).collect()
        };
        self.visit_logits(sequences, watch, look, |sequence, place, (entropy, margin)| {
            if !entropy.is_finite() {
                return Err(not_a_number(sequence, position(&sequences[sequence], place)));
            }
            let sum = &mut sums[sequence];
            sum.entropy += f64::from(entropy);
            sum.margin += f64::from(margin);
            sum.tokens += 1;
            Ok(())
        })?;
        for sum in &mut sums {
            sum.entropy /= f64::from(sum.tokens);
            sum.margin /= f64::from(sum.tokens);
        }
        Ok(sums)
    }

    /// One pooled hidden state a sequence, over all of its tokens.
    pub(crate) fn embeddings(
        &self,
        sequences: &[Sequence],
        embedding: Embedding,
        watch: &dyn Watch,
    ) -> Result<Matrix> {
        let depth = depth(embedding.layer, self.decoder.num_layers())?;
        if let Some(empty) = sequences.iter().position(|sequence| sequence.tokens.is_empty()) {
            return Err(Error::Model(format!("sequence {empty} has no token to embed")));
        }
        let lengths: Vec<usize> = sequences.iter().map(|sequence| sequence.tokens.len()).collect();
        let columns = self.decoder.head().hidden_size() as usize;
        let mut values = vec![-0.0; sequences.len() * columns];
        let own = |batch: &[usize]| -> Vec<usize> { batch.iter().map(|&it| lengths[it]).collect() };
        let cost = |batch: &[usize]| own(batch).iter().sum::<usize>();
        let batches = plan::whole(&lengths, self.positions, self.most());
        let batches = self.share.of(batches, |(_, batch)| cost(batch));
        let own_tokens = batches.iter().map(|(_, batch)| cost(batch)).sum();
        let mut progress = Progress::new([own_tokens, lengths.iter().sum()], watch);
        let read = Shared::new(self);
        let answer = |piece: usize| {
            let _no_grad = tch::no_grad_guard();
            let (scorer, (reach, batch)) = (read.get(), &batches[piece]);
            let rows = batch.iter().map(|&member| sequences[member].tokens.as_slice());
            let (tokens, length) = collated::stack(rows, scorer.device());
            let place = Place::start(scorer.positions, *reach, length);
            let hidden = scorer.decoder.hidden_after(depth, &tokens, &place); // [B, T, D]
            Ok(to_vec(&pool(&hidden, &own(batch), embedding.pooling)))
        };
        side_by_side::run(batches.len(), self.lanes, answer, |piece, pooled| {
            let batch = &batches[piece].1;
            for (&member, row) in batch.iter().zip(pooled.chunks(columns)) {
                values[member * columns..(member + 1) * columns].copy_from_slice(row);
            }
            progress.add(cost(batch))
        })?;
        Matrix::new(values, columns).map_err(|error| Error::Model(error.to_string()))
    }

    /// Has every scored token's logits looked at, in chunks and on any thread, and what was seen kept:
    /// by sequence, and place among its scored tokens. A sequence's tokens come in order.
    fn visit_logits<T: Send>(
        &self,
        sequences: &[Sequence],
        watch: &dyn Watch,
        look: impl Fn(&Chunk<'_>) -> Vec<T> + Sync,
        mut keep: impl FnMut(usize, usize, T) -> Result<()>,
    ) -> Result<()> {
        let asked: Vec<usize> =
            (0..sequences.len()).filter(|&index| !sequences[index].scored.is_empty()).collect();
        let input = |&index: &usize| sequences[index].input().len();
        let cost = |batch: &Batch| batch.members.iter().map(input).sum::<usize>();
        let plan = Plan::new(sequences, &asked, self.positions, self.most(), self.layout);
        let all = plan.batches.iter().map(cost).sum();
        let Plan { batches, beginnings } = plan.of(self.share, cost);
        let mut progress = Progress::new([batches.iter().map(cost).sum(), all], watch);
        let model = (self, beginnings);
        let read = Shared::new(&model);
        let answer = |piece: usize| {
            let _no_grad = tch::no_grad_guard();
            let (scorer, beginnings) = read.get();
            let Batch { members, beginning } = &batches[piece];
            let beginning = &beginnings[*beginning];
            let prefix = beginning.take(|| scorer.run_prefix(sequences, beginning));
            Ok(scorer.batch(sequences, members, beginning.reach, prefix.as_deref(), &look))
        };
        side_by_side::run(batches.len(), self.lanes, answer, |piece, seen| {
            for ((sequence, place), seen) in seen {
                keep(sequence, place, seen)?;
            }
            progress.add(cost(&batches[piece]))
        })
    }

    /// What was seen of each scored token of a batch.
    fn batch<T>(
        &self,
        sequences: &[Sequence],
        batch: &[usize],
        reach: Reach,
        prefix: Option<&Prefix>,
        look: &impl Fn(&Chunk<'_>) -> Vec<T>,
    ) -> Vec<((usize, usize), T)> {
        let shared = prefix.map_or(0, Prefix::len);
        let collated = Collated::new(sequences, batch, shared, self.layout, self.device());
        let place = collated.place(self.positions, reach, prefix);
        let hidden = self.decoder.hidden_at(&collated.tokens, &place, &collated.rows); // [N, D]
        let head = self.decoder.head();
        let rows_at_once = self.budget.rows_at_once(head.vocab_size());
        let mut seen = Vec::with_capacity(collated.owners.len());
        for start in (0..collated.owners.len() as i64).step_by(rows_at_once as usize) {
            let length = rows_at_once.min(collated.owners.len() as i64 - start);
            let logits = head.logits(&hidden.narrow(0, start, length));
            let targets = collated.targets.narrow(0, start, length);
            seen.extend(look(&Chunk { logits: &logits, targets: &targets }));
        }
        collated.owners.into_iter().zip(seen).collect()
    }

    fn run_prefix(&self, sequences: &[Sequence], beginning: &Beginning) -> Prefix {
        let shared = &sequences[beginning.member].tokens[..beginning.length];
        let (tokens, _) = collated::stack([shared].into_iter(), self.device());
        self.decoder.prefix(&tokens, self.positions, beginning.reach)
    }

    fn most(&self) -> Limit {
        Limit::Tokens(self.budget.tokens)
    }

    pub(crate) fn device(&self) -> Device {
        self.decoder.head().device()
    }
}

/// How many layers stand before the layer a plugin asks for: 0 is the embedding, -1 the last.
fn depth(layer: i32, num_layers: usize) -> Result<usize> {
    let last = num_layers as i32;
    let depth = if layer < 0 { layer + last + 1 } else { layer };
    if (0..=last).contains(&depth) {
        return Ok(depth as usize);
    }
    let lowest = -last - 1;
    Err(Error::Model(format!("layer {layer} of {last}: expected {lowest} to {last}")))
}

/// A weighted sum over the tokens of each row. // [B, T, D] -> [B, D], f32
fn pool(hidden: &Tensor, lengths: &[usize], pooling: Pooling) -> Tensor {
    let (rows, length) = (lengths.len(), hidden.size()[1] as usize);
    let mut weights = vec![0.0f32; rows * length];
    for (row, &own) in weights.chunks_mut(length).zip(lengths) {
        match pooling {
            Pooling::Mean => row[..own].fill(1.0 / own as f32),
            Pooling::Last => row[own - 1] = 1.0,
        }
    }
    let ([], weights) = parcel::send([], &weights, hidden.device());
    let weights = weights.view([rows as i64, 1, length as i64]);
    weights.bmm(&hidden.to_kind(Kind::Float)).squeeze_dim(1)
}

fn to_vec(values: &Tensor) -> Vec<f32> {
    Vec::try_from(values.flatten(0, -1).contiguous()).expect("a flat tensor of f32")
}

/// Where the scored token stands that is at this place among them.
fn position(sequence: &Sequence, place: usize) -> usize {
    sequence.scored.positions().nth(place).expect("a place among the scored tokens")
}

fn not_a_number(sequence: usize, position: usize) -> Error {
    Error::Model(format!(
        "the loss of token {position} of sequence {sequence} is not a finite number\n\
         hint: the weights are broken or overflow; try --set model.dtype=float32"
    ))
}

/// Tokens or texts done, shown after every batch; those of all ranks, as far as one rank can tell by its own.
pub(crate) struct Progress<'a> {
    done: u64,
    own: u64,
    all: u64,
    watch: &'a dyn Watch,
}

impl<'a> Progress<'a> {
    /// For this rank's part of all there is.
    pub(crate) fn new([own, all]: [usize; 2], watch: &'a dyn Watch) -> Self {
        watch.progress(0, all as u64);
        Self { done: 0, own: own as u64, all: all as u64, watch }
    }

    pub(crate) fn add(&mut self, tokens: usize) -> Result<()> {
        self.done += tokens as u64;
        let done = u128::from(self.done) * u128::from(self.all) / u128::from(self.own.max(1));
        self.watch.progress(done as u64, self.all);
        if self.watch.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }
}
