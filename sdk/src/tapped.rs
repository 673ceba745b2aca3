//! Services that tell a [`Tap`] of every use, and pass it on. What watches a plugin stands here,
//! between it and the host: a watchdog, a witness, a test.
//!
//! There is one such forwarder, so that a service which a later ABI adds is passed on by all of them
//! or by none. Three things see to it that it is not none: [`Call`] is matched to the end wherever it
//! is matched; `clippy::missing_trait_methods` finds an implementation that leaves a service to its
//! default body; and a test makes every call through all of them and looks for it at the bottom.

use crate::{
    Conditioning, Embedding, LogLevel, LogitStatistics, Matrix, Model, Nll, Pooling, Ragged,
    ResponseNll, Result, Sample, SampleId, ScoreRow, Services, TokenCounts, Turn,
};

/// A call of a plugin to the host: one for each method of [`Services`], in their order.
///
/// Not to be confused with [`Service`](crate::Service), which a plugin declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    /// [`Services::num_samples`]
    NumSamples,
    /// [`Services::num_target_samples`]
    NumTargetSamples,
    /// [`Services::sample`]
    Sample,
    /// [`Services::training_targets`]
    TrainingTargets,
    /// [`Services::token_counts`]
    TokenCounts,
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
    /// [`Services::scores`]
    Scores,
    /// [`Services::scores_at`]
    ScoresAt,
    /// [`Services::selection_at`]
    SelectionAt,
    /// [`Services::seed`]
    Seed,
    /// [`Services::threads`]
    Threads,
    /// [`Services::progress`]
    Progress,
    /// [`Services::is_cancelled`]
    IsCancelled,
    /// [`Services::log`]
    Log,
}

impl Call {
    /// Every call, in the order of [`Services`].
    pub const ALL: [Self; 18] = [
        Self::NumSamples,
        Self::NumTargetSamples,
        Self::Sample,
        Self::TrainingTargets,
        Self::TokenCounts,
        Self::ResponseNll,
        Self::TokenNll,
        Self::PromptedNll,
        Self::Embeddings,
        Self::LogitStatistics,
        Self::Scores,
        Self::ScoresAt,
        Self::SelectionAt,
        Self::Seed,
        Self::Threads,
        Self::Progress,
        Self::IsCancelled,
        Self::Log,
    ];

    /// The method's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NumSamples => "num_samples",
            Self::NumTargetSamples => "num_target_samples",
            Self::Sample => "sample",
            Self::TrainingTargets => "training_targets",
            Self::TokenCounts => "token_counts",
            Self::ResponseNll => "response_nll",
            Self::TokenNll => "token_nll",
            Self::PromptedNll => "prompted_nll",
            Self::Embeddings => "embeddings",
            Self::LogitStatistics => "logit_statistics",
            Self::Scores => "scores",
            Self::ScoresAt => "scores_at",
            Self::SelectionAt => "selection_at",
            Self::Seed => "seed",
            Self::Threads => "threads",
            Self::Progress => "progress",
            Self::IsCancelled => "is_cancelled",
            Self::Log => "log",
        }
    }

    /// Makes the call with the smallest question there is, about the first sample, and lets go of the
    /// answer: to see whether it arrives.
    ///
    /// # Errors
    /// The host's.
    pub fn make(self, host: &dyn Services) -> Result<()> {
        let (model, first) = (Model::Current, &[0]);
        match self {
            Self::NumSamples => _ = host.num_samples(),
            Self::NumTargetSamples => _ = host.num_target_samples(),
            Self::Sample => _ = host.sample(0)?,
            Self::TrainingTargets => _ = host.training_targets(first)?,
            Self::TokenCounts => _ = host.token_counts(first)?,
            Self::ResponseNll => _ = host.response_nll(model, first)?,
            Self::TokenNll => _ = host.token_nll(model, first, Conditioning::Prompt)?,
            Self::PromptedNll => {
                host.prompted_nll(model, first, &[host.sample(0)?.prompt])?;
            }
            Self::Embeddings => {
                let last = Embedding { pooling: Pooling::Last, layer: -1 };
                host.embeddings(model, first, last)?;
            }
            Self::LogitStatistics => _ = host.logit_statistics(model, first)?,
            Self::Scores => _ = host.scores()?,
            Self::ScoresAt => _ = host.scores_at(0)?,
            Self::SelectionAt => _ = host.selection_at(0)?,
            Self::Seed => _ = host.seed(),
            Self::Threads => _ = host.threads(),
            Self::Progress => host.progress(0, 1),
            Self::IsCancelled => _ = host.is_cancelled(),
            Self::Log => host.log(LogLevel::Debug, "a call was tried"),
        }
        Ok(())
    }
}

/// Hears of every call that a plugin makes to the host.
pub trait Tap: Sync {
    /// Has the host answer a call. May do something before and after, and must do `work`.
    fn pass<T>(&self, call: Call, work: impl FnOnce() -> T) -> T;
}

impl<T: Tap> Tap for &T {
    fn pass<A>(&self, call: Call, work: impl FnOnce() -> A) -> A {
        (**self).pass(call, work)
    }
}

