//! The seam to the model. The torch crate implements [`Learner`] with libtorch, the tests with a
//! deterministic fake, so the whole selection loop runs in milliseconds without either.

pub use crate::sequence::{Scored, Sequence};

use crate::memory::{Fit, MemoryNeed};
use crate::{Error, Result};
use iterit_sdk::{Embedding, LogitStatistics, Matrix};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What the user should know of a model before the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelFacts {
    /// HF's `model_type`.
    pub architecture: String,
    /// All parameters; tied embeddings count once.
    pub parameters: u64,
    /// Those that are trained: all, or an adapter's. 0 in records older than adapters.
    #[serde(default)]
    pub trained: u64,
    /// `float32`, `bfloat16` …
    pub dtype: String,
    /// `cpu`, `cuda:0` …
    pub device: String,
    /// Rows of the embedding.
    pub vocab_size: usize,
    /// The longest sequence the model was made for.
    pub max_position_embeddings: usize,
    /// Bytes that weights, gradients and optimizer state take.
    pub resident_bytes: u64,
}

/// What a model's sequences must keep within, as its architecture says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelLimits {
    /// The longest sequence.
    pub positions: usize,
    /// The narrowest window a layer has. No limit of length: a longer sequence's far tokens are not seen
    /// in that layer.
    pub window: Option<usize>,
    /// Token ids are below it.
    pub vocabulary: usize,
}

/// How one optimizer step is made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepOptions {
    /// The rate in force at this step.
    pub learning_rate: f64,
    /// Gradients are scaled down to this global norm; infinite for no clipping.
    pub max_grad_norm: f64,
    /// What the loss is divided by.
    pub loss_normalization: LossNormalization,
}

/// What the summed loss of a step is divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LossNormalization {
    /// The mean over samples of each sample's mean over its tokens.
    #[default]
    Sample,
    /// The mean over all loss tokens of the step.
    Token,
}

/// What one optimizer step did.
#[derive(Debug, Clone, PartialEq)]
pub struct StepOutcome {
    /// The mean loss of each sample over its tokens, nats, in the order given.
    pub losses: Vec<f64>,
    /// The loss that was minimised.
    pub loss: f64,
    /// The global gradient norm before clipping.
    pub grad_norm: f64,
}

/// How a text is continued.
#[derive(Debug, Clone, PartialEq)]
pub struct Generation {
    /// The most tokens that are added.
    pub max_new_tokens: usize,
    /// Which of the tokens that may come next does.
    pub sampling: Sampling,
    /// Tokens after which nothing comes.
    pub stop_ids: Vec<u32>,
}

/// Which of the tokens that may come next does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sampling {
    /// The likeliest; of several the first.
    Greedy,
    /// One drawn from the fewest tokens that are together at least as likely as `top_p`,
    /// <https://arxiv.org/abs/1904.09751>.
    Nucleus {
        /// Logits are divided by it.
        temperature: f64,
        /// 1: from all tokens.
        top_p: f64,
        /// Equal seeds draw equal tokens, whatever is asked beside.
        seed: u64,
    },
}

/// Lets long work be watched and stopped.
pub trait Watch: Sync {
    /// How far the work has come.
    fn progress(&self, done: u64, total: u64);
    /// Whether to stop at the next chance.
    fn is_cancelled(&self) -> bool;
}

/// Work nobody watches.
#[derive(Debug, Clone, Copy)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn progress(&self, _done: u64, _total: u64) {}
    fn is_cancelled(&self) -> bool {
        false
    }
}

/// A causal language model that can be asked and trained.
///
/// Answers have the order of the sequences. Long work reports to the [`Watch`] and returns
/// [`Error::Cancelled`] when told to stop.
pub trait Learner: Send {
    /// What it is.
    fn facts(&self) -> ModelFacts;

    /// The memory that a step of these samples needs, and questions about so many tokens; nothing where nobody
    /// can say.
    fn memory(&self, _step: &[&[Sequence]], _asked: usize) -> Option<MemoryNeed> {
        None
    }

