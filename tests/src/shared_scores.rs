//! The runs of a comparison share a scorer's answer only where it holds for all of them.

use iterit_core::compare::{CachedScorer, ScoreCache, ScoreCacheKey};
use iterit_sdk::testkit::FakeHost;
use iterit_sdk::{ComplexityScorer, Host, Model, Result, SampleId, Score, Services};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// What a scorer asks the host for.
type Asks = fn(&Host<'_>, &[SampleId]) -> Result<()>;

/// Asks what it is told to ask, and counts how often it is asked itself.
struct Asking {
    asks: Asks,
    state: Vec<u8>,
    asked: Arc<AtomicUsize>,
}

impl ComplexityScorer for Asking {
    fn score(&self, host: &Host<'_>, ids: &[SampleId]) -> Result<Vec<Score>> {
        self.asked.fetch_add(1, Relaxed);
        (self.asks)(host, ids)?;
        Ok(ids.iter().map(|&id| Score::eligible(id as f64 / 3.0)).collect())
    }

    fn save(&self) -> Result<Vec<u8>> {
        Ok(self.state.clone())
    }
}

#[test]
fn only_what_holds_for_all_runs_is_asked_once() {
    let host = FakeHost::new(8);
    let check = |asks: Asks, state: &[u8], expected| {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(times_asked(folder.path(), asks, state, &host), expected);
    };
    let ask_model: Asks = |host, ids| host.response_nll(Model::Current, ids).map(drop);
    let look_at_the_seed: Asks = |host, ids| {
        host.seed();
        host.response_nll(Model::Current, ids).map(drop)
    };
    let look_at_the_past: Asks = |host, ids| {
        host.scores()?;
        host.response_nll(Model::Current, ids).map(drop)
    };
    check(ask_model, &[], 1);
    check(|_, _| Ok(()), &[], 3);
    check(ask_model, &[1], 3);
    check(look_at_the_seed, &[], 3);
    check(look_at_the_past, &[], 3);
}

/// How often three runs ask the scorer itself; all get the same answer.
#[track_caller]
fn times_asked(folder: &Path, asks: Asks, state: &[u8], host: &dyn Services) -> usize {
    let (cache, asked) = (Arc::new(ScoreCache::new(folder)), Arc::<AtomicUsize>::default());
    let key = ScoreCacheKey {
        model: BTreeMap::new(),
        data: Vec::new(),
        template: String::new(),
        scorer: "asking".into(),
        options: Value::Null,
        config: Value::Null,
        iterit: String::new(),
        ids: String::new(),
    };
    let answers: Vec<Vec<Score>> = (0..3)
        .map(|_| {
            let scorer = Asking { asks, state: state.to_vec(), asked: Arc::clone(&asked) };
            let cached = CachedScorer::new(
                Box::new(scorer),
                Arc::clone(&cache),
                key.clone(),
                Arc::default(),
            );
            cached.score(&Host::new(host), &[2, 0, 5]).expect("scores")
        })
        .collect();
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    asked.load(Relaxed)
}
