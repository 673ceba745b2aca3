//! What a run leaves behind, in the form it has on disk (see `configs/README.md` for the files).
//!
//! Types only: [`run_directory`](crate::run_directory) reads and writes them.

use crate::identity::{Difference, Environment, Identity};
use crate::learner::ModelFacts;
use crate::{Error, Result, SampleId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `manifest.json`: what made this run, so that it can be made again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunManifest {
    /// The version of iterit.
    pub iterit: String,
    /// The run's seed.
    pub seed: u64,
    /// Training samples in the data.
    pub num_samples: u64,
    /// Samples an epoch that the ratio asks for.
    pub budget: u64,
    /// Epochs planned.
    pub epochs: u32,
    /// Optimizer steps planned, over all epochs.
    pub total_steps: u64,
    /// The model before training.
    pub model: ModelFacts,
    /// The plugins in use, in order.
    pub plugins: Vec<PluginRecord>,
    /// sha256 of every input file, by its path as given.
    pub sha256: BTreeMap<String, String>,
    /// How samples became texts; absent in runs of versions that knew one way only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub texts: Option<TextRecord>,
    /// What makes it this run and no other; empty where an older version began it.
    #[serde(default)]
    pub identity: Identity,
    /// What carries it out, since the last resume.
    #[serde(default)]
    pub environment: Environment,
    /// Every resume that went on with something else than the part before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resumed: Vec<Resumption>,
}

/// A resume that changed what a resume may change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumption {
    /// Optimizer steps done before it.
    pub step: u64,
    /// What changed.
    pub changed: Vec<Difference>,
}

/// The rules by which samples became texts: scores made under different ones are not to be mixed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextRecord {
    /// `data.texts`
    pub texts: String,
    /// `data.turns`
    pub turns: String,
    /// `data.prompt`, where it is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// The rules by which samples became the proxy's texts, where there is a proxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_texts: Option<String>,
    /// Samples whose response alone stands in what the template puts there.
    pub template_frames: usize,
    /// Samples whose response alone stands behind its own header.
    pub header_frames: usize,
    /// Samples whose response alone cannot be had.
    pub no_frames: usize,
}

impl TextRecord {
    /// The choices of a configuration, before any sample is seen.
    pub fn new(
        texts: &impl Serialize,
        turns: &impl Serialize,
        prompt: Option<&impl Serialize>,
    ) -> Self {
        Self {
            texts: name(texts),
            turns: name(turns),
            prompt: prompt.map(name),
            proxy_texts: None,
            template_frames: 0,
            header_frames: 0,
            no_frames: 0,
        }
    }

    /// The same beside a proxy whose texts are made by these rules.
    #[must_use]
    pub fn with_proxy(self, texts: Option<&impl Serialize>) -> Self {
        Self { proxy_texts: texts.map(name), ..self }
    }

    /// Whether scores made under these rules and those mean the same. One that does not speak of a proxy
    /// agrees with any rules for it.
    pub fn agrees_with(&self, other: &Self) -> bool {
        let own = (&self.texts, &self.turns, &self.prompt);
        let mut of_proxies = self.proxy_texts.iter().zip(&other.proxy_texts);
        own == (&other.texts, &other.turns, &other.prompt) && of_proxies.all(|(a, b)| a == b)
    }
}

/// One plugin in use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PluginRecord {
    /// The name in `--plugins`.
    pub name: String,
    /// `complexity`, `diversity` or `strategy`.
    pub kind: String,
    /// The version of the crate that offers it.
    pub version: String,
    /// The file it was loaded from.
    pub path: String,
}

/// One line of `metrics.jsonl`: an optimizer step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Optimizer steps done before this one.
    pub step: u64,
    /// The epoch it belongs to.
    pub epoch: u32,
    /// The minimised loss, nats.
    pub loss: f64,
    /// The learning rate in force.
    pub lr: f64,
    /// Global gradient norm before clipping.
    pub grad_norm: f64,
    /// Tokens that went through the model.
    pub tokens: u64,
    /// Those tokens by the wall clock.
    pub tokens_per_second: f64,
}

/// One line of `epochs/E/scores.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoreLine {
    /// Which sample.
    pub id: SampleId,
    /// The score; null where none could be computed.
    pub score: Option<f64>,
    /// Whether it may be picked.
    pub eligible: bool,
    /// The epoch the score was made at.
    #[serde(default)]
    pub scored_at: u32,
    /// On the first line of a file alone: how samples became texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub texts: Option<Box<TextRecord>>,
    /// By scorer, the numbers its value was made from.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parts: BTreeMap<String, BTreeMap<String, Option<f64>>>,
}

