//! The three things a plugin can be. All are dyn-compatible: the host's core holds
//! `Box<dyn ComplexityScorer>` and cannot tell a scorer in its own process from a loaded one.

use crate::{Host, Result, SampleId, Score, Service};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// How a scorer or strategy is made. Apart from the work itself, so that the work stays
/// dyn-compatible.
///
/// ```
/// use iterit_sdk::{Error, Plugin, Result, Service};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Default, Serialize, Deserialize)]
/// #[serde(deny_unknown_fields, default)]
/// struct Options {
///     cap: f64,
/// }
///
/// struct Capped(Options);
///
/// impl Plugin for Capped {
///     type Options = Options;
///     const SERVICES: &'static [Service] = &[Service::TokenNll];
///
///     fn new(options: Options) -> Result<Self> {
///         match options.cap.is_finite() {
///             true => Ok(Self(options)),
///             false => Err(Error::options(format!("`cap` is {}, expected a number", options.cap))),
///         }
///     }
/// }
/// assert!(Capped::new(Options { cap: f64::NAN }).is_err());
/// ```
pub trait Plugin: Sized {
    /// Its section of the configuration; unknown keys must be refused
    /// (`#[serde(deny_unknown_fields, default)]`). The defaults are shown by `plugins list`.
    type Options: DeserializeOwned + Serialize + Default;

    /// What it needs of the host beyond texts and counts.
    const SERVICES: &'static [Service] = &[];

    /// Makes one from its options. Check values here: the run has not begun.
    fn new(options: Self::Options) -> Result<Self>;
}

/// How hard a sample is for the model as it is now.
///
/// ```
/// use iterit_sdk::{ComplexityScorer, Host, Model, Result, SampleId, Score};
///
/// /// The mean entropy of the model's predictions over the response (declares `LogitStatistics`).
/// struct Entropy;
///
/// impl ComplexityScorer for Entropy {
///     fn score(&self, host: &Host<'_>, ids: &[SampleId]) -> Result<Vec<Score>> {
///         let statistics = host.logit_statistics(Model::Current, ids)?;
///         Ok(statistics.iter().map(|it| match it.tokens {
///             0 => Score::ineligible(f64::NAN),
///             _ => Score::eligible(it.entropy),
///         }).collect())
///     }
/// }
/// ```
pub trait ComplexityScorer: Send + Sync {
    /// One [`Score`] an id, in the order of `ids`.
    fn score(&self, host: &Host<'_>, ids: &[SampleId]) -> Result<Vec<Score>>;

    /// The scorer's own state at the end of an epoch, for resume.
    fn save(&self) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }

    /// Takes back what [`save`](Self::save) gave.
    fn restore(&mut self, _state: &[u8]) -> Result<()> {
        Ok(())
    }
}

/// What a candidate adds to what is already picked.
///
/// Candidates are named by their index into the list given to [`begin`](Self::begin).
///
/// ```
/// use iterit_sdk::{DiversityScorer, Host, Result, SampleId};
///
/// /// One gain for the first response of each length, none for those that follow.
/// #[derive(Default)]
/// struct Lengths {
///     lengths: Vec<u32>,
///     picked: Vec<u32>,
/// }
///
/// impl DiversityScorer for Lengths {
///     fn begin(&mut self, host: &Host<'_>, candidates: &[SampleId]) -> Result<()> {
///         let counts = host.token_counts(candidates)?;
///         self.lengths = counts.iter().map(|count| count.response).collect();
///         self.picked.clear();
///         Ok(())
///     }
///
///     fn gain(&self, candidate: usize) -> Result<f64> {
///         Ok(if self.picked.contains(&self.lengths[candidate]) { 0.0 } else { 1.0 })
///     }
///
///     fn pick(&mut self, candidate: usize) -> Result<()> {
///         self.picked.push(self.lengths[candidate]);
///         Ok(())
///     }
///
///     fn gains_never_rise(&self) -> bool {
///         true
///     }
/// }
/// ```
pub trait DiversityScorer: Send + Sync {
    /// Starts a new pick among `candidates` and forgets earlier ones.
    fn begin(&mut self, host: &Host<'_>, candidates: &[SampleId]) -> Result<()>;

    /// The gain of one candidate now: finite, 0 or more.
    fn gain(&self, candidate: usize) -> Result<f64>;

    /// The gains of many candidates: `gains[k]` is that of `candidates[k]`. Override where a
    /// vectorised form is faster.
    fn gains(&self, candidates: &[u32], gains: &mut [f64]) -> Result<()> {
        for (gain, &candidate) in gains.iter_mut().zip(candidates) {
            *gain = self.gain(candidate as usize)?;
        }
        Ok(())
    }

    /// The candidate was picked; later gains take that into account.
    fn pick(&mut self, candidate: usize) -> Result<()>;

    /// Whether no pick ever raises another candidate's gain (submodularity). The host then asks
    /// for a fraction of the gains and still finds the exact greedy answer.
    fn gains_never_rise(&self) -> bool {
        false
    }

    /// The scorer's own state at the end of an epoch, for resume.
    fn save(&self) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }

