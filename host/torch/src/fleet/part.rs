//! A rank's part in what all were asked, the same code on every rank.

use super::exchange;
use super::request::Request;
use super::rounds::Rounds;
use super::wire::Wire;
use crate::gradient::{Losses, Unread};
use crate::guard::guarded;
use crate::learner::{TorchLearner, refuse_divergence};
use crate::share::Sharding;
use iterit_core::learner::{Learner, Sequence, StepOptions, StepOutcome, Watch};
use iterit_core::sdk::LogitStatistics;
use iterit_core::{Error, Result};
use std::path::Path;

/// What all ranks found together.
pub(super) enum Answer {
    /// One by one as they were asked for.
    Numbers(Vec<f64>),
    Step(StepOutcome),
    Done,
}

/// Does this rank's part.
///
/// # Errors
/// Those of one model, on whichever rank; a rank that was lost, after which the wire is not in step.
pub(super) fn perform(
    wire: &mut Wire,
    own: &mut TorchLearner,
    request: &Request,
    watch: &dyn Watch,
) -> Result<Answer> {
    let doing = request.doing();
    let answer = match request {
        Request::End => Ok(Answer::Done),
        Request::TokenNll(_) | Request::LogitStatistics(_) | Request::Embeddings(..) => {
            find(wire, own, request, watch).map(Answer::Numbers)
        }
        Request::Step(samples, options) => {
            let samples: Vec<&[Sequence]> = samples.iter().map(Vec::as_slice).collect();
            step(wire, own, &samples, options, &doing).map(Answer::Step)
        }
        Request::Save(folder) => return save(wire, own, folder, &doing).map(|()| Answer::Done),
        Request::Restore(folder) => {
            let restored = own.restore(folder);
            wire.agree(&doing, restored).map(|()| Answer::Done)
        }
    };
    wire.answered()?;
    answer
}

/// Its part of a checkpoint, for which nobody needs to change a model.
///
/// # Errors
/// Those of [`perform`].
pub(super) fn save(wire: &mut Wire, own: &TorchLearner, folder: &Path, doing: &str) -> Result<()> {
    let saved = own.save(folder);
    let saved = wire.agree(doing, saved);
    wire.answered()?;
    saved
}

/// Every number as its owner found it: −0 + x is x for every x.
fn find(
    wire: &mut Wire,
    own: &mut TorchLearner,
    request: &Request,
    watch: &dyn Watch,
) -> Result<Vec<f64>> {
    let watch = wire.watch(watch);
    let numbers = loop {
        let numbers = numbers(own, request, &watch);
        match wire.agree(&request.doing(), numbers) {
            // All of them, or their batches would be others.
            Err(Error::OutOfMemory(_)) if own.ask_less() => {}
            agreed => break agreed?,
        }
    };
    wire.sum(&numbers)
}

/// This rank's share of the numbers, −0 everywhere else.
fn numbers(own: &mut TorchLearner, request: &Request, watch: &dyn Watch) -> Result<Vec<f64>> {
    Ok(match request {
        Request::TokenNll(sequences) => {
            own.token_nll(sequences, watch)?.concat().into_iter().map(f64::from).collect()
        }
        Request::LogitStatistics(sequences) => {
            let row = |it: LogitStatistics| match it.tokens {
                0 => [-0.0; 3],
                tokens => [it.entropy, it.margin, f64::from(tokens)],
            };
            own.logit_statistics(sequences, watch)?.into_iter().flat_map(row).collect()
        }
        Request::Embeddings(sequences, embedding) => {
            let rows = own.embeddings(sequences, *embedding, watch)?;
            rows.into_values().into_iter().map(f64::from).collect()
        }
        Request::Step(..) | Request::Save(_) | Request::Restore(_) | Request::End => {
            unreachable!("{request:?} is no question")
        }
    })
}

fn step(
    wire: &mut Wire,
    own: &mut TorchLearner,
    samples: &[&[Sequence]],
    options: &StepOptions,
    doing: &str,
) -> Result<StepOutcome> {
    let outcome = taken(wire, own, samples, options, doing);
    own.end_step()?;
    outcome
}

/// Gradient, sum over ranks, norm, update, what was updated to all.
fn taken(
    wire: &mut Wire,
    own: &mut TorchLearner,
    samples: &[&[Sequence]],
    options: &StepOptions,
    doing: &str,
) -> Result<StepOutcome> {
    let losses = loop {
        match gradient(wire, own, samples, options, doing) {
            // One that had no room for a message has left the others where they were.
            Err(Error::OutOfMemory(_)) if wire.is_in_step() => {
                own.end_step()?;
                if !own.train_on_less(samples) {
                    return wire.agree(doing, Err(out_of_memory()));
                }
            }
            agreed => break agreed?,
        }
    };
    let read = own.read(losses);
    let (Losses { means, loss }, norm) = wire.agree(doing, read)?;
    let mut sums = wire.sum(&[&[loss, norm * norm], &means[..]].concat())?;
    let losses = sums.split_off(2);
    let (loss, grad_norm) = (sums[0], sums[1].sqrt());
    refuse_divergence(loss, grad_norm)?;
    let updated = own.update(grad_norm, options);
    wire.agree(doing, updated)?;
    let received = guarded(|| exchange::leaves_from_owners(wire, own.trainable()));
    wire.kept(received)?;
    Ok(StepOutcome { losses, loss, grad_norm })
}

/// The losses of this rank's share, once every leaf's gradient is summed at its owner.
fn gradient(
    wire: &mut Wire,
    own: &mut TorchLearner,
    samples: &[&[Sequence]],
    options: &StepOptions,
    doing: &str,
) -> Result<Unread> {
    let begun = own.begin_step(samples);
    match own.sharding() {
        Sharding::Moments => {
            let losses = begun.and_then(|()| own.gradient(samples, options));
            let losses = wire.agree(doing, losses)?;
            let by_owner = exchange::by_owner(own.trainable(), wire.size());
            let summed = guarded(|| exchange::gradients_to_owners(wire, &by_owner));
            wire.kept(summed)?;
            Ok(losses)
        }
        Sharding::Gradients => {
            wire.agree(doing, begun)?;
            let mut rounds = Rounds::new(wire, own.leaves_by_section(), own.rounds(samples));
            let losses = own.gradient_by_sections(samples, options, &mut |it| rounds.pass(it));
            rounds.finish()?;
            if wire.is_in_step() { wire.agree(doing, losses) } else { losses }
        }
    }
}

fn out_of_memory() -> Error {
    Error::OutOfMemory(
        "a single sequence of the step is too much for a rank's device\n\
         hint: set train.activation_checkpointing = true or train.shard = \"gradients\", or cut texts at a lower \
         model.max_length"
            .into(),
    )
}
