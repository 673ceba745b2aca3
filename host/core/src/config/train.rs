//! `[train]`: how the picked samples are learned.

use super::lora::LoraConfig;
use crate::learner::LossNormalization;
use crate::schedule::{Decay, Fall, Schedule};
use crate::span::TargetEnd;
use serde::{Deserialize, Serialize};
use std::num::NonZeroUsize;

/// The section `[train]`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrainConfig {
    /// How many epochs; each trains on its own selection.
    pub epochs: u32,
    /// The run ends after so many optimizer steps, if its epochs have not ended before.
    pub max_steps: Option<u64>,
    /// The rate at the end of warm-up.
    pub learning_rate: f64,
    /// How it falls afterwards.
    pub schedule: Decay,
    /// The share of all steps that warms up.
    pub warmup_ratio: f64,
    /// The steps that warm up, in place of a share.
    pub warmup_steps: Option<u64>,
    /// The rate at the end, of schedules that have one.
    pub min_lr: Option<f64>,
    /// The same, as a share of the rate at the end of warm-up.
    pub min_lr_rate: Option<f64>,
    /// The share of all steps in which a rate that was stable falls.
    pub decay_ratio: f64,
    /// Those steps, in place of a share.
    pub decay_steps: Option<u64>,
    /// How it falls in them.
    pub decay_type: Fall,
    /// AdamW's β₁.
    pub adam_beta1: f64,
    /// AdamW's β₂.
    pub adam_beta2: f64,
    /// AdamW's ε.
    pub adam_epsilon: f64,
    /// How AdamW's two moments are kept, in place of as what is trained.
    pub adam_moments: Option<AdamMoments>,
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
    /// What ranks keep a part of each.
    pub shard: Shard,
    /// Steps between evaluations, besides the one after every epoch; 0: only that one.
    pub eval_every: u64,
    /// Training ends after so many evaluations in a row without a lower held-out loss.
    pub patience: Option<u64>,
    /// `[train.lora]`
    pub lora: LoraConfig,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: 3,
            max_steps: None,
            learning_rate: 2e-5,
            schedule: Decay::Cosine,
            warmup_ratio: 0.03,
            warmup_steps: None,
            min_lr: None,
            min_lr_rate: None,
            decay_ratio: 0.1,
            decay_steps: None,
            decay_type: Fall::Cosine,
            adam_beta1: 0.9,
            adam_beta2: 0.999,
            adam_epsilon: 1e-8,
            adam_moments: None,
            weight_decay: 0.0,
            max_grad_norm: 1.0,
            batch: 32,
            micro_batch: MicroBatch::Auto,
            loss_normalization: LossNormalization::Sample,
            shuffle: Shuffle::PerEpoch,
            target_end: TargetEnd::Eos,
            activation_checkpointing: false,
            shard: Shard::Moments,
            eval_every: 0,
            patience: None,
            lora: LoraConfig::default(),
        }
    }
}

impl TrainConfig {
    /// The learning rates of a run of so many steps. Shares of them are rounded up, as transformers does.
    ///
    /// ```
    /// use iterit_core::config::TrainConfig;
    /// let schedule = TrainConfig::default().rates(101);
    /// assert_eq!(schedule.warmup_steps, 4);
    /// ```
    pub fn rates(&self, total_steps: u64) -> Schedule {
        let share = |ratio: f64| (ratio * total_steps as f64).ceil() as u64;
        Schedule {
            base: self.learning_rate,
            decay: self.schedule,
            warmup_steps: self.warmup_steps.unwrap_or_else(|| share(self.warmup_ratio)),
            total_steps,
            least: match (self.min_lr_rate, self.min_lr) {
                (Some(share), _) => share,
                (None, Some(rate)) => rate / self.learning_rate,
                (None, None) => 0.0,
            },
            decay_steps: self.decay_steps.unwrap_or_else(|| share(self.decay_ratio)),
            fall: self.decay_type,
        }
    }

