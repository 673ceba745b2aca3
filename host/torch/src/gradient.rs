//! The gradient of one optimizer step, gathered from micro-batches that share its samples.
//!
//! Every scored token has a weight fixed by the whole step, so the cut into micro-batches changes nothing but memory.
//! How one of them goes through the model and back is the business of `backward`. On a CPU they are run side by side,
//! each on one thread, so that threads meet once a step and not at every operator.

mod backward;

use crate::batches::{self, Layout, Limit};
use crate::collated::Collated;
use crate::layers::dropout::{StepSeed, TokenKeys};
use crate::layers::rope::Reach;
use crate::lora::Model;
use crate::models::place::Positions;
use crate::nll::Budget;
use crate::share::Share;
use crate::shim::Shared;
use crate::side_by_side;
use crate::trainable::Trainable;
use backward::Run;
use iterit_core::Result;
use iterit_core::learner::{LossNormalization, Sequence};
use tch::{Device, Kind, Tensor};

/// What stays in memory between forward and backward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Activations {
    /// Everything; fastest.
    #[default]
    Keep,
    /// Only what stands between layers; the rest is computed a second time in the backward pass.
    Recompute,
}

/// A model to find gradients of.
pub(crate) struct Trainer<'a> {
    /// Its weights as they are stored; what is trained hangs on them, or on the adapters.
    pub(crate) model: Model<'a>,
    pub(crate) trainable: &'a Trainable,
    /// The type they compute in.
    pub(crate) compute: Kind,
    pub(crate) positions: &'a Positions,
    pub(crate) device: Device,
    pub(crate) budget: Budget,
    pub(crate) micro_batch: Limit,
    pub(crate) layout: Layout,
    /// Those of an operator where one micro-batch runs at a time.
    pub(crate) threads: usize,
    /// Micro-batches at the same time, where that needs no more memory.
    pub(crate) lanes: usize,
    /// Which of the step's micro-batches are run here.
    pub(crate) share: Share,
    pub(crate) activations: Activations,
    /// What adapters drop out in this step.
    pub(crate) dropout: Option<StepSeed>,
}

/// Tokens, padding included, that micro-batches at the same time may have together.
const MOST_TOKENS_AT_ONCE: usize = 4096;

/// Micro-batches are not cut smaller than this many tokens to have one for every thread of every rank.
const FEWEST_TOKENS: usize = 128;

/// What the forward passes of a step said.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Losses {
    /// Each sample's mean over its scored tokens, nats; NaN where it has none.
    pub(crate) means: Vec<f64>,
    /// The weighted sum that the gradient belongs to.
    pub(crate) loss: f64,
}

/// The same, as long as the device may still be working on it.
pub(crate) struct Unread {
    /// Of each micro-batch the losses of its tokens. // [N], f32
    losses: Vec<Tensor>,
    /// Which sample each of them belongs to.
    owners: Vec<usize>,
    /// What a token of each sample weighs in the loss of the step.
    weights: Vec<f32>,
    /// How many scored tokens each sample has.
    counts: Vec<usize>,
}

impl Unread {
    /// Waits for the device, once a step: one more number, the gradient's norm, comes along. // []
    pub(crate) fn read_with(mut self, number: Tensor) -> (Losses, f64) {
        self.losses.push(number.view([1]));
        let numbers = Tensor::cat(&self.losses, 0);
        let mut numbers = Vec::<f32>::try_from(numbers).expect("a flat tensor of f32");
        let number = numbers.pop().expect("it came along");
        let mut sums = vec![0.0; self.counts.len()];
        for (owner, loss) in self.owners.into_iter().zip(numbers) {
            sums[owner] += f64::from(loss);
        }
        let weighted = sums.iter().zip(self.weights).map(|(sum, weight)| sum * f64::from(weight));
        let loss = weighted.sum();
        let means = sums.iter().zip(self.counts).map(|(sum, count)| sum / count as f64).collect();
        (Losses { means, loss }, number.into())
    }
}

