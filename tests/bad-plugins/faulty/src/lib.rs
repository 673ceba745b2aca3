//! A plugin of each kind that fails on demand: the environment's `FAULT` says where and how, as
//! `panic in score` or `NaN in gain`. Without it all three are well-behaved.

use iterit_sdk::{
    Action, ComplexityScorer, DiversityScorer, Epoch, Host, NoOptions, Plugin, Result, RunShape,
    SampleId, Score, Service, Update, UpdateStrategy,
};
use std::{env, process, ptr, thread, time::Duration};

fn demanded(fault: &str) -> bool {
    env::var("FAULT").is_ok_and(|demanded| demanded == fault)
}

/// Fails in a way that any code can.
fn fail_in(place: &str) {
    if demanded(&format!("panic in {place}")) {
        panic!("on purpose");
    }
    if demanded(&format!("abort in {place}")) {
        process::abort();
    }
    if demanded(&format!("exit in {place}")) {
        process::exit(0);
    }
    if demanded(&format!("hang in {place}")) {
        loop {
            thread::sleep(Duration::from_secs(1));
        }
    }
    if demanded(&format!("segfault in {place}")) {
        let nobodys = 64 as *mut u8;
        // SAFETY: none; this is the crash that was asked for.
        unsafe { ptr::write_volatile(nobodys, 1) };
    }
}

/// Scores a sample by its response's tokens.
struct Complexity;

impl Plugin for Complexity {
    type Options = NoOptions;

    fn new(_: NoOptions) -> Result<Self> {
        fail_in("new");
        Ok(Self)
    }
}

impl ComplexityScorer for Complexity {
    fn score(&self, host: &Host<'_>, ids: &[SampleId]) -> Result<Vec<Score>> {
        fail_in("score");
        let counts = host.token_counts(ids)?;
        let mut scores: Vec<_> =
            counts.iter().map(|count| Score::eligible(count.response.into())).collect();
        if let Some(score) = scores.last_mut() {
            if demanded("NaN in score") {
                score.value = f64::NAN;
            }
            if demanded("infinity in score") {
                score.value = f64::INFINITY;
            }
            if demanded("a negative score") {
                score.value = -1.0;
            }
        }
        if demanded("wrong length in score") {
            scores.pop();
        }
        if demanded("only NaN in score") {
            scores.fill(Score::ineligible(f64::NAN));
        }
        Ok(scores)
    }

    fn save(&self) -> Result<Vec<u8>> {
        fail_in("save");
        Ok(Vec::new())
    }
}

impl Drop for Complexity {
    fn drop(&mut self) {
        fail_in("drop");
    }
}

/// Gives every candidate the gain 1 until it is picked.
#[derive(Default)]
struct Diversity {
    picked: Vec<bool>,
}

impl Plugin for Diversity {
    type Options = NoOptions;

    fn new(_: NoOptions) -> Result<Self> {
        Ok(Self::default())
    }
}

impl DiversityScorer for Diversity {
    fn begin(&mut self, _: &Host<'_>, candidates: &[SampleId]) -> Result<()> {
        fail_in("begin");
        self.picked = vec![false; candidates.len()];
        Ok(())
    }

    fn gain(&self, candidate: usize) -> Result<f64> {
        fail_in("gain");
        if demanded("NaN in gain") {
            return Ok(f64::NAN);
        }
        if demanded("infinity in gain") {
            return Ok(f64::INFINITY);
        }
        if demanded("a negative gain") {
            return Ok(-1.0);
        }
        Ok(if self.picked[candidate] { 0.0 } else { 1.0 })
    }

    fn pick(&mut self, candidate: usize) -> Result<()> {
        fail_in("pick");
        self.picked[candidate] = true;
        Ok(())
    }
}

/// Scores everything and picks, every epoch.
struct Strategy;

impl Plugin for Strategy {
    type Options = NoOptions;

    fn new(_: NoOptions) -> Result<Self> {
        Ok(Self)
    }
}

impl UpdateStrategy for Strategy {
    fn budgets(&self, run: &RunShape) -> Result<Vec<u64>> {
        let missing = usize::from(demanded("a budget too few"));
        Ok(vec![run.budget; (run.epochs as usize).saturating_sub(missing)])
    }

    fn plan(&mut self, _: &Host<'_>, epoch: &Epoch) -> Result<Update> {
        fail_in("plan");
        let mut all: Vec<_> = (0..epoch.run.num_samples).collect();
        if demanded("a candidate twice") {
            all.push(0);
        }
        if demanded("a candidate too many") {
            all.push(epoch.run.num_samples);
        }
        let action = Action::Pick { budget: epoch.run.budget };
        Ok(Update { rescore: all.clone(), candidates: all, action })
    }
}

/// Needs what a plain run does not offer.
struct Needy;

impl Plugin for Needy {
    type Options = NoOptions;
    const SERVICES: &'static [Service] = &[Service::Proxy, Service::TargetSamples];

    fn new(_: NoOptions) -> Result<Self> {
        Ok(Self)
    }
}

impl ComplexityScorer for Needy {
    fn score(&self, _: &Host<'_>, ids: &[SampleId]) -> Result<Vec<Score>> {
        Ok(vec![Score::eligible(1.0); ids.len()])
    }
}

iterit_sdk::export_plugin! {
    complexity: { "faulty" => Complexity, "needy" => Needy },
    diversity: { "faulty-diversity" => Diversity },
    strategy: { "faulty-strategy" => Strategy },
}