    /// What cannot be meant together, a fault a line.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        match (self.schedule, self.min_lr, self.min_lr_rate) {
            (_, Some(rate), Some(share)) => faults.push(format!(
                "`train.min_lr` is {rate} and `train.min_lr_rate` {share}, expected one of them: a rate, \
                 or a share of train.learning_rate"
            )),
            (_, Some(rate), None) if rate > self.learning_rate => faults.push(format!(
                "`train.min_lr` is {rate}, expected no more than train.learning_rate, {}",
                self.learning_rate
            )),
            (Decay::CosineWithMinLr, None, None) => faults.push(
                "`train.schedule` is \"cosine_with_min_lr\", expected a train.min_lr, or a \
                 train.min_lr_rate such as 0.1"
                    .into(),
            ),
            _ => {}
        }
        faults
    }

    /// What is set to no effect, each in a line.
    pub fn idle(&self) -> Vec<String> {
        let is_floored = matches!(self.schedule, Decay::CosineWithMinLr | Decay::WarmupStableDecay);
        let is_stable = self.schedule == Decay::WarmupStableDecay;
        let unset = Self::default();
        let set = [
            ("min_lr", self.min_lr != unset.min_lr, is_floored),
            ("min_lr_rate", self.min_lr_rate != unset.min_lr_rate, is_floored),
            ("decay_ratio", self.decay_ratio != unset.decay_ratio, is_stable),
            ("decay_steps", self.decay_steps != unset.decay_steps, is_stable),
            ("decay_type", self.decay_type != unset.decay_type, is_stable),
        ];
        let unread = set.into_iter().filter(|(_, is_set, is_read)| *is_set && !is_read);
        let mut idle: Vec<String> = unread
            .map(|(key, ..)| {
                format!(
                    "train.{key} is set and changes nothing: train.schedule {} does not read it",
                    serde_json::to_value(self.schedule).expect("a word")
                )
            })
            .collect();
        if self.warmup_steps.is_some() && self.warmup_ratio != unset.warmup_ratio {
            idle.push("train.warmup_ratio changes nothing beside train.warmup_steps".into());
        }
        if self.decay_steps.is_some() && self.decay_ratio != unset.decay_ratio && is_stable {
            idle.push("train.decay_ratio changes nothing beside train.decay_steps".into());
        }
        idle
    }
}

/// How AdamW's moments are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AdamMoments {
    /// In 16 bits each.
    #[serde(rename = "bfloat16")]
    Bfloat16,
    /// In 8, with a scale for each block.
    #[serde(rename = "8-bit")]
    EightBits,
}

/// How an optimizer step is cut into forward passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(into = "RawMicroBatch", try_from = "RawMicroBatch")]
pub enum MicroBatch {
    /// By a budget of tokens.
    #[default]
    Auto,
    /// This many samples at a time.
    Samples(NonZeroUsize),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum RawMicroBatch {
    Count(NonZeroUsize),
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
            RawMicroBatch::Count(count) => Ok(Self::Samples(count)),
            RawMicroBatch::Word(word) if word == "auto" => Ok(Self::Auto),
            _ => Err("expected \"auto\" or a count"),
        }
    }
}

/// What each of several ranks keeps its part of alone (Rajbhandari et al. 2020, ZeRO).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shard {
    /// The optimizer's moments: stage 1.
    #[default]
    Moments,
    /// Gradients too: stage 2.
    Gradients,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_counts_of_steps() {
        let rates = |train: TrainConfig| train.rates(40);
        let shares = rates(TrainConfig { warmup_ratio: 0.03, ..TrainConfig::default() });
        assert_eq!((shares.warmup_steps, shares.decay_steps, shares.least), (2, 4, 0.0));
        let counts = TrainConfig {
            warmup_steps: Some(0),
            decay_steps: Some(7),
            min_lr: Some(5e-6),
            ..TrainConfig::default()
        };
        let counts = rates(counts);
        assert_eq!((counts.warmup_steps, counts.decay_steps, counts.least), (0, 7, 0.25));
    }

    #[test]
    fn what_changes_nothing_is_named() {
        let idle = |schedule| {
            TrainConfig {
                schedule,
                min_lr: Some(1e-6),
                decay_type: Fall::Linear,
                ..TrainConfig::default()
            }
            .idle()
        };
        assert_eq!(idle(Decay::WarmupStableDecay), Vec::<String>::new());
        assert_eq!(
            idle(Decay::Cosine),
            [
                "train.min_lr is set and changes nothing: train.schedule \"cosine\" does not read it",
                "train.decay_type is set and changes nothing: train.schedule \"cosine\" does not read it",
            ]
        );
        assert_eq!(idle(Decay::CosineWithMinLr).len(), 1);
    }
}