impl Trainer<'_> {
    /// Adds the gradient of the step's loss to that of everything trained.
    pub(crate) fn accumulate(
        &self,
        samples: &[&[Sequence]],
        normalization: LossNormalization,
    ) -> Result<Unread> {
        let backward = &mut |run: &Run<'_>| run.backward(self.activations);
        self.with_step(samples, normalization, |step, micro_batches| {
            match self.lanes_for(micro_batches) {
                1 => self.one_by_one(step, micro_batches, backward),
                lanes => self.side_by_side(step, micro_batches, lanes),
            }
        })
    }

    /// The same, one micro-batch after the other and section by section: `passed` hears of every section of the model that
    /// the way back of a micro-batch has left, and may take away the gradients that are whole there.
    pub(crate) fn accumulate_by_sections(
        &self,
        samples: &[&[Sequence]],
        normalization: LossNormalization,
        passed: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<Unread> {
        let backward = &mut |run: &Run<'_>| run.by_sections(self.activations, passed);
        self.with_step(samples, normalization, |step, micro_batches| {
            self.one_by_one(step, micro_batches, backward)
        })
    }

    /// The most micro-batches that any rank has in a step.
    pub(crate) fn rounds(&self, samples: &[&[Sequence]]) -> usize {
        let micro_batches = self.micro_batches(&flat(samples).0);
        let all: Vec<&MicroBatch> = micro_batches.iter().collect();
        let of = |share: Share| share.of(all.clone(), |it| it.tokens).len();
        Share::all(self.share.size).map(of).max().unwrap_or(0)
    }

    /// Runs what is here of a step.
    fn with_step(
        &self,
        samples: &[&[Sequence]],
        normalization: LossNormalization,
        run: impl FnOnce(Step<'_>, &[MicroBatch]) -> Result<Part>,
    ) -> Result<Unread> {
        let weights = token_weights(samples, normalization);
        let (sequences, samples_of) = flat(samples);
        let weights_of: Vec<f32> = samples_of.iter().map(|&sample| weights[sample]).collect();
        let step = Step { sequences: &sequences, weights: &weights_of };
        let part = run(step, &self.own_micro_batches(&sequences))?;
        let owners = part.owners.into_iter().map(|sequence| samples_of[sequence]).collect();
        let counts = samples.iter().map(|sample| scored_tokens(sample)).collect();
        Ok(Unread { losses: part.losses, owners, weights, counts })
    }

    /// On all threads at once.
    fn one_by_one(
        &self,
        step: Step<'_>,
        micro_batches: &[MicroBatch],
        backward: &mut Backward<'_>,
    ) -> Result<Part> {
        let weights = &self.model.weights.cast(self.compute);
        let model = Model { weights, ..self.model };
        let run = || self.run(model, step, micro_batches.iter(), backward);
        side_by_side::spread_over(self.threads, run)
    }

    /// How the step would be cut: tokens and scored tokens of the largest micro-batch, how many there are,
    /// and how many run at the same time.
    pub(crate) fn cut(&self, samples: &[&[Sequence]]) -> Cut {
        let (sequences, _) = flat(samples);
        let micro_batches = self.own_micro_batches(&sequences);
        let rows = |it: &MicroBatch| it.members.iter().map(|&it| sequences[it].scored.len()).sum();
        let all = sequences.iter().filter(|it| !it.scored.is_empty()).map(|it| it.input().len());
        let all: usize = all.sum();
        Cut {
            most_tokens: match self.limit(all) {
                Limit::Tokens(most) => most.min(all),
                Limit::Sequences(_) => 0,
            },
            tokens: micro_batches.iter().map(|it| it.tokens).max().unwrap_or(0),
            rows: micro_batches.iter().map(rows).max().unwrap_or(0),
            count: micro_batches.len(),
            lanes: self.lanes_for(&micro_batches),
        }
    }

    /// The loss of every token that carries some; the gradients of micro-batches are added to the leaves of
    /// `model` one after another.
    fn run<'b>(
        &self,
        model: Model<'_>,
        step: Step<'_>,
        micro_batches: impl Iterator<Item = &'b MicroBatch>,
        backward: &mut Backward<'_>,
    ) -> Result<Part> {
        let mut all = Part::default();
        for MicroBatch { reach, members, .. } in micro_batches {
            let (layout, device) = (self.layout, self.device);
            let collated =
                Collated::weighted(step.sequences, members, step.weights, layout, device);
            let place = collated.place(self.positions, *reach, None);
            let keys = self.dropout.map(|seed| {
                TokenKeys::new(seed, &collated.runs, &collated.tokens.size(), &collated.rows)
            });
            let decoder = model.decoder(keys.as_ref());
            let run = Run { decoder, collated, place, budget: self.budget };
            all.losses.push(backward(&run)?);
            all.owners.extend(run.collated.owners.iter().map(|owner| owner.0));
        }
        Ok(all)
    }

    /// The same on several threads, each with leaves of its own over the same storage. Which
    /// micro-batches a thread takes is settled before, and gradients are added in the threads' order, so the
    /// result is the same for the same number of them.
    fn side_by_side(
        &self,
        step: Step<'_>,
        micro_batches: &[MicroBatch],
        lanes: usize,
    ) -> Result<Part> {
        let mut parts: Vec<_> = (0..lanes).map(|_| None).collect();
        let read = Shared::new(self);
        let part = |lane: usize| {
            let trainer = read.get();
            let own = trainer.model.apart();
            let cast = own.weights().map(|it| it.cast(trainer.compute));
            let weights = cast.as_ref().unwrap_or(trainer.model.weights);
            let adapters = own.adapters();
            let all = micro_batches.iter().collect();
            let mine = Share { rank: lane, size: lanes }.of(all, |it| it.cost()).into_iter();
            let backward = &mut |run: &Run<'_>| run.backward(trainer.activations);
            let model = Model { weights, adapters, ..trainer.model };
            let losses = trainer.run(model, step, mine, backward)?;
            Ok((losses, own.into_gradients()))
        };
        side_by_side::run(lanes, lanes, part, |lane, part| {
            parts[lane] = Some(part);
            Ok(())
        })?;
        let mut all = Part::default();
        for (part, gradients) in parts.into_iter().flatten() {
            all.losses.extend(part.losses);
            all.owners.extend(part.owners);
            self.trainable.add_gradients(&gradients)?;
        }
        Ok(all)
    }

    /// The micro-batches of a step that are run here.
    fn own_micro_batches(&self, sequences: &[Sequence]) -> Vec<MicroBatch> {
        self.share.of(self.micro_batches(sequences), |it| it.tokens)
    }

    /// The sequences of a step that carry loss, cut up: as large as they may be, or smaller where threads and ranks
    /// are through earlier, since one more than they share out evenly has all others wait for it.
    fn micro_batches(&self, sequences: &[Sequence]) -> Vec<MicroBatch> {
        let trained: Vec<usize> =
            (0..sequences.len()).filter(|&index| !sequences[index].scored.is_empty()).collect();
        let tokens = trained.iter().map(|&index| sequences[index].input().len()).sum::<usize>();
        let cut = |limit| self.cut_up(sequences, &trained, limit);
        match self.limit(tokens) {
            Limit::Tokens(most) if self.lanes * self.share.size > 1 => {
                let less = |eighths: usize| Limit::Tokens((most * eighths / 8).max(FEWEST_TOKENS));
                let cuts = (4..=8).rev().map(|eighths| cut(less(eighths)));
                cuts.min_by_key(|cut| self.longest_share(cut)).expect("several cuts")
            }
            limit => cut(limit),
        }
    }

    /// Micro-batches of at most such a size; sequences that may not run side by side apart.
    fn cut_up(&self, sequences: &[Sequence], trained: &[usize], limit: Limit) -> Vec<MicroBatch> {
        let all = trained.iter().map(|&index| sequences[index].tokens.len());
        let mut micro_batches = Vec::new();
        for (reach, group) in self.positions.groups(all) {
            let group: Vec<usize> = group.into_iter().map(|index| trained[index]).collect();
            let input = |&index: &usize| sequences[index].input().len();
            let lengths: Vec<usize> = group.iter().map(input).collect();
            for batch in batches::cut(&lengths, limit, self.layout) {
                let tokens = self.layout.tokens(batch.iter().map(|&index| lengths[index]));
                let members = batch.into_iter().map(|index| group[index]).collect();
                micro_batches.push(MicroBatch { reach, members, tokens });
            }
        }
        micro_batches
    }

    /// What the thread has to do that has most, in tokens.
    fn longest_share(&self, micro_batches: &[MicroBatch]) -> usize {
        let costs: Vec<usize> = micro_batches.iter().map(MicroBatch::cost).collect();
        let of = |share: Share| share.of(costs.clone(), |cost| *cost).iter().sum();
        Share::all(self.lanes * self.share.size).map(of).max().unwrap_or(0)
    }

    /// Of micro-batches in a step of so many tokens.
    fn limit(&self, tokens: usize) -> Limit {
        match self.micro_batch {
            Limit::Tokens(most) if self.lanes * self.share.size > 1 => {
                let share = tokens.div_ceil(self.lanes * self.share.size).min(most / self.lanes);
                Limit::Tokens(share.max(FEWEST_TOKENS))
            }
            limit => limit,
        }
    }

    /// How many run at the same time: all threads as far as there are micro-batches for them, if there is
    /// room for as many of the largest, else one.
    fn lanes_for(&self, micro_batches: &[MicroBatch]) -> usize {
        let largest = micro_batches.iter().map(|it| it.tokens).max().unwrap_or(0);
        let lanes = self.lanes.min(micro_batches.len());
        if largest * lanes <= MOST_TOKENS_AT_ONCE { lanes } else { 1 }
    }
}

