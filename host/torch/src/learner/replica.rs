//! One device's part in an optimizer step, act by act: the gradient of its share, its norm beside the losses, the
//! update of what it owns. Between the first two a fleet sums the gradients of its replicas, and behind the last it
//! tells them what has changed; one device alone has nothing to sum and nobody to tell.

use super::TorchLearner;
use crate::gradient::{Losses, Trainer, Unread};
use crate::guard::guarded;
use crate::lora::Model;
use crate::models::sections::Sections;
use crate::optim::AdamW;
use crate::share::{Sharding, Share};
use crate::side_by_side;
use crate::trainable::Trainable;
use crate::update;
use iterit_core::learner::{Sequence, StepOptions};
use iterit_core::{Error, Result};
use tch::Tensor;

impl TorchLearner {
    /// Makes ready for the gradient of these samples; refuses those that the model has no answer for.
    pub(crate) fn begin_step(&mut self, samples: &[&[Sequence]]) -> Result<()> {
        samples.iter().try_for_each(|sample| self.check(sample))?;
        if samples.iter().copied().flatten().all(|sequence| sequence.scored.is_empty()) {
            return Err(Error::Model(
                "no sample of this step has a token that carries loss".into(),
            ));
        }
        samples.iter().for_each(|sample| self.reach(sample));
        self.cast = None;
        side_by_side::keep_to_this_thread();
        // The moments first: what is left for a micro-batch is then the same in every step.
        let (owned, adamw) = (&self.owned, self.options.adamw);
        if self.optimizer.is_none() {
            self.optimizer = Some(guarded(|| Ok(AdamW::new(owned, adamw)))?);
        }
        Ok(())
    }

    /// Adds the gradient of this share of the samples' loss to what is trained; forgets it where that fails.
    pub(crate) fn gradient(
        &self,
        samples: &[&[Sequence]],
        options: &StepOptions,
    ) -> Result<Unread> {
        let losses = guarded(|| {
            let losses = self.trainer().accumulate(samples, options.loss_normalization)?;
            self.trainable.complete_gradients()?;
            Ok(losses)
        });
        if losses.is_err() {
            self.end_step()?;
        }
        losses
    }

    /// The same section by section, where `passed` takes gradients away; so those that are left may be undefined.
    pub(crate) fn gradient_by_sections(
        &self,
        samples: &[&[Sequence]],
        options: &StepOptions,
        passed: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<Unread> {
        let normalization = options.loss_normalization;
        let accumulate = || self.trainer().accumulate_by_sections(samples, normalization, passed);
        let losses = guarded(accumulate);
        if losses.is_err() {
            self.end_step()?;
        }
        losses
    }

    /// The most micro-batches that any rank has in such a step.
    pub(crate) fn rounds(&self, samples: &[&[Sequence]]) -> usize {
        self.trainer().rounds(samples)
    }

    /// The leaves whose gradient is whole behind each section of the model, by their owners.
    pub(crate) fn leaves_by_section(&self) -> Vec<Vec<Vec<Tensor>>> {
        let sections = Sections::new(&self.shape);
        let nothing = || (0..self.share.size).map(|_| Vec::new()).collect();
        let mut leaves: Vec<Vec<_>> = (0..sections.count()).map(|_| nothing()).collect();
        for share in Share::all(self.share.size) {
            for leaf in self.trainable.part(share).iter() {
                let section = sections.of(&leaf.name);
                leaves[section][share.rank].push(leaf.tensor.shallow_clone());
            }
        }
        leaves
    }

    /// What ranks keep a part of each.
    pub(crate) fn sharding(&self) -> Sharding {
        self.options.sharding
    }

    /// Halves the largest micro-batch of such a step, if it can be halved. A step begun anew then has the gradient
    /// of the smaller micro-batches alone.
    pub(crate) fn train_on_less(&mut self, samples: &[&[Sequence]]) -> bool {
        self.fitting.train_on_less(samples, self.layout)
    }

    pub(super) fn trainer(&self) -> Trainer<'_> {
        let (packed, adapters) = (&self.packed, self.adapters.as_ref());
        Trainer {
            model: Model { shape: &self.shape, weights: &self.weights, packed, adapters },
            trainable: &self.trainable,
            compute: self.options.precision.compute(),
            positions: &self.positions,
            device: self.device,
            budget: self.fitting.asking,
            layout: self.layout,
            micro_batch: self.fitting.training,
            threads: self.lanes,
            // Gradients of several at a time would be there whole.
            lanes: if self.is_sharded() { 1 } else { self.lanes },
            share: self.share,
            activations: self.options.activations,
            dropout: self.dropout(),
        }
    }

    fn is_sharded(&self) -> bool {
        self.share != Share::WHOLE && self.options.sharding == Sharding::Gradients
    }

    /// Everything that is trained.
    pub(crate) fn trainable(&self) -> &Trainable {
        &self.trainable
    }

    /// Waits for the device: the losses of this share, and the norm of the gradient of what is owned.
    pub(crate) fn read(&self, losses: Unread) -> Result<(Losses, f64)> {
        guarded(|| Ok(losses.read_with(update::global_norm(&self.owned)?)))
    }

    /// Clips a gradient of this norm, and steps along it with what is owned.
    pub(crate) fn update(&mut self, norm: f64, options: &StepOptions) -> Result<()> {
        let optimizer = self.optimizer.as_mut().expect("the step has begun");
        guarded(|| update::apply(&self.owned, optimizer, norm, options, self.lanes))
    }

    /// Forgets the gradient, also after a step that failed.
    pub(crate) fn end_step(&self) -> Result<()> {
        self.trainable.clear_gradients()
    }
}

/// A loss or a norm that is no number.
pub(crate) fn refuse_divergence(loss: f64, norm: f64) -> Result<()> {
    if loss.is_finite() && norm.is_finite() {
        return Ok(());
    }
    Err(Error::Model(format!(
        "training diverged: the loss is {loss}, the gradient norm {norm}\n\
         hint: a lower train.learning_rate, or model.dtype = \"float32\""
    )))
}
