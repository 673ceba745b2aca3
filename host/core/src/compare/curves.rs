//! An arm's course over its runs: the mean of its seeds, and the band between them. Time is counted
//! in epochs, so that an arm that trains on all the data and one that trains on a few per cent of it
//! fit into one chart.

use super::result::ArmResult;
use crate::statistics::summary::mean;
use serde::{Deserialize, Serialize};

/// Points of a training curve, at most: each the mean of enough steps to show a course.
const MOST_POINTS: usize = 60;

/// The seeds of an arm at one place.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Band {
    /// Epochs done.
    pub epochs: f64,
    /// The mean over seeds.
    pub mean: f64,
    /// The lowest seed.
    pub low: f64,
    /// The highest seed.
    pub high: f64,
}

/// What an arm's losses did.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Curves {
    /// Training loss, each point the mean of some neighbouring steps.
    pub training: Vec<Band>,
    /// After each epoch, the mean over held-out samples of their losses.
    pub held_out: Vec<Band>,
}

/// The curves of one arm's runs.
pub(super) fn curves(results: &[&ArmResult]) -> Curves {
    Curves { training: training(results), held_out: held_out(results) }
}

/// To the longest seed: where some have ended, the others go on alone.
fn training(results: &[&ArmResult]) -> Vec<Band> {
    let steps = results.iter().map(|result| result.record.steps.len()).max().unwrap_or(0);
    let epochs = results.iter().map(|result| result.record.epochs.len()).max().unwrap_or(0);
    let width = steps.div_ceil(MOST_POINTS).max(1);
    (0..steps)
        .step_by(width)
        .filter_map(|first| {
            let last = (first + width).min(steps);
            let of_seed = |result: &&ArmResult| {
                let there = result.record.steps.len();
                let part = &result.record.steps[first.min(there)..last.min(there)];
                let losses: Vec<f64> = part.iter().map(|step| step.loss).collect();
                (!losses.is_empty()).then(|| mean(&losses))
            };
            let done = (first + last) as f64 / 2.0 / steps as f64;
            band(done * epochs as f64, results.iter().filter_map(of_seed).collect())
        })
        .collect()
}

fn held_out(results: &[&ArmResult]) -> Vec<Band> {
    let epochs = results.iter().map(|result| result.held_out_by_epoch.len()).max().unwrap_or(0);
    (0..epochs)
        .filter_map(|epoch| {
            let of_seed = |result: &&ArmResult| result.held_out_by_epoch.get(epoch).copied();
            band(epoch as f64 + 1.0, results.iter().filter_map(of_seed).collect())
        })
        .collect()
}

fn band(epochs: f64, values: Vec<f64>) -> Option<Band> {
    (!values.is_empty()).then(|| Band {
        epochs,
        mean: mean(&values),
        low: values.iter().copied().fold(f64::INFINITY, f64::min),
        high: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
    })
}
