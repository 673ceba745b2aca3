//! A complexity scorer whose answers before any training are shared by the runs of a comparison.

use super::cache::{Kept, Said, ScoreCache, ScoreCacheKey};
use super::witness::Witness;
use iterit_sdk::{ComplexityScorer, Host, Result, SampleId, Score, Tapped, check};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// A scorer that looks into a cache while nothing is trained yet. Kept is only what must be the
/// same in every run: an answer a model worked for, without a look at the run's seed or history,
/// of a scorer without a state of its own.
pub struct CachedScorer {
    scorer: Box<dyn ComplexityScorer>,
    cache: Arc<ScoreCache>,
    key: ScoreCacheKey,
    forward_tokens: Arc<AtomicU64>,
}

impl CachedScorer {
    /// `key` is of no samples in particular; `forward_tokens` counts what the models read.
    pub fn new(
        scorer: Box<dyn ComplexityScorer>,
        cache: Arc<ScoreCache>,
        key: ScoreCacheKey,
        forward_tokens: Arc<AtomicU64>,
    ) -> Self {
        Self { scorer, cache, key, forward_tokens }
    }

    fn ask(&self, host: &Host<'_>, ids: &[SampleId]) -> Result<(Said, Kept)> {
        let (witness, clock) = (Witness::default(), Instant::now());
        let services = Tapped::new(host.services(), &witness);
        let before = self.forward_tokens.load(Ordering::Relaxed);
        let scores = self.scorer.score(&Host::new(&services), ids)?;
        check::scores(ids, &scores)?;
        let seconds = clock.elapsed().as_secs_f64();
        let tokens = self.forward_tokens.load(Ordering::Relaxed) - before;
        let holds_for_all = witness.asked_a_model()
            && !witness.asked_for_the_run()
            && self.scorer.save()?.is_empty();
        let kept = if holds_for_all { Kept::ForAll } else { Kept::ForNobody };
        Ok((Said { scores, seconds, tokens }, kept))
    }
}

#[deny(clippy::missing_trait_methods)]
impl ComplexityScorer for CachedScorer {
    fn score(&self, host: &Host<'_>, ids: &[SampleId]) -> Result<Vec<Score>> {
        // What was chosen is trained on before anything is scored again.
        if host.selection_at(0)?.is_some() {
            return self.scorer.score(host, ids);
        }
        let key = self.key.with_ids(ids);
        self.cache.get_or_ask(&key, || self.ask(host, ids)).map(|said| said.scores)
    }

    fn save(&self) -> Result<Vec<u8>> {
        self.scorer.save()
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        self.scorer.restore(state)
    }
}
