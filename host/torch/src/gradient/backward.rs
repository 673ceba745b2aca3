//! One micro-batch on its way through the model and back. The loss and its gradient with respect to the final hidden
//! states come in closed form; libtorch's graph serves from there down, as a whole or section by section. Knows not what a
//! step is.

use super::Activations;
use crate::collated::Collated;
use crate::cross_entropy::{self, Gradients};
use crate::models::decoder::Decoder;
use crate::models::place::Place;
use crate::nll::Budget;
use crate::shim;
use iterit_core::Result;
use tch::Tensor;

/// One micro-batch on its way through the model and back.
pub(super) struct Run<'a> {
    pub(super) decoder: Decoder,
    pub(super) collated: Collated,
    pub(super) place: Place<'a>,
    pub(super) budget: Budget,
}

impl Run<'_> {
    /// Token losses, in the order of the batch's owners; the gradient is added. // [N], f32
    pub(super) fn backward(&self, activations: Activations) -> Result<Tensor> {
        match activations {
            Activations::Keep => {
                let Collated { tokens, rows, .. } = &self.collated;
                self.backward_from(&self.decoder.hidden_at(tokens, &self.place, rows))
            }
            Activations::Recompute => self.by_sections(activations, &mut |_| Ok(())),
        }
    }

    /// Closed form down to the hidden states and the head, then libtorch's graph.
    fn backward_from(&self, hidden: &Tensor) -> Result<Tensor> {
        let head = self.decoder.head();
        let gradients = cross_entropy::gradients(
            &hidden.detach(),
            head,
            &self.collated.targets,
            &self.collated.weights,
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

    /// With a graph of its own for every section of the model, which `passed` hears of when the way back has left it.
    /// Between the two ways every layer's graph is kept, or its input alone, from which it is run again.
    pub(super) fn by_sections(
        &self,
        activations: Activations,
        passed: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<Tensor> {
        let Self { decoder, collated, place, .. } = self;
        let last = decoder.num_layers() - 1;
        let embedded = decoder.embed(&collated.tokens, place);
        let (mut inputs, mut outputs) = self.up_to_the_last_layer(&embedded, activations);

        let mut x = inputs.pop().expect("one a layer");
        let losses = self.backward_from(&decoder.last_layer_at(&x, place, &collated.rows))?;
        passed(0)?;
        for layer in (0..last).rev() {
            let gradient = x.grad();
            x = inputs.pop().expect("one a layer");
            let output = outputs.pop().unwrap_or_else(|| decoder.layer(layer, &x, place));
            shim::backward(&[&output], &[&gradient])?;
            passed(last - layer)?;
        }
        if embedded.requires_grad() {
            shim::backward(&[&embedded], &[&x.grad()])?;
        }
        passed(last + 1)?;
        Ok(losses)
    }

    /// The input of every layer, a leaf of its graph; and what each but the last made of it, where that is kept.
    fn up_to_the_last_layer(
        &self,
        embedded: &Tensor,
        activations: Activations,
    ) -> (Vec<Tensor>, Vec<Tensor>) {
        let leaf = |x: &Tensor| x.detach().set_requires_grad(true);
        let (mut inputs, mut outputs) = (vec![leaf(embedded)], Vec::new());
        for layer in 0..self.decoder.num_layers() - 1 {
            let output = || self.decoder.layer(layer, &inputs[layer], &self.place);
            match activations {
                Activations::Keep => {
                    let output = output();
                    inputs.push(leaf(&output));
                    outputs.push(output);
                }
                Activations::Recompute => {
                    let output = tch::no_grad(output);
                    inputs.push(leaf(&output));
                }
            }
        }
        (inputs, outputs)
    }
}
