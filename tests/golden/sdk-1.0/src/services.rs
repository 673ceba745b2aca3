//! What the host does for a plugin: texts, token counts, losses, embeddings, history, progress.
//!
//! [`Services`] is the plain trait; the host's core implements it, the ABI adapter implements it
//! again over the boundary, and the testkit a third time with a fake model. A plugin sees only
//! [`Host`] and cannot tell them apart.

use crate::{Error, Nll, ResponseNll, Result, Sample, SampleId, Turn};
use serde::{Deserialize, Serialize};

/// What a plugin may ask the host for. A plugin declares the ones it needs in
/// [`Plugin::SERVICES`](crate::Plugin::SERVICES), so that a host that cannot give one says so at
/// the start. Texts, counts, seed, progress, cancellation and log are always there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Service {
    /// [`Services::response_nll`]
    ResponseNll,
    /// [`Services::token_nll`]
    TokenNll,
    /// [`Services::prompted_nll`]
    PromptedNll,
    /// [`Services::embeddings`]
    Embeddings,
    /// [`Services::logit_statistics`]
    LogitStatistics,
    /// Any of the above under [`Model::Proxy`]
    Proxy,
    /// [`Services::num_target_samples`] is above 0
    TargetSamples,
}

impl Service {
    /// Every service, in declaration order.
    pub const ALL: &'static [Self] = &[
        Self::ResponseNll,
        Self::TokenNll,
        Self::PromptedNll,
        Self::Embeddings,
        Self::LogitStatistics,
        Self::Proxy,
        Self::TargetSamples,
    ];

    /// The name in manifests and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ResponseNll => "response_nll",
            Self::TokenNll => "token_nll",
            Self::PromptedNll => "prompted_nll",
            Self::Embeddings => "embeddings",
            Self::LogitStatistics => "logit_statistics",
            Self::Proxy => "proxy",
            Self::TargetSamples => "target_samples",
        }
    }
}

/// Which model answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Model {
    /// The model being trained, as it is now.
    #[default]
    Current,
    /// The fixed second model of `model.proxy`.
    Proxy,
}

/// What a response is conditioned on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Conditioning {
    /// The whole conversation.
    Prompt,
    /// Nothing but the template around the assistant's turn.
    Nothing,
}

/// How the hidden states of a text become one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pooling {
    /// The mean over all tokens.
    Mean,
    /// The last token's.
    Last,
}

/// Which embedding is wanted of the whole conversation, response included.
///
/// ```
/// use iterit_sdk::{Embedding, Host, Matrix, Model, Pooling, Result, SampleId};
///
/// /// The last token's state after the last layer, one row a sample.
/// fn vectors(host: &Host<'_>, ids: &[SampleId]) -> Result<Matrix> {
///     host.embeddings(Model::Current, ids, Embedding { pooling: Pooling::Last, layer: -1 })
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Embedding {
    /// How tokens are pooled.
    pub pooling: Pooling,
    /// The layer whose output is taken: 0 is the token embedding; negative counts from the end,
    /// -1 being the last layer after the final norm.
    pub layer: i32,
}

/// The tokens of a sample after truncation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TokenCounts {
    /// Tokens of the conversation before the response.
    pub prompt: u32,
    /// Tokens of the response that carry loss in training.
    pub response: u32,
}

/// What the next-token distributions over a response look like, averaged over its tokens.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LogitStatistics {
    /// Mean entropy, nats.
    pub entropy: f64,
    /// Mean difference between the largest and the second largest probability.
    pub margin: f64,
    /// How many tokens were averaged; with 0 the means are NaN.
    pub tokens: u32,
}

/// The latest score of a sample, or the one of a given epoch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoreRow {
    /// Which sample.
    pub id: SampleId,
    /// The product of the complexity scorers' values; may be NaN where not eligible.
    pub value: f64,
    /// Whether every scorer allowed it.
    pub eligible: bool,
    /// The epoch it was scored at.
    pub scored_at: u32,
}

