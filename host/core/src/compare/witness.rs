//! Watches what a scorer asks the host for, to know whether its answer holds for other runs too.

use iterit_sdk::{
    Conditioning, Embedding, LogLevel, LogitStatistics, Matrix, Model, Nll, Ragged, ResponseNll,
    Result, Sample, SampleId, ScoreRow, Services, TokenCounts, Turn,
};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Services that remember what they were asked for.
pub(super) struct Witness<'a> {
    services: &'a dyn Services,
    asked_a_model: AtomicBool,
    asked_for_the_run: AtomicBool,
}

impl<'a> Witness<'a> {
    pub(super) fn new(services: &'a dyn Services) -> Self {
        let (asked_a_model, asked_for_the_run) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { services, asked_a_model, asked_for_the_run }
    }

    /// Whether a model worked for the answer. If none did, asking again costs little, and what the
    /// answer was made from is unknown.
    pub(super) fn asked_a_model(&self) -> bool {
        self.asked_a_model.load(Relaxed)
    }

    /// Whether the answer may rest on what sets one run apart from another, its seed.
    pub(super) fn asked_for_the_run(&self) -> bool {
        self.asked_for_the_run.load(Relaxed)
    }

    fn by_a_model(&self) -> &'a dyn Services {
        self.asked_a_model.store(true, Relaxed);
        self.services
    }

    fn of_the_run(&self) -> &'a dyn Services {
        self.asked_for_the_run.store(true, Relaxed);
        self.services
    }
}

impl Services for Witness<'_> {
    fn num_samples(&self) -> u64 {
        self.services.num_samples()
    }
    fn num_target_samples(&self) -> u64 {
        self.services.num_target_samples()
    }
    fn sample(&self, id: SampleId) -> Result<Sample> {
        self.services.sample(id)
    }
    fn training_targets(&self, ids: &[SampleId]) -> Result<Vec<String>> {
        self.services.training_targets(ids)
    }
    fn token_counts(&self, ids: &[SampleId]) -> Result<Vec<TokenCounts>> {
        self.services.token_counts(ids)
    }
    fn response_nll(&self, model: Model, ids: &[SampleId]) -> Result<Vec<ResponseNll>> {
        self.by_a_model().response_nll(model, ids)
    }
    fn token_nll(&self, model: Model, ids: &[SampleId], given: Conditioning) -> Result<Ragged> {
        self.by_a_model().token_nll(model, ids, given)
    }
    fn prompted_nll(
        &self,
        model: Model,
        ids: &[SampleId],
        prompts: &[Vec<Turn>],
    ) -> Result<Vec<Nll>> {
        self.by_a_model().prompted_nll(model, ids, prompts)
    }
    fn embeddings(&self, model: Model, ids: &[SampleId], embedding: Embedding) -> Result<Matrix> {
        self.by_a_model().embeddings(model, ids, embedding)
    }
    fn logit_statistics(&self, model: Model, ids: &[SampleId]) -> Result<Vec<LogitStatistics>> {
        self.by_a_model().logit_statistics(model, ids)
    }
    fn scores(&self) -> Result<Vec<ScoreRow>> {
        self.of_the_run().scores()
    }
    fn scores_at(&self, epoch: u32) -> Result<Vec<ScoreRow>> {
        self.of_the_run().scores_at(epoch)
    }
    fn selection_at(&self, epoch: u32) -> Result<Option<Vec<SampleId>>> {
        self.of_the_run().selection_at(epoch)
    }
    fn seed(&self) -> u64 {
        self.of_the_run().seed()
    }
    fn threads(&self) -> usize {
        self.services.threads()
    }
    fn progress(&self, done: u64, total: u64) {
        self.services.progress(done, total);
    }
    fn is_cancelled(&self) -> bool {
        self.services.is_cancelled()
    }
    fn log(&self, level: LogLevel, message: &str) {
        self.services.log(level, message);
    }
}
