//! What this learner needs of its device's memory: its own numbers in the equations of [`crate::memory`].

use super::TorchLearner;
use super::fitting::Fitting;
use crate::config::Config;
use crate::device;
use crate::memory::{Load, Model, Norms, Trained};
use crate::models;
use crate::models::decoder::AskedLinear;
use crate::options::{Base, LearnerOptions};
use iterit_core::learner::Sequence;
use iterit_core::memory::MemoryNeed;
use iterit_core::{Error, Result};
use tch::Device;

impl TorchLearner {
    /// For a step of these samples, and to ask about so many tokens, some at a time.
    pub(super) fn needs(&self, samples: &[&[Sequence]], asked: usize) -> MemoryNeed {
        let rank_of =
            |layer: &AskedLinear| self.adapters.as_ref().map_or(0, |all| all.rank_of(&layer.name));
        let model = Model {
            shape: &self.shape,
            precision: self.options.precision,
            trained: match self.options.base {
                Base::Trained => Trained::Weights,
                base => Trained::Adapters { rank_of: &rank_of, packing: base.packing() },
            },
            activations: self.options.activations,
            norms: if self.device.is_cuda() { Norms::Fused } else { Norms::InSteps },
            moments: self.options.adamw.moments,
            device: self.device,
        };
        let cut = self.trainer().cut(samples);
        let length = samples.iter().copied().flatten().map(|it| it.input().len()).max();
        let rows_at_once = self.fitting.asking.rows_at_once(self.shape.vocab_size);
        let step = Load {
            tokens: cut.tokens as u64,
            length: length.unwrap_or(0) as u64,
            rows: cut.rows as u64,
            rows_at_once: rows_at_once.unsigned_abs(),
            micro_batches: cut.count as u64,
            lanes: cut.lanes as u64,
        };
        let at_once = self.fitting.asking.tokens.max(length.unwrap_or(0));
        let asked = at_once.min(asked.div_ceil(self.lanes)) as u64;
        let question = Load { tokens: asked, rows: asked, lanes: self.lanes as u64, ..step };
        MemoryNeed {
            device: device::name(self.device),
            weights: model.stored() + model.copy(),
            gradients: model.gradients(),
            optimizer: model.optimizer(),
            activations: model.activations(&step),
            training: model.training(&step),
            scoring: model.scoring(&question),
        }
    }
}

/// What a model of this configuration would need on a GPU, in micro-batches of so many tokens, all of which
/// carry loss; with adapters of one rank on every linear layer where its own weights are frozen. Looks at no
/// weights.
///
/// # Errors
/// An architecture that is not supported.
pub fn memory_of(
    config: &Config,
    options: &LearnerOptions,
    rank: u64,
    tokens: u64,
) -> Result<MemoryNeed> {
    let shape = models::shape(config).map_err(Error::Model)?;
    let rank_of = |_: &AskedLinear| rank;
    let model = Model {
        shape: &shape,
        precision: options.precision,
        trained: match options.base {
            Base::Trained => Trained::Weights,
            base => Trained::Adapters { rank_of: &rank_of, packing: base.packing() },
        },
        activations: options.activations,
        norms: Norms::Fused,
        moments: options.adamw.moments,
        device: Device::Cuda(0),
    };
    let rows_at_once = Fitting::new(options, Device::Cuda(0)).asking.rows_at_once(shape.vocab_size);
    let load = Load {
        tokens,
        length: tokens,
        rows: tokens,
        rows_at_once: rows_at_once.unsigned_abs(),
        micro_batches: 2,
        lanes: 1,
    };
    Ok(MemoryNeed {
        device: device::name(Device::Cuda(0)),
        weights: model.stored() + model.copy(),
        gradients: model.gradients(),
        optimizer: model.optimizer(),
        activations: model.activations(&load),
        training: model.training(&load),
        scoring: model.scoring(&load),
    })
}

#[cfg(test)]
impl TorchLearner {
    /// What is trained.
    pub(crate) fn trained_tensors(&self) -> Vec<tch::Tensor> {
        self.trainable.iter().map(|it| it.tensor.shallow_clone()).collect()
    }

    /// What the optimizer remembers.
    pub(crate) fn moments(&self) -> Vec<tch::Tensor> {
        let optimizer = self.optimizer.as_ref().expect("a step was taken");
        let all = optimizer.exp_avgs.iter().chain(&optimizer.exp_avg_sqs);
        all.flat_map(|it| it.tensors().map(|(_, tensor)| tensor.shallow_clone())).collect()
    }
}
