//! Adapters beside the learner's frozen weights.

use super::TorchLearner;
use crate::guard::guarded;
use crate::layers::dropout::StepSeed;
use crate::lora::{Adapters, LayerNames, LoraOptions, Targets};
use crate::options::{Base, LearnerOptions};
use crate::precision::Precision;
use iterit_core::Result;
use std::path::Path;

impl TorchLearner {
    /// Another learner over the same frozen weights, which are in memory once; it has no adapter yet.
    /// Options that say how the weights are kept must be the same.
    ///
    /// # Panics
    /// The weights are trained themselves, or kept otherwise.
    pub fn sharing(&self, options: LearnerOptions) -> Self {
        let kept = |options: &LearnerOptions| (options.base, options.precision, options.vocabulary);
        assert_ne!(options.base, Base::Trained, "only frozen weights are shared");
        assert_eq!(kept(&options), kept(&self.options), "the weights are kept as they are");
        let weights = (self.weights.share(), self.packed.share());
        let (config, shape) = (self.config.clone(), self.shape.clone());
        Self {
            extra: self.extra.clone(),
            remarks: self.remarks.clone(),
            body: self.body.clone(),
            folder: self.folder.clone(),
            before: self.before,
            taken: self.taken,
            ..Self::new(config, shape, options, self.device, weights)
        }
    }

    /// Puts adapters beside the frozen weights that change nothing yet; all draws come from `seed`.
    ///
    /// # Errors
    /// A target that no layer is called by, or one whose adapter PEFT does not load.
    ///
    /// # Panics
    /// The weights are trained themselves.
    pub fn adapt(self, lora: &LoraOptions, dropout: f64, seed: u64) -> Result<Self> {
        let names = self.layer_names();
        let adapters = guarded(|| Adapters::fresh(&names, lora, self.device, seed))?;
        let remark = names.remark().filter(|_| lora.targets == Targets::AllLinear);
        let mut adapted = self.with(adapters, Some(dropout), seed);
        adapted.remarks.extend(remark);
        Ok(adapted)
    }

    /// Puts an adapter in PEFT's layout beside the frozen weights; where no dropout is given, training
    /// goes on with the adapter's own.
    ///
    /// # Errors
    /// Everything in the folder that cannot be done or does not fit the model.
    ///
    /// # Panics
    /// The weights are trained themselves.
    pub fn adapt_by(self, folder: &Path, dropout: Option<f64>, seed: u64) -> Result<Self> {
        let names = self.layer_names();
        let adapters = guarded(|| Adapters::read(folder, &names, self.device))?;
        Ok(self.with(adapters, dropout, seed))
    }

    pub(super) fn layer_names(&self) -> LayerNames<'_> {
        let model_type = self.config.model_type();
        LayerNames { shape: &self.shape, body: &self.body, model_type }
    }

    fn with(mut self, mut adapters: Adapters, dropout: Option<f64>, seed: u64) -> Self {
        assert_ne!(self.options.base, Base::Trained, "adapters stand beside frozen weights");
        if let Some(rate) = dropout {
            adapters.set_dropout(rate);
        }
        self.trainable = adapters.trainable();
        self.owned = self.trainable.part(self.share);
        self.adapters = Some(adapters);
        self.seed = seed;
        self
    }

    /// What the next step drops out.
    pub(super) fn dropout(&self) -> Option<StepSeed> {
        let rate = self.adapters.as_ref()?.dropout();
        let step = self.optimizer.as_ref().map_or(0, |optimizer| optimizer.steps);
        (rate > 0.0).then_some(StepSeed { rate, seed: self.seed, step })
    }

    /// All weights, and bytes of them and of what is trained with its gradients and moments.
    pub(super) fn size(&self) -> (u64, u64) {
        let (precision, trained) = (self.options.precision, self.trainable.num_elements());
        let kept = self.options.adamw.moments;
        let sizes = self.owned.iter().map(|it| (it.tensor.numel() as u64, it.tensor.kind()));
        let moments: u64 = sizes.map(|(count, kind)| kept.num_bytes(count, kind)).sum();
        if self.options.base == Base::Trained {
            return (trained, trained * precision.bytes_per_parameter() + moments);
        }
        let (packed, packed_bytes) = self.packed.size();
        let frozen = self.weights.num_elements();
        let frozen_bytes = frozen * precision.compute().elt_size_in_bytes() as u64 + packed_bytes;
        // Adapters are float32 whatever the base is.
        let trained_bytes = trained * Precision::Float32.bytes_per_parameter() + moments;
        (frozen + packed + trained, frozen_bytes + trained_bytes)
    }
}