    /// Chooses how much is run at a time so that such a step, and such questions, fit into what is free now but
    /// for `kept` bytes; nothing where nobody can say.
    fn fit(&mut self, _step: &[&[Sequence]], _asked: usize, _kept: u64) -> Option<Fit> {
        None
    }

    /// What the user should know of the files it came from.
    fn remarks(&self) -> &[String] {
        &[]
    }

    /// What has happened since this was asked last and the user should know, such as that less is run at
    /// a time.
    fn news(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// The loss of every scored token, nats: one row a sequence, as long as its `scored`.
    fn token_nll(&mut self, sequences: &[Sequence], watch: &dyn Watch) -> Result<Vec<Vec<f32>>>;

    /// One pooled hidden state a sequence.
    fn embeddings(
        &mut self,
        sequences: &[Sequence],
        embedding: Embedding,
        watch: &dyn Watch,
    ) -> Result<Matrix>;

    /// Entropy and margin averaged over each sequence's scored tokens.
    fn logit_statistics(
        &mut self,
        sequences: &[Sequence],
        watch: &dyn Watch,
    ) -> Result<Vec<LogitStatistics>>;

    /// What the model adds to each of some beginnings, up to and with a stop token, or to where
    /// `is_over` says of the added tokens that they are enough.
    ///
    /// # Errors
    /// A beginning without tokens, or one that could grow beyond the model's window; a model that cannot
    /// be asked this.
    fn generate(
        &mut self,
        _beginnings: &[Vec<u32>],
        _how: &Generation,
        _is_over: &mut dyn FnMut(&[u32]) -> Result<bool>,
        _watch: &dyn Watch,
    ) -> Result<Vec<Vec<u32>>> {
        Err(Error::Model("this model cannot generate".into()))
    }

    /// One optimizer step over these samples, each of one or several sequences, however they are cut
    /// into micro-batches.
    fn step(&mut self, samples: &[&[Sequence]], options: &StepOptions) -> Result<StepOutcome>;

    /// Writes weights and optimizer state into an empty folder.
    fn save(&self, folder: &Path) -> Result<()>;

    /// Takes back what [`save`](Self::save) wrote.
    fn restore(&mut self, folder: &Path) -> Result<()>;

    /// Writes what was trained as Hugging Face loads it into an empty folder: the model's configuration
    /// and weights, or an adapter.
    fn export(&self, folder: &Path) -> Result<()>;

    /// Writes the whole model with its adapter merged into the weights.
    fn export_merged(&self, _folder: &Path) -> Result<()> {
        Err(Error::Model("there is no adapter to merge".into()))
    }
}

/// A learner for work that needs no model, such as `select`: it has none, and says so.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoModel;

impl NoModel {
    fn refuse<T>() -> Result<T> {
        Err(Error::Model("this needs a model\nhint: give one with --model".into()))
    }
}

impl Learner for NoModel {
    fn facts(&self) -> ModelFacts {
        ModelFacts {
            architecture: "none".into(),
            parameters: 0,
            trained: 0,
            dtype: "none".into(),
            device: "none".into(),
            vocab_size: 0,
            max_position_embeddings: 0,
            resident_bytes: 0,
        }
    }
    fn token_nll(&mut self, _: &[Sequence], _: &dyn Watch) -> Result<Vec<Vec<f32>>> {
        Self::refuse()
    }
    fn embeddings(&mut self, _: &[Sequence], _: Embedding, _: &dyn Watch) -> Result<Matrix> {
        Self::refuse()
    }
    fn logit_statistics(&mut self, _: &[Sequence], _: &dyn Watch) -> Result<Vec<LogitStatistics>> {
        Self::refuse()
    }
    fn step(&mut self, _: &[&[Sequence]], _: &StepOptions) -> Result<StepOutcome> {
        Self::refuse()
    }
    fn save(&self, _: &Path) -> Result<()> {
        Self::refuse()
    }
    fn restore(&mut self, _: &Path) -> Result<()> {
        Self::refuse()
    }
    fn export(&self, _: &Path) -> Result<()> {
        Self::refuse()
    }
}