/// How a step is cut up.
pub(crate) struct Cut {
    /// Of the largest micro-batch, padding included.
    pub(crate) tokens: usize,
    /// What the largest of another step as long as this one may have, where tokens are what limits it.
    pub(crate) most_tokens: usize,
    /// The most that carry loss in one.
    pub(crate) rows: usize,
    pub(crate) count: usize,
    pub(crate) lanes: usize,
}

/// Losses of some micro-batches' tokens, where they were computed.
#[derive(Default)]
struct Part {
    losses: Vec<Tensor>,
    /// Which sequence each of them belongs to.
    owners: Vec<usize>,
}

/// What is trained on in one step.
#[derive(Clone, Copy)]
struct Step<'a> {
    sequences: &'a [Sequence],
    /// By sequence, of each of its scored tokens.
    weights: &'a [f32],
}

/// Sequences that are run through the model in one go.
struct MicroBatch {
    reach: Reach,
    members: Vec<usize>,
    /// Padding included.
    tokens: usize,
}

impl MicroBatch {
    /// Of one among several that are shared out.
    fn cost(&self) -> usize {
        self.tokens + batches::BATCH_COST // tokens
    }
}

/// The losses of a micro-batch's tokens, whose gradient it adds.
type Backward<'a> = dyn FnMut(&Run<'_>) -> Result<Tensor> + 'a;

/// The sequences of all samples, and whose each is.
fn flat(samples: &[&[Sequence]]) -> (Vec<Sequence>, Vec<usize>) {
    let samples_of = samples.iter().enumerate().flat_map(|(index, it)| vec![index; it.len()]);
    (samples.concat(), samples_of.collect())
}

fn scored_tokens(sample: &[Sequence]) -> usize {
    sample.iter().map(|sequence| sequence.scored.len()).sum()
}

/// What one scored token of each sample weighs in the loss of the step; 0 for a sample with none.
fn token_weights(samples: &[&[Sequence]], normalization: LossNormalization) -> Vec<f32> {
    let counts = samples.iter().map(|sample| scored_tokens(sample));
    let num_tokens: usize = counts.clone().sum();
    let num_samples = counts.clone().filter(|&count| count > 0).count();
    let weight = |count: usize| match normalization {
        _ if count == 0 => 0.0,
        LossNormalization::Sample => 1.0 / (count * num_samples) as f64,
        LossNormalization::Token => 1.0 / num_tokens as f64,
    };
    counts.map(|count| weight(count) as f32).collect()
}