/// Services as they are, with a tap that hears of every call.
///
/// ```
/// use iterit_sdk::{Call, ComplexityScorer, Host, Result, SampleId, Tap, Tapped};
/// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
///
/// /// How often a model was asked for losses.
/// #[derive(Default)]
/// struct Questions(AtomicU64);
///
/// impl Tap for Questions {
///     fn pass<T>(&self, call: Call, work: impl FnOnce() -> T) -> T {
///         self.0.fetch_add(u64::from(call == Call::ResponseNll), Relaxed);
///         work()
///     }
/// }
///
/// fn questions(scorer: &dyn ComplexityScorer, host: &Host<'_>, ids: &[SampleId]) -> Result<u64> {
///     let questions = Questions::default();
///     let tapped = Tapped::new(host.services(), &questions);
///     scorer.score(&Host::new(&tapped), ids)?;
///     Ok(questions.0.into_inner())
/// }
/// ```
pub struct Tapped<'a, T> {
    services: &'a dyn Services,
    tap: T,
}

impl<'a, T: Tap> Tapped<'a, T> {
    /// Puts a tap before services.
    pub fn new(services: &'a dyn Services, tap: T) -> Self {
        Self { services, tap }
    }

    fn pass<A>(&self, call: Call, ask: impl FnOnce(&dyn Services) -> A) -> A {
        self.tap.pass(call, || ask(self.services))
    }
}

#[deny(clippy::missing_trait_methods)]
impl<T: Tap> Services for Tapped<'_, T> {
    fn num_samples(&self) -> u64 {
        self.pass(Call::NumSamples, |host| host.num_samples())
    }

    fn num_target_samples(&self) -> u64 {
        self.pass(Call::NumTargetSamples, |host| host.num_target_samples())
    }

    fn sample(&self, id: SampleId) -> Result<Sample> {
        self.pass(Call::Sample, |host| host.sample(id))
    }

    fn training_targets(&self, ids: &[SampleId]) -> Result<Vec<String>> {
        self.pass(Call::TrainingTargets, |host| host.training_targets(ids))
    }

    fn token_counts(&self, ids: &[SampleId]) -> Result<Vec<TokenCounts>> {
        self.pass(Call::TokenCounts, |host| host.token_counts(ids))
    }

    fn response_nll(&self, model: Model, ids: &[SampleId]) -> Result<Vec<ResponseNll>> {
        self.pass(Call::ResponseNll, |host| host.response_nll(model, ids))
    }

    fn token_nll(&self, model: Model, ids: &[SampleId], given: Conditioning) -> Result<Ragged> {
        self.pass(Call::TokenNll, |host| host.token_nll(model, ids, given))
    }

    fn prompted_nll(
        &self,
        model: Model,
        ids: &[SampleId],
        prompts: &[Vec<Turn>],
    ) -> Result<Vec<Nll>> {
        self.pass(Call::PromptedNll, |host| host.prompted_nll(model, ids, prompts))
    }

    fn embeddings(&self, model: Model, ids: &[SampleId], embedding: Embedding) -> Result<Matrix> {
        self.pass(Call::Embeddings, |host| host.embeddings(model, ids, embedding))
    }

    fn logit_statistics(&self, model: Model, ids: &[SampleId]) -> Result<Vec<LogitStatistics>> {
        self.pass(Call::LogitStatistics, |host| host.logit_statistics(model, ids))
    }

    fn scores(&self) -> Result<Vec<ScoreRow>> {
        self.pass(Call::Scores, |host| host.scores())
    }

    fn scores_at(&self, epoch: u32) -> Result<Vec<ScoreRow>> {
        self.pass(Call::ScoresAt, |host| host.scores_at(epoch))
    }

    fn selection_at(&self, epoch: u32) -> Result<Option<Vec<SampleId>>> {
        self.pass(Call::SelectionAt, |host| host.selection_at(epoch))
    }

    fn seed(&self) -> u64 {
        self.pass(Call::Seed, |host| host.seed())
    }

    fn threads(&self) -> usize {
        self.pass(Call::Threads, |host| host.threads())
    }

    fn progress(&self, done: u64, total: u64) {
        self.pass(Call::Progress, |host| host.progress(done, total));
    }

    fn is_cancelled(&self) -> bool {
        self.pass(Call::IsCancelled, |host| host.is_cancelled())
    }

    fn log(&self, level: LogLevel, message: &str) {
        self.pass(Call::Log, |host| host.log(level, message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The methods of the one trait of this name in a file.
    fn methods<'a>(file: &'a str, name: &str) -> Vec<&'a str> {
        let (_, body) = file.split_once(&format!("pub trait {name}: ")).expect("the trait");
        let (body, _) = body.split_once("\n}").expect("its end");
        let declared = body.lines().filter_map(|line| line.trim_start().strip_prefix("fn "));
        declared.filter_map(|line| line.split(['(', '<']).next()).collect()
    }

    #[test]
    fn there_is_a_call_for_every_service_here_and_over_the_boundary() {
        let calls = Call::ALL.map(Call::name);
        assert_eq!(methods(include_str!("services.rs"), "Services"), calls);
        assert_eq!(methods(include_str!("../abi/src/host.rs"), "HostAbi"), calls);
    }
}