/// One line of `epochs/E/losses.jsonl`: a sample trained on, in training order.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LossLine {
    /// Optimizer steps done before the one it took part in.
    pub step: u64,
    /// Which sample.
    pub id: SampleId,
    /// Its mean loss a token at that step, nats.
    pub loss: f64,
    /// Its tokens that carry loss.
    pub tokens: u64,
}

/// One line of `epochs/E/held-out.jsonl`: a held-out sample, as it was asked last in the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HeldOutLine {
    /// Its position among the held-out samples.
    pub id: u64,
    /// The summed loss of its response's tokens given its prompt, nats.
    pub nll: f64,
    /// How many tokens that are; 0 where the response is cut off.
    pub tokens: u32,
}

/// One line of `evaluations.jsonl`: what the held-out samples said after so many steps, in the midst
/// of an epoch or at its end.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Optimizer steps done.
    pub step: u64,
    /// The epoch they stand in.
    pub epoch: u32,
    /// Mean held-out loss a response token, nats.
    pub loss: f64,
}

/// `epochs/E/selection.json`: what an epoch trains on, in pick order.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Selection {
    /// The epoch it was made for.
    pub epoch: u32,
    /// How many were asked for.
    pub budget: u64,
    /// Ids in pick order.
    pub selected: Vec<SampleId>,
    /// complexity × gain at the pick.
    pub values: Vec<f64>,
    /// The diversity gain at the pick.
    pub gains: Vec<f64>,
}

/// `epochs/E/summary.json`: one epoch in a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// The epoch, from 0.
    pub epoch: u32,
    /// Samples trained on.
    pub picked: u64,
    /// Samples scored before it.
    pub rescored: u64,
    /// Candidates that could have been picked.
    pub eligible: u64,
    /// Mean score of this epoch's finite scores; absent where nothing was scored.
    pub mean_score: Option<f64>,
    /// Mean over steps of the minimised loss, nats.
    pub loss: f64,
    /// Optimizer steps done when the epoch ended.
    pub steps: u64,
    /// Tokens that went through the model in training.
    pub tokens: u64,
    /// Tokens that went through it, forward only, to choose what to train on.
    #[serde(default)]
    pub forward_tokens: u64,
    /// Mean held-out loss per response token after the epoch, where there is held-out data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eval_loss: Option<f64>,
    /// Where the time went.
    pub seconds: Seconds,
}

/// Wall-clock seconds of an epoch's phases.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Seconds {
    /// Forward passes for scores.
    pub scoring: f64,
    /// The pick.
    pub picking: f64,
    /// Forward, backward and optimizer.
    pub training: f64,
}

/// A finished (or interrupted) run, read back whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// What made it.
    pub manifest: RunManifest,
    /// The epochs that ended.
    pub epochs: Vec<EpochRecord>,
    /// Every optimizer step.
    pub steps: Vec<StepRecord>,
    /// Every time the held-out samples were asked.
    #[serde(default)]
    pub evaluations: Vec<Evaluation>,
    /// By epoch, the scores made for it.
    pub scores: Vec<Vec<ScoreLine>>,
    /// By epoch, what it trained on.
    pub selections: Vec<Selection>,
}

impl ScoreLine {
    /// The score as a number; NaN where the file has null.
    pub fn value(&self) -> f64 {
        self.score.unwrap_or(f64::NAN)
    }

    /// NaN and infinities have no JSON; they are null on disk.
    pub fn number(value: f64) -> Option<f64> {
        value.is_finite().then_some(value)
    }
}

/// What a key's value is called in a configuration.
fn name(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).expect("a choice is JSON");
    value.as_str().expect("a choice has a name").to_owned()
}

impl HeldOutLine {
    /// Nats a token; NaN where there is no token.
    pub fn mean(&self) -> f64 {
        self.nll / f64::from(self.tokens)
    }
}

impl Selection {
    /// Refuses a selection that names a sample the data does not have, or one twice.
    pub fn check(&self, num_samples: u64) -> Result<()> {
        let mut seen = vec![false; num_samples as usize];
        for &id in &self.selected {
            let Some(seen) = seen.get_mut(id as usize) else {
                return Err(Error::Run(format!(
                    "the selection of epoch {} names sample {id}, but there are {num_samples}",
                    self.epoch
                )));
            };
            if std::mem::replace(seen, true) {
                return Err(Error::Run(format!(
                    "the selection of epoch {} names sample {id} twice",
                    self.epoch
                )));
            }
        }
        Ok(())
    }
}
