//! How a model is run and trained, as a caller says it.

use crate::gradient::Activations;
use crate::keeping::Keeping;
use crate::layers::packed::Packing;
use crate::optim::AdamWOptions;
use crate::precision::Precision;
use crate::share::Sharding;
use iterit_core::config::{DeviceChoice, MicroBatch};
use std::num::NonZeroUsize;
use tch::Device;

/// How a model is run and trained.
#[derive(Debug, Clone, Copy, Default)]
pub struct LearnerOptions {
    /// Where.
    pub device: DeviceChoice,
    /// In which number types.
    pub precision: Precision,
    /// On how many threads; libtorch's own choice if absent.
    pub threads: Option<NonZeroUsize>,
    /// How the samples of a step are cut up.
    pub micro_batch: MicroBatch,
    /// Tokens of a scoring batch, padding included; by the device if absent.
    pub scoring_tokens: Option<NonZeroUsize>,
    /// What training keeps in memory.
    pub activations: Activations,
    /// What ranks keep a part of each.
    pub sharding: Sharding,
    /// The optimizer.
    pub adamw: AdamWOptions,
    /// Whether the model's own weights are trained.
    pub base: Base,
    /// Tokens that embedding and head must have rows for: a row they lack is added as the mean of the
    /// others. None is ever taken away.
    pub vocabulary: Option<NonZeroUsize>,
}

/// What becomes of a model's own weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Base {
    /// They are trained.
    #[default]
    Trained,
    /// They stay as they are, in the type they compute in; adapters are trained beside them.
    Frozen,
    /// The same, the matrices of linear layers but the head in 8 bits, a scale for each row.
    Int8,
    /// The same in 4 bits, by quantiles of the normal distribution, a scale for each block of 64 numbers.
    Nf4,
}

impl LearnerOptions {
    /// How the model's own weights are kept.
    pub(crate) fn keeping(&self, device: Device) -> Keeping {
        let kind = match self.base {
            Base::Trained => self.precision.storage(),
            Base::Frozen | Base::Int8 | Base::Nf4 => self.precision.compute(),
        };
        Keeping { kind, device, packing: self.base.packing() }
    }
}

impl Base {
    pub(crate) fn packing(self) -> Option<Packing> {
        match self {
            Self::Trained | Self::Frozen => None,
            Self::Int8 => Some(Packing::Int8),
            Self::Nf4 => Some(Packing::Nf4),
        }
    }
}
