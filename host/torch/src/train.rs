//! The gradient of one optimizer step, gathered from micro-batches that share its samples.
//!
//! Every scored token has a weight fixed by the whole step, so the cut into micro-batches changes
//! nothing but memory. The loss and its gradient with respect to the final hidden states come in
//! closed form; libtorch's graph serves from there down.

use crate::batches::{self, Limit};
use crate::cross_entropy::{self, Gradients};
use crate::layers::dropout::{StepSeed, TokenKeys};
use crate::lora::Model;
use crate::models::decoder::Decoder;
use crate::models::place::{Place, Positions};
use crate::nll::Budget;
use crate::padded::Padded;
use crate::shim;
use iterit_core::Result;
use iterit_core::learner::{LossNormalization, Sequence};
use tch::{Device, Tensor};

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
    pub(crate) model: Model<'a>,
    pub(crate) positions: &'a Positions,
    pub(crate) device: Device,
    pub(crate) budget: Budget,
    pub(crate) micro_batch: Limit,
    pub(crate) activations: Activations,
    /// What adapters drop out in this step.
    pub(crate) dropout: Option<StepSeed>,
}

/// What the forward passes of a step said.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Losses {
    /// Each sample's mean over its scored tokens, nats; NaN where it has none.
    pub(crate) means: Vec<f64>,
    /// The weighted sum that the gradient belongs to.
    pub(crate) loss: f64,
}

impl Trainer<'_> {
    /// Adds the gradient of the step's loss to that of everything trained.
    pub(crate) fn accumulate(
        &self,
        samples: &[&[Sequence]],
        normalization: LossNormalization,
    ) -> Result<Losses> {
        let weights = token_weights(samples, normalization);
        let (sequences, samples_of) = flat(samples);
        let weights_of: Vec<f32> = samples_of.iter().map(|&sample| weights[sample]).collect();
        let mut sums = vec![0.0; samples.len()];
        let trained: Vec<usize> =
            (0..sequences.len()).filter(|&index| !sequences[index].scored.is_empty()).collect();
        let all = trained.iter().map(|&index| sequences[index].tokens.len());
        for (reach, group) in self.positions.groups(all) {
            let group: Vec<usize> = group.into_iter().map(|index| trained[index]).collect();
            let input = |&index: &usize| sequences[index].input().len();
            let lengths: Vec<usize> = group.iter().map(input).collect();
            for batch in batches::cut(&lengths, self.micro_batch) {
                let members: Vec<usize> = batch.into_iter().map(|index| group[index]).collect();
                let padded = Padded::new(&sequences, &members, 0, self.device);
                let place = Place::start(self.positions, reach, padded.length);
                let keys = self
                    .dropout
                    .map(|seed| TokenKeys::new(seed, &members, padded.length, &padded.rows));
                let decoder = self.model.decoder(keys.as_ref());
                let run = Run { decoder, padded, place, budget: self.budget };
                let losses = run.backward(self.activations, &weights_of)?;
                for (&(sequence, _), loss) in run.padded.owners.iter().zip(losses) {
                    sums[samples_of[sequence]] += f64::from(loss);
                }
            }
        }
        let loss = sums.iter().zip(&weights).map(|(sum, weight)| sum * f64::from(*weight)).sum();
        let mean = |(sum, sample): (f64, &&[Sequence])| sum / scored_tokens(sample) as f64;
        Ok(Losses { means: sums.into_iter().zip(samples).map(mean).collect(), loss })
    }
}

/// One micro-batch on its way through the model and back.
struct Run<'a> {
    decoder: Decoder,
    padded: Padded,
    place: Place<'a>,
    budget: Budget,
}

impl Run<'_> {
    /// Token losses, in the order of the batch's owners; the gradient is added.
    fn backward(&self, activations: Activations, weights: &[f32]) -> Result<Vec<f32>> {
        let Padded { tokens, rows, owners, .. } = &self.padded;
        let row_weights: Vec<f32> = owners.iter().map(|&(sequence, _)| weights[sequence]).collect();
        let row_weights = Tensor::from_slice(&row_weights).to_device(rows.device());
        let losses = match activations {
            Activations::Keep => {
                let hidden = self.decoder.hidden_at(tokens, &self.place, rows);
                self.backward_from(&hidden, &row_weights)?
            }
            Activations::Recompute => self.recomputing(&row_weights)?,
        };
        Ok(Vec::try_from(losses).expect("a flat tensor of f32"))
    }

    /// Closed form down to the hidden states and the head, then libtorch's graph.
    fn backward_from(&self, hidden: &Tensor, weights: &Tensor) -> Result<Tensor> {
        let head = self.decoder.head();
        let gradients = cross_entropy::gradients(
            &hidden.detach(),
            head,
            &self.padded.targets,
            weights,
            self.budget.rows_at_once(head.vocab_size()),
        );
        let Gradients { losses, hidden: of_hidden, head: of_head, bias: of_bias } = &gradients;
        let (mut ends, mut of_ends) = (vec![hidden], vec![of_hidden]);
        for (end, of_end) in [(Some(&head.weight), of_head), (head.bias.as_ref(), of_bias)] {
            if let (Some(end), Some(of_end)) = (end, of_end) {
                ends.push(end);
                of_ends.push(of_end);
            }
        }
        shim::backward(&ends, &of_ends)?;
        Ok(losses.shallow_clone())
    }

    /// Layer by layer: forward keeps each layer's input, backward runs each layer again.
    fn recomputing(&self, weights: &Tensor) -> Result<Tensor> {
        let Self { decoder, padded, place, .. } = self;
        let last = decoder.num_layers() - 1;
        let mut inputs = self.inputs_of_layers();
        let leaf = |x: Option<Tensor>| x.expect("one a layer").set_requires_grad(true);

        let mut x = leaf(inputs.pop());
        let hidden = decoder.last_layer_at(&x, place, &padded.rows);
        let losses = self.backward_from(&hidden, weights)?;
        for layer in (0..last).rev() {
            let gradient = x.grad();
            x = leaf(inputs.pop());
            shim::backward(&[&decoder.layer(layer, &x, place)], &[&gradient])?;
        }
        let embedded = decoder.embed(&padded.tokens, place);
        if embedded.requires_grad() {
            shim::backward(&[&embedded], &[&x.grad()])?;
        }
        Ok(losses)
    }

    fn inputs_of_layers(&self) -> Vec<Tensor> {
        let _no_grad = tch::no_grad_guard();
        let Self { decoder, padded, place, .. } = self;
        let mut inputs = vec![decoder.embed(&padded.tokens, place)];
        for layer in 0..decoder.num_layers() - 1 {
            let next = decoder.layer(layer, &inputs[layer], place);
            inputs.push(next);
        }
        inputs
    }
}

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