/// Rows of different lengths in one allocation.
///
/// ```
/// use iterit_sdk::Ragged;
/// let losses = Ragged::new(vec![0.5, 2.0, 1.0], vec![0, 2, 2, 3])?;
/// assert_eq!((losses.len(), losses.row(0), losses.row(1)), (3, &[0.5, 2.0][..], &[][..]));
/// assert!(Ragged::new(vec![0.5], vec![0, 2]).is_err());
/// # Ok::<(), iterit_sdk::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Ragged {
    values: Vec<f32>,
    /// `offsets[r]..offsets[r + 1]` is row `r`; one more than there are rows.
    offsets: Vec<u64>,
}

impl Ragged {
    /// Checks that the offsets start at 0, never fall and end at the number of values.
    pub fn new(values: Vec<f32>, offsets: Vec<u64>) -> Result<Self> {
        let covers = offsets.first() == Some(&0)
            && offsets.last() == Some(&(values.len() as u64))
            && offsets.windows(2).all(|pair| pair[0] <= pair[1]);
        if !covers {
            return Err(Error::msg("offsets of a ragged array do not cover its values"));
        }
        Ok(Self { values, offsets })
    }

    /// Gathers rows.
    pub fn from_rows<'a>(rows: impl IntoIterator<Item = &'a [f32]>) -> Self {
        let (mut values, mut offsets) = (Vec::new(), vec![0]);
        for row in rows {
            values.extend_from_slice(row);
            offsets.push(values.len() as u64);
        }
        Self { values, offsets }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One row; panics past the end, as a slice does.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[self.offsets[row] as usize..self.offsets[row + 1] as usize]
    }

    /// All rows in order.
    pub fn rows(&self) -> impl Iterator<Item = &[f32]> {
        (0..self.len()).map(|row| self.row(row))
    }

    /// Values and offsets, as they cross the ABI.
    pub fn into_parts(self) -> (Vec<f32>, Vec<u64>) {
        (self.values, self.offsets)
    }
}

/// A row-major matrix, one row a sample.
///
/// ```
/// use iterit_sdk::Matrix;
/// let vectors = Matrix::new(vec![1.0, 0.0, 0.6, 0.8], 2)?;
/// assert_eq!((vectors.rows(), vectors.row(1)), (2, &[0.6, 0.8][..]));
/// assert!(Matrix::new(vec![1.0, 0.0, 0.6], 2).is_err());
/// # Ok::<(), iterit_sdk::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    values: Vec<f32>,
    columns: usize,
}

impl Matrix {
    /// Checks that the values fill whole rows.
    pub fn new(values: Vec<f32>, columns: usize) -> Result<Self> {
        if columns == 0 || !values.len().is_multiple_of(columns) {
            return Err(Error::msg(format!("{} values in rows of {columns}", values.len())));
        }
        Ok(Self { values, columns })
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.values.len() / self.columns
    }

    /// How long each row is.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// One row; panics past the end, as a slice does.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.columns..(row + 1) * self.columns]
    }

    /// The values, row by row, as they cross the ABI.
    pub fn into_values(self) -> Vec<f32> {
        self.values
    }
}

/// How loud a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogLevel {
    /// Shown only when asked for.
    Debug,
    /// Shown.
    Info,
    /// Shown, and repeated in the run's summary.
    Warn,
}

/// The host's side of [`Host`]. Methods may be called from any thread; the host runs one piece of
/// model work at a time. Every list in the answer has the order of `ids`.
///
/// A method added after ABI 1.0 comes with a default body, which an older host falls back to.
pub trait Services: Sync {
    /// How many samples may be trained on: ids 0 to this.
    fn num_samples(&self) -> u64;
    /// How many further samples `data.target_path` gave; their ids follow the others'.
    fn num_target_samples(&self) -> u64;
    /// One sample's conversation, response and metadata.
    fn sample(&self, id: SampleId) -> Result<Sample>;
    /// What the model is trained to write: response + eos text.
    fn training_targets(&self, ids: &[SampleId]) -> Result<Vec<String>>;
    /// Token counts after truncation.
    fn token_counts(&self, ids: &[SampleId]) -> Result<Vec<TokenCounts>>;