    /// Takes back what [`save`](Self::save) gave.
    fn restore(&mut self, _state: &[u8]) -> Result<()> {
        Ok(())
    }
}

/// What a strategy knows of the run before it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunShape {
    /// Samples that may be trained on.
    pub num_samples: u64,
    /// Epochs in the run.
    pub epochs: u32,
    /// Samples an epoch that `selection.ratio` asks for.
    pub budget: u64,
}

/// Where the run stands when a plan is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epoch {
    /// The epoch about to begin, from 0.
    pub epoch: u32,
    /// The run it belongs to.
    pub run: RunShape,
}

/// What to do before an epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// Samples to score again under the current model, in this order.
    pub rescore: Vec<SampleId>,
    /// Samples that may be picked; of equal ones the earliest here wins.
    pub candidates: Vec<SampleId>,
    /// What to do with them.
    pub action: Action,
}

/// What an epoch trains on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The same samples as in the epoch before.
    Keep,
    /// Every sample, in input order.
    TrainAll,
    /// The greedy choice of up to this many eligible candidates.
    Pick {
        /// How many.
        budget: u64,
    },
}

/// What is rescored and chosen before every epoch.
///
/// ```
/// use iterit_sdk::{Action, Epoch, Host, Result, RunShape, Update, UpdateStrategy};
///
/// /// Scores and offers everything, every epoch.
/// struct Everything;
///
/// impl UpdateStrategy for Everything {
///     fn budgets(&self, run: &RunShape) -> Result<Vec<u64>> {
///         Ok(vec![run.budget; run.epochs as usize])
///     }
///
///     fn plan(&mut self, _: &Host<'_>, epoch: &Epoch) -> Result<Update> {
///         let all: Vec<_> = (0..epoch.run.num_samples).collect();
///         let action = Action::Pick { budget: epoch.run.budget };
///         Ok(Update { rescore: all.clone(), candidates: all, action })
///     }
/// }
/// let run = RunShape { num_samples: 100, epochs: 2, budget: 5 };
/// assert_eq!(Everything.budgets(&run)?, [5, 5]);
/// # Ok::<(), iterit_sdk::Error>(())
/// ```
pub trait UpdateStrategy: Send + Sync {
    /// How many samples each epoch trains on, one number an epoch: the learning-rate schedule is
    /// fixed by it before the first step.
    fn budgets(&self, run: &RunShape) -> Result<Vec<u64>>;

    /// What to do before one epoch. Scores and selections of earlier epochs are the host's
    /// [`scores`](crate::Services::scores) and [`selection_at`](crate::Services::selection_at).
    fn plan(&mut self, host: &Host<'_>, epoch: &Epoch) -> Result<Update>;

    /// The strategy's own state at the end of an epoch, for resume.
    fn save(&self) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }

    /// Takes back what [`save`](Self::save) gave.
    fn restore(&mut self, _state: &[u8]) -> Result<()> {
        Ok(())
    }
}
