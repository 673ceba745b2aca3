//! What this learner needs of its device's memory, by its own numbers in the equations of [`crate::memory`], and how
//! much it runs at a time so that there is as much.

use super::TorchLearner;
use super::fitting::Fitting;
use crate::config::Config;
use crate::device;
use crate::memory::{Load, Model, Trained};
use crate::models;
use crate::models::decoder::AskedLinear;
use crate::options::{Base, LearnerOptions};
use crate::prefix;
use iterit_core::learner::Sequence;
use iterit_core::memory::{Chosen, Fit, MemoryNeed};
use iterit_core::{Error, Result};
use tch::Device;

/// What is spared beside what the equations say: one part in so many. They were 6 to 10 % low, beside what the
/// pretended GPU counted in nine kinds of training (`tests/src/memory.rs`).
const SPARED: u64 = 8;

impl TorchLearner {
    /// For a step of these samples, and to ask about so many tokens, some at a time.
    pub(super) fn needs(&self, samples: &[&[Sequence]], asked: usize) -> MemoryNeed {
        self.with_model(|model| {
            let step = self.step_load(samples);
            MemoryNeed {
                device: device::name(self.device),
                program: if self.device == Device::Cpu { self.before } else { 0 },
                weights: model.stored() + model.copy(),
                gradients: model.gradients(),
                optimizer: model.optimizer(),
                activations: model.activations(&step),
                training: model.training(&step),
                scoring: model.scoring(&self.question_load(&step, asked))
                    + self.laid_out(asked)
                    + model.beginning(self.shared_beginning(samples)),
                proxy: 0,
            }
        })
    }

    /// Runs less at a time until questions about so many tokens, and any step that is no longer than this one, fit
    /// into so many bytes, or there is no less.
    pub(super) fn fit_into(&mut self, free: u64, samples: &[&[Sequence]], asked: usize) -> Fit {
        let wished = (self.fitting.trained_tokens(), self.fitting.asking.tokens);
        let spared = |bytes: u64| bytes + bytes / SPARED;
        let question = loop {
            let needs = self.with_model(|model| {
                let load = self.question_load(&self.step_load(samples), asked);
                let scoring = model.scoring(&load) + self.laid_out(asked);
                let new = model.copy() + model.optimizer() + scoring;
                spared((model.stored() + new).saturating_sub(self.standing(model)))
            });
            if needs <= free || !self.fitting.ask_less() {
                break Chosen {
                    tokens: Some(self.fitting.asking.tokens),
                    wished: Some(wished.1),
                    needs,
                };
            }
        };
        let lengths = samples.iter().copied().flatten().map(|it| it.input().len());
        let (all, longest) = lengths.fold((0, 0), |(all, longest), it| (all + it, it.max(longest)));
        let step = || loop {
            let needs = self.with_model(|model| {
                let load = self.worst_load(samples);
                spared(model.training(&load).saturating_sub(self.standing(model)))
            });
            if needs <= free || !self.fitting.plan_on_less(all, longest) {
                break Chosen { tokens: self.fitting.trained_tokens(), wished: wished.0, needs };
            }
        };
        let step = (!samples.is_empty()).then(step);
        self.fitting.settle();
        Fit { free, step, question }
    }

    /// Of what the equations count, the bytes that are taken already. On a CPU weights may lie in their file,
    /// which counts as free memory as long as nobody has written to them.
    fn standing(&self, model: &Model<'_>) -> u64 {
        let weights = match self.device {
            Device::Cpu => model.stored().min(self.taken),
            _ => model.stored(),
        };
        weights + self.optimizer.as_ref().map_or(0, |_| model.optimizer()) // bytes
    }

    /// A step of these samples.
    fn step_load(&self, samples: &[&[Sequence]]) -> Load {
        let cut = self.trainer().cut(samples);
        let length = samples.iter().copied().flatten().map(|it| it.input().len()).max();
        let rows_at_once = self.fitting.asking.rows_at_once(self.shape.vocab_size);
        Load {
            tokens: cut.tokens as u64,
            length: length.unwrap_or(0) as u64,
            rows: cut.rows as u64,
            rows_at_once: rows_at_once.unsigned_abs(),
            micro_batches: cut.count as u64,
            lanes: cut.lanes as u64,
        }
    }

    /// A step of any samples that are no longer than these: they may fill micro-batches better.
    fn worst_load(&self, samples: &[&[Sequence]]) -> Load {
        let load = self.step_load(samples);
        let tokens = load.tokens.max(self.trainer().cut(samples).most_tokens as u64);
        Load { tokens, rows: load.rows + tokens - load.tokens, ..load }
    }

    /// Questions about so many tokens, some of them as long as the longest sample of a step.
    fn question_load(&self, step: &Load, asked: usize) -> Load {
        let at_once = self.fitting.asking.tokens.max(step.length as usize);
        let asked = at_once.min(asked.div_ceil(self.lanes)) as u64;
        Load { tokens: asked, rows: asked, lanes: self.lanes as u64, ..*step }
    }

    /// Tokens that all of these begin with, which a question about them runs once and keeps.
    fn shared_beginning(&self, samples: &[&[Sequence]]) -> u64 {
        let beginnings: Vec<&[u32]> =
            samples.iter().copied().flatten().map(Sequence::unasked).collect();
        prefix::common(&beginnings) as u64
    }

    /// This model, as the equations see it.
    pub(super) fn with_model<T>(&self, work: impl FnOnce(&Model<'_>) -> T) -> T {
        let rank_of =
            |layer: &AskedLinear| self.adapters.as_ref().map_or(0, |all| all.rank_of(&layer.name));
        work(&Model {
            shape: &self.shape,
            precision: self.options.precision,
            trained: match self.options.base {
                Base::Trained => Trained::Weights,
                base => Trained::Adapters { rank_of: &rank_of, packing: base.packing() },
            },
            activations: self.options.activations,
            moments: self.options.adamw.moments,
            ranks: self.share.size,
            sharding: self.options.sharding,
            device: self.device,
        })
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
        moments: options.adamw.moments,
        ranks: 1,
        sharding: options.sharding,
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
        program: 0,
        weights: model.stored() + model.copy(),
        gradients: model.gradients(),
        optimizer: model.optimizer(),
        activations: model.activations(&load),
        training: model.training(&load),
        scoring: model.scoring(&load),
        proxy: 0,
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
