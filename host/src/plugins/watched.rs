//! The plain traits, with every call and every use of a service told to the watchdog.

use super::watchdog::{Call, Leaving, Left, Pulse, Watchdog};
use iterit_sdk::{
    ComplexityScorer, Conditioning, DiversityScorer, Embedding, Epoch, Host, LogLevel,
    LogitStatistics, Matrix, Model, Nll, Ragged, ResponseNll, Result, RunShape, Sample, SampleId,
    Score, ScoreRow, Services, TokenCounts, Turn, Update, UpdateStrategy,
};
use std::sync::Arc;

impl Watchdog {
    /// Watches every call of a scorer.
    pub(crate) fn watch_complexity(
        self: &Arc<Self>,
        label: &str,
        scorer: impl ComplexityScorer + 'static,
    ) -> Box<dyn ComplexityScorer> {
        Box::new(Watched::new(scorer, self.pulse(label)))
    }

    /// Watches every call of a scorer.
    pub(crate) fn watch_diversity(
        self: &Arc<Self>,
        label: &str,
        scorer: impl DiversityScorer + 'static,
    ) -> Box<dyn DiversityScorer> {
        Box::new(Watched::new(scorer, self.pulse(label)))
    }

    /// Watches every call of a strategy.
    pub(crate) fn watch_strategy(
        self: &Arc<Self>,
        label: &str,
        strategy: impl UpdateStrategy + 'static,
    ) -> Box<dyn UpdateStrategy> {
        Box::new(Watched::new(strategy, self.pulse(label)))
    }
}

/// Fields are dropped in this order, so that the plugin's own `Drop` is a call like the others.
struct Watched<P> {
    _leaving: Leaving,
    inner: P,
    _left: Left,
    pulse: Arc<Pulse>,
}

impl<P> Watched<P> {
    fn new(inner: P, pulse: Arc<Pulse>) -> Self {
        Self { _leaving: Leaving(pulse.clone()), inner, _left: Left(pulse.clone()), pulse }
    }
}

impl<P: ComplexityScorer> ComplexityScorer for Watched<P> {
    fn score(&self, host: &Host<'_>, ids: &[SampleId]) -> Result<Vec<Score>> {
        let services = WatchedServices::new(host, &self.pulse);
        self.pulse.during(Call::Score, || self.inner.score(&Host::new(&services), ids))
    }

    fn save(&self) -> Result<Vec<u8>> {
        self.pulse.during(Call::Save, || self.inner.save())
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        self.pulse.during(Call::Restore, || self.inner.restore(state))
    }
}

impl<P: DiversityScorer> DiversityScorer for Watched<P> {
    fn begin(&mut self, host: &Host<'_>, candidates: &[SampleId]) -> Result<()> {
        let services = WatchedServices::new(host, &self.pulse);
        self.pulse.during(Call::Begin, || self.inner.begin(&Host::new(&services), candidates))
    }

    fn gain(&self, candidate: usize) -> Result<f64> {
        self.pulse.during(Call::Gain, || self.inner.gain(candidate))
    }

    fn gains(&self, candidates: &[u32], gains: &mut [f64]) -> Result<()> {
        self.pulse.during(Call::Gains, || self.inner.gains(candidates, gains))
    }

    fn pick(&mut self, candidate: usize) -> Result<()> {
        self.pulse.during(Call::Pick, || self.inner.pick(candidate))
    }

    fn gains_never_rise(&self) -> bool {
        self.pulse.during(Call::Gains, || self.inner.gains_never_rise())
    }

    fn save(&self) -> Result<Vec<u8>> {
        self.pulse.during(Call::Save, || self.inner.save())
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        self.pulse.during(Call::Restore, || self.inner.restore(state))
    }
}

impl<P: UpdateStrategy> UpdateStrategy for Watched<P> {
    fn budgets(&self, run: &RunShape) -> Result<Vec<u64>> {
        self.pulse.during(Call::Budgets, || self.inner.budgets(run))
    }

    fn plan(&mut self, host: &Host<'_>, epoch: &Epoch) -> Result<Update> {
        let services = WatchedServices::new(host, &self.pulse);
        self.pulse.during(Call::Plan, || self.inner.plan(&Host::new(&services), epoch))
    }

    fn save(&self) -> Result<Vec<u8>> {
        self.pulse.during(Call::Save, || self.inner.save())
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        self.pulse.during(Call::Restore, || self.inner.restore(state))
    }
}

struct WatchedServices<'a> {
    services: &'a dyn Services,
    pulse: &'a Pulse,
}

impl<'a> WatchedServices<'a> {
    fn new(host: &Host<'a>, pulse: &'a Pulse) -> Self {
        Self { services: host.services(), pulse }
    }

    fn serve<T>(&self, work: impl FnOnce(&dyn Services) -> T) -> T {
        self.pulse.serve(|| work(self.services))
    }
}

impl Services for WatchedServices<'_> {
    fn num_samples(&self) -> u64 {
        self.serve(|host| host.num_samples())
    }

    fn num_target_samples(&self) -> u64 {
        self.serve(|host| host.num_target_samples())
    }

    fn sample(&self, id: SampleId) -> Result<Sample> {
        self.serve(|host| host.sample(id))
    }

    fn training_targets(&self, ids: &[SampleId]) -> Result<Vec<String>> {
        self.serve(|host| host.training_targets(ids))
    }

    fn token_counts(&self, ids: &[SampleId]) -> Result<Vec<TokenCounts>> {
        self.serve(|host| host.token_counts(ids))
    }

    fn response_nll(&self, model: Model, ids: &[SampleId]) -> Result<Vec<ResponseNll>> {
        self.serve(|host| host.response_nll(model, ids))
    }

    fn token_nll(&self, model: Model, ids: &[SampleId], given: Conditioning) -> Result<Ragged> {
        self.serve(|host| host.token_nll(model, ids, given))
    }

    fn prompted_nll(
        &self,
        model: Model,
        ids: &[SampleId],
        prompts: &[Vec<Turn>],
    ) -> Result<Vec<Nll>> {
        self.serve(|host| host.prompted_nll(model, ids, prompts))
    }

    fn embeddings(&self, model: Model, ids: &[SampleId], wanted: Embedding) -> Result<Matrix> {
        self.serve(|host| host.embeddings(model, ids, wanted))
    }

    fn logit_statistics(&self, model: Model, ids: &[SampleId]) -> Result<Vec<LogitStatistics>> {
        self.serve(|host| host.logit_statistics(model, ids))
    }

    fn scores(&self) -> Result<Vec<ScoreRow>> {
        self.serve(|host| host.scores())
    }

    fn scores_at(&self, epoch: u32) -> Result<Vec<ScoreRow>> {
        self.serve(|host| host.scores_at(epoch))
    }

    fn selection_at(&self, epoch: u32) -> Result<Option<Vec<SampleId>>> {
        self.serve(|host| host.selection_at(epoch))
    }

    fn seed(&self) -> u64 {
        self.serve(|host| host.seed())
    }

    fn threads(&self) -> usize {
        self.serve(|host| host.threads())
    }

    fn progress(&self, done: u64, total: u64) {
        self.serve(|host| host.progress(done, total));
    }

    fn is_cancelled(&self) -> bool {
        self.serve(|host| host.is_cancelled())
    }

    fn log(&self, level: LogLevel, message: &str) {
        self.serve(|host| host.log(level, message));
    }
}