    /// The response's loss given its prompt and alone, over the same leading tokens.
    fn response_nll(&self, model: Model, ids: &[SampleId]) -> Result<Vec<ResponseNll>>;
    /// The loss of every surviving response token, nats.
    fn token_nll(&self, model: Model, ids: &[SampleId], given: Conditioning) -> Result<Ragged>;
    /// The loss of each response when `prompts[i]` stands in place of its sample's own prompt. A
    /// one-shot scorer puts another sample's exchange in front of the sample's own turns.
    fn prompted_nll(
        &self,
        model: Model,
        ids: &[SampleId],
        prompts: &[Vec<Turn>],
    ) -> Result<Vec<Nll>>;
    /// One vector a sample.
    fn embeddings(&self, model: Model, ids: &[SampleId], embedding: Embedding) -> Result<Matrix>;
    /// Entropy and margin over the response given its prompt.
    fn logit_statistics(&self, model: Model, ids: &[SampleId]) -> Result<Vec<LogitStatistics>>;

    /// The latest score of every sample scored so far, by ascending id.
    fn scores(&self) -> Result<Vec<ScoreRow>>;
    /// The scores made at one epoch, in scoring order; empty where none were.
    fn scores_at(&self, epoch: u32) -> Result<Vec<ScoreRow>>;
    /// The samples trained on in one past epoch, in pick order; `None` for an epoch yet to come.
    fn selection_at(&self, epoch: u32) -> Result<Option<Vec<SampleId>>>;

    /// The run's seed.
    fn seed(&self) -> u64;
    /// How many threads a plugin may use.
    fn threads(&self) -> usize;
    /// Shows how far a long call has come.
    fn progress(&self, done: u64, total: u64);
    /// Whether the user wants the run to stop.
    fn is_cancelled(&self) -> bool;
    /// Says something on stderr, under the plugin's name.
    fn log(&self, level: LogLevel, message: &str);
}

/// The host, lent to a plugin for the duration of one call. Every method of [`Services`] is one of its.
///
/// ```
/// use iterit_sdk::{Host, Result, SampleId};
///
/// /// Response words of each sample, with signs of life for those who wait.
/// fn words(host: &Host<'_>, ids: &[SampleId]) -> Result<Vec<usize>> {
///     let mut words = Vec::with_capacity(ids.len());
///     for &id in ids {
///         host.check_cancelled()?;
///         words.push(host.sample(id)?.response.split_whitespace().count());
///         host.progress(words.len() as u64, ids.len() as u64);
///     }
///     host.info(format!("counted {} responses", words.len()));
///     Ok(words)
/// }
/// ```
#[derive(Clone, Copy)]
pub struct Host<'a> {
    services: &'a dyn Services,
}

impl<'a> Host<'a> {
    /// Wraps services; plugins are handed one and need not call this.
    pub fn new(services: &'a dyn Services) -> Self {
        Self { services }
    }

    /// The services themselves, for adapters.
    pub fn services(&self) -> &'a dyn Services {
        self.services
    }

    /// Ends a call the user no longer wants: `host.check_cancelled()?` in every loop that waits.
    pub fn check_cancelled(&self) -> Result<()> {
        if self.services.is_cancelled() { Err(Error::cancelled()) } else { Ok(()) }
    }

    /// Says something on stderr.
    pub fn info(&self, message: impl AsRef<str>) {
        self.services.log(LogLevel::Info, message.as_ref());
    }

    /// Warns on stderr and in the run's summary.
    pub fn warn(&self, message: impl AsRef<str>) {
        self.services.log(LogLevel::Warn, message.as_ref());
    }
}

impl<'a> std::ops::Deref for Host<'a> {
    type Target = dyn Services + 'a;

    fn deref(&self) -> &Self::Target {
        self.services
    }
}
