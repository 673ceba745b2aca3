//! `[train]`: how the picked samples are learned.

use super::lora::LoraConfig;
use crate::learner::LossNormalization;
use crate::schedule::Decay;
use crate::span::TargetEnd;
use serde::{Deserialize, Serialize};

/// The section `[train]`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrainConfig {
    /// How many epochs; each trains on its own selection.
    pub epochs: u32,
    /// The rate at the end of warm-up.
    pub learning_rate: f64,
    /// How it falls afterwards.
    pub schedule: Decay,
    /// The share of all steps that warms up.
    pub warmup_ratio: f64,
    /// AdamW's decoupled weight decay.
    pub weight_decay: f64,
    /// Gradients are scaled down to this global norm; infinite for no clipping.
    pub max_grad_norm: f64,
    /// Samples of an optimizer step, over all ranks.
    pub batch: usize,
    /// How a step is cut.
    pub micro_batch: MicroBatch,
    /// What a step's summed loss is divided by.
    pub loss_normalization: LossNormalization,
    /// The order within an epoch.
    pub shuffle: Shuffle,
    /// What the response ends with in training.
    pub target_end: TargetEnd,
    /// Recomputes activations in the backward pass: slower, less memory.
    pub activation_checkpointing: bool,
    /// `[train.lora]`
    pub lora: LoraConfig,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: 3,
            learning_rate: 2e-5,
            schedule: Decay::Cosine,
            warmup_ratio: 0.03,
            weight_decay: 0.0,
            max_grad_norm: 1.0,
            batch: 32,
            micro_batch: MicroBatch::Auto,
            loss_normalization: LossNormalization::Sample,
            shuffle: Shuffle::PerEpoch,
            target_end: TargetEnd::Eos,
            activation_checkpointing: false,
            lora: LoraConfig::default(),
        }
    }
}

/// How an optimizer step is cut into forward passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(into = "RawMicroBatch", try_from = "RawMicroBatch")]
pub enum MicroBatch {
    /// By a budget of tokens.
    #[default]
    Auto,
    /// This many samples at a time.
    Samples(usize),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum RawMicroBatch {
    Count(usize),
    Word(String),
}

impl From<MicroBatch> for RawMicroBatch {
    fn from(micro_batch: MicroBatch) -> Self {
        match micro_batch {
            MicroBatch::Auto => Self::Word("auto".into()),
            MicroBatch::Samples(count) => Self::Count(count),
        }
    }
}

impl TryFrom<RawMicroBatch> for MicroBatch {
    type Error = &'static str;

    fn try_from(raw: RawMicroBatch) -> Result<Self, &'static str> {
        match raw {
            RawMicroBatch::Count(count) if count > 0 => Ok(Self::Samples(count)),
            RawMicroBatch::Word(word) if word == "auto" => Ok(Self::Auto),
            _ => Err("expected \"auto\" or a count"),
        }
    }
}

/// The order of the samples within an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shuffle {
    /// Seeded anew with a hash of `seed` and epoch.
    #[default]
    PerEpoch,
    /// Seeded anew with `seed` every epoch, as IterIT's own runs were.
    Same,
}
