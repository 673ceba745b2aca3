//! One device's part in an optimizer step, act by act: the gradient, its norm beside the losses, the update.
//! Between the first two a fleet sums the gradients of its replicas; one device alone has nothing to sum.

use super::TorchLearner;
use crate::gradient::{Losses, Trainer, Unread};
use crate::guard::guarded;
use crate::lora::Model;
use crate::optim::AdamW;
use crate::side_by_side;
use crate::update;
use iterit_core::learner::{Sequence, StepOptions};
use iterit_core::{Error, Result};

impl TorchLearner {
    /// Makes ready for the gradient of these samples; refuses those that the model has no answer for.
    pub(super) fn begin_step(&mut self, samples: &[&[Sequence]]) -> Result<()> {
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
        let (trainable, adamw) = (&self.trainable, self.options.adamw);
        if self.optimizer.is_none() {
            self.optimizer = Some(guarded(|| Ok(AdamW::new(trainable, adamw)))?);
        }
        Ok(())
    }

    /// Adds the gradient of the samples' loss to what is trained, with less at a time where that is too much.
    /// What was added before is then forgotten, so the step's gradient is that of the smaller micro-batches
    /// alone.
    pub(super) fn gradient(
        &mut self,
        samples: &[&[Sequence]],
        options: &StepOptions,
    ) -> Result<Unread> {
        loop {
            let losses = guarded(|| self.accumulate(samples, options));
            if !matches!(losses, Err(Error::OutOfMemory(_))) {
                return losses;
            }
            self.trainable.clear_gradients()?;
            if !self.fitting.train_on_less(samples) {
                return losses;
            }
        }
    }

    pub(super) fn accumulate(
        &self,
        samples: &[&[Sequence]],
        options: &StepOptions,
    ) -> Result<Unread> {
        let losses = self.trainer().accumulate(samples, options.loss_normalization)?;
        self.trainable.complete_gradients()?;
        Ok(losses)
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
            micro_batch: self.fitting.training,
            lanes: self.lanes,
            activations: self.options.activations,
            dropout: self.dropout(),
        }
    }

    /// Waits for the device: the losses, and the gradient's norm.
    pub(super) fn read(&self, losses: Unread) -> Result<(Losses, f64)> {
        let (losses, norm) = losses.read_with(update::global_norm(&self.trainable)?);
        refuse_divergence(losses.loss, norm)?;
        Ok((losses, norm))
    }

    /// Clips a gradient of this norm, and steps along it.
    pub(super) fn update(&mut self, norm: f64, options: &StepOptions) -> Result<()> {
        let optimizer = self.optimizer.as_mut().expect("the step has begun");
        guarded(|| update::apply(&self.trainable, optimizer, norm, options, self.lanes))
    }

    /// Forgets the gradient, also after a step that failed.
    pub(super) fn end_step(&self) -> Result<()> {
        self.trainable.clear_gradients()
    }
}

pub(super) fn refuse_divergence(loss: f64, norm: f64) -> Result<()> {
    if loss.is_finite() && norm.is_finite() {
        return Ok(());
    }
    Err(Error::Model(format!(
        "training diverged: the loss is {loss}, the gradient norm {norm}\n\
         hint: a lower train.learning_rate, or model.dtype = \"float32\""
    )))
}
