//! One arm over its seeds: its losses, its spread and its cost.

use super::curves::{Curves, curves};
use super::group::Group;
use super::result::ArmResult;
use crate::record::RunRecord;
use crate::statistics::reading::Reading;
use crate::statistics::summary::{mean, standard_deviation, variance};
use serde::{Deserialize, Serialize};

/// One arm over its seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArmSummary {
    /// Its name.
    pub name: String,
    /// Its runs.
    pub seeds: Vec<SeedSummary>,
    /// The mean held-out loss over seeds, nats a token, by the design's measure.
    pub held_out_loss: f64,
    /// Its standard deviation over seeds; none with one.
    pub seed_deviation: Option<f64>,
    /// The standard deviation over seeds of one held-out sample's loss, by the mean over samples of
    /// the variance; none with one seed.
    pub sample_deviation: Option<f64>,
    /// What a run cost on average.
    pub cost: Cost,
    /// Samples picked at least once by a run, on average.
    pub distinct_picks: f64,
    /// What its losses did.
    pub curves: Curves,
}

/// One run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SeedSummary {
    /// Its seed.
    pub seed: u64,
    /// Its held-out loss by the design's measure.
    pub held_out_loss: f64,
}

/// What a run cost.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Cost {
    /// Seconds of scoring, those included that another run spared this one.
    pub scoring_seconds: f64,
    /// Seconds of picking.
    pub picking_seconds: f64,
    /// Seconds of training.
    pub training_seconds: f64,
    /// Samples scored, each time counted.
    pub samples_scored: f64,
    /// Tokens that went through the model forward to choose, those included that another run spared
    /// this one. A token forward costs about a third of one trained on.
    pub tokens_scored: f64,
    /// Samples trained on, each time counted.
    pub samples_trained: f64,
    /// Tokens trained on.
    pub tokens_trained: f64,
}

impl Cost {
    /// What was scored and trained on, in tokens trained on: a token forward is a third of one.
    pub fn training_tokens(&self) -> f64 {
        self.tokens_trained + self.tokens_scored / 3.0
    }
}

impl ArmResult {
    /// What this run cost.
    pub fn cost(&self) -> Cost {
        cost(&[self])
    }
}

/// An arm's figures over its runs.
pub(super) fn summary(arm: &Group<'_>, measure: &Reading) -> ArmSummary {
    let (means, runs) = (arm.seed_means(measure), &arm.runs);
    let count = runs.len() as f64;
    let distinct: usize = runs.iter().map(|run| ever_picked(&run.record)).sum();
    ArmSummary {
        name: arm.name.to_owned(),
        seeds: runs
            .iter()
            .zip(&means)
            .map(|(run, &held_out_loss)| SeedSummary { seed: run.seed, held_out_loss })
            .collect(),
        held_out_loss: mean(&means),
        seed_deviation: (runs.len() > 1).then(|| standard_deviation(&means)),
        sample_deviation: (runs.len() > 1).then(|| sample_deviation(&arm.losses())),
        cost: cost(runs),
        distinct_picks: distinct as f64 / count,
        curves: curves(runs),
    }
}

fn sample_deviation(losses: &[&[f64]]) -> f64 {
    let of_sample = |at: usize| variance(&losses.iter().map(|run| run[at]).collect::<Vec<f64>>());
    mean(&(0..losses[0].len()).map(of_sample).collect::<Vec<f64>>()).sqrt()
}

fn ever_picked(record: &RunRecord) -> usize {
    let mut ids: Vec<_> = record.selections.iter().flat_map(|s| s.selected.iter()).collect();
    ids.sort_unstable();
    ids.dedup();
    ids.len()
}

fn cost(runs: &[&ArmResult]) -> Cost {
    let mut cost = Cost::default();
    for run in runs {
        cost.scoring_seconds += run.judged.spared_seconds;
        cost.tokens_scored += run.judged.spared_tokens as f64;
    }
    for epoch in runs.iter().flat_map(|run| &run.record.epochs) {
        cost.scoring_seconds += epoch.seconds.scoring;
        cost.picking_seconds += epoch.seconds.picking;
        cost.training_seconds += epoch.seconds.training;
        cost.samples_scored += epoch.rescored as f64;
        cost.tokens_scored += epoch.forward_tokens as f64;
        cost.samples_trained += epoch.picked as f64;
        cost.tokens_trained += epoch.tokens as f64;
    }
    let count = runs.len() as f64;
    Cost {
        scoring_seconds: cost.scoring_seconds / count,
        picking_seconds: cost.picking_seconds / count,
        training_seconds: cost.training_seconds / count,
        samples_scored: cost.samples_scored / count,
        tokens_scored: cost.tokens_scored / count,
        samples_trained: cost.samples_trained / count,
        tokens_trained: cost.tokens_trained / count,
    }
}
