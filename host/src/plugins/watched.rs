//! The plain traits, with every call and every use of a service told to the watchdog.

use super::watchdog::{Leaving, Left, Method, Pulse, Watchdog};
use iterit_sdk::{
    ComplexityScorer, DiversityScorer, Epoch, Host, Result, RunShape, SampleId, Score, Tapped,
    Update, UpdateStrategy,
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

#[deny(clippy::missing_trait_methods)]
impl<P: ComplexityScorer> ComplexityScorer for Watched<P> {
    fn score(&self, host: &Host<'_>, ids: &[SampleId]) -> Result<Vec<Score>> {
        let services = Tapped::new(host.services(), &*self.pulse);
        self.pulse.during(Method::Score, || self.inner.score(&Host::new(&services), ids))
    }

    fn save(&self) -> Result<Vec<u8>> {
        self.pulse.during(Method::Save, || self.inner.save())
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        self.pulse.during(Method::Restore, || self.inner.restore(state))
    }
}

#[deny(clippy::missing_trait_methods)]
impl<P: DiversityScorer> DiversityScorer for Watched<P> {
    fn begin(&mut self, host: &Host<'_>, candidates: &[SampleId]) -> Result<()> {
        let services = Tapped::new(host.services(), &*self.pulse);
        self.pulse.during(Method::Begin, || self.inner.begin(&Host::new(&services), candidates))
    }

    fn gain(&self, candidate: usize) -> Result<f64> {
        self.pulse.during(Method::Gain, || self.inner.gain(candidate))
    }

    fn gains(&self, candidates: &[u32], gains: &mut [f64]) -> Result<()> {
        self.pulse.during(Method::Gains, || self.inner.gains(candidates, gains))
    }

    fn pick(&mut self, candidate: usize) -> Result<()> {
        self.pulse.during(Method::Pick, || self.inner.pick(candidate))
    }

    fn gains_never_rise(&self) -> bool {
        self.pulse.during(Method::Gains, || self.inner.gains_never_rise())
    }

    fn save(&self) -> Result<Vec<u8>> {
        self.pulse.during(Method::Save, || self.inner.save())
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        self.pulse.during(Method::Restore, || self.inner.restore(state))
    }
}

#[deny(clippy::missing_trait_methods)]
impl<P: UpdateStrategy> UpdateStrategy for Watched<P> {
    fn budgets(&self, run: &RunShape) -> Result<Vec<u64>> {
        self.pulse.during(Method::Budgets, || self.inner.budgets(run))
    }

    fn plan(&mut self, host: &Host<'_>, epoch: &Epoch) -> Result<Update> {
        let services = Tapped::new(host.services(), &*self.pulse);
        self.pulse.during(Method::Plan, || self.inner.plan(&Host::new(&services), epoch))
    }

    fn save(&self) -> Result<Vec<u8>> {
        self.pulse.during(Method::Save, || self.inner.save())
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        self.pulse.during(Method::Restore, || self.inner.restore(state))
    }
}
