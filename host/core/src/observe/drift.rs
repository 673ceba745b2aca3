//! How the scores move as the model learns. A sample is *hard* at an epoch when it is among the
//! `budget` eligible ones with the highest scores: those a pick by score alone would take.

use super::history::History;
use crate::SampleId;
use crate::statistics::correlation::{kendall_tau_b, spearman};
use crate::statistics::summary::mean;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// One epoch against the one before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// The later epoch.
    pub epoch: u32,
    /// Samples scored anew that had a score before.
    pub rescored: u64,
    /// Their mean score before and now.
    pub mean_before: Option<f64>,
    /// See [`mean_before`](Self::mean_before).
    pub mean_now: Option<f64>,
    /// Spearman's ρ of their scores then and now.
    pub spearman: Option<f64>,
    /// Kendall's τ_b of the same.
    pub kendall: Option<f64>,
    /// Samples that were eligible and are not any more.
    pub left: u64,
    /// Samples that are hard now.
    pub hard: u64,
    /// Hard now, not at the epoch before.
    pub newly_hard: Vec<SampleId>,
    /// Hard at the epoch before, not now.
    pub no_longer_hard: Vec<SampleId>,
}

/// Every epoch from the second on that scored anything, against the one before it.
pub fn drifts(history: &History, budget: u64) -> Vec<Drift> {
    (1..history.epochs())
        .filter(|&epoch| history.fresh(epoch).next().is_some())
        .map(|epoch| drift(history, epoch, budget))
        .collect()
}

fn drift(history: &History, epoch: usize, budget: u64) -> Drift {
    let mut before = Vec::new();
    let mut now = Vec::new();
    let mut left = 0;
    for (id, cell) in history.fresh(epoch) {
        let Some(earlier) = history.cell(epoch - 1, id) else { continue };
        if earlier.score.is_finite() {
            before.push(earlier.score);
            now.push(cell.score);
            left += u64::from(earlier.eligible && !cell.eligible);
        }
    }
    let hard_before = hard(history, epoch - 1, budget);
    let hard_now = hard(history, epoch, budget);
    let only = |a: &[SampleId], b: &[SampleId]| {
        let b: HashSet<SampleId> = b.iter().copied().collect();
        a.iter().copied().filter(|id| !b.contains(id)).collect::<Vec<_>>()
    };
    let some_mean = |values: &[f64]| (!values.is_empty()).then(|| mean(values));
    Drift {
        epoch: epoch as u32,
        rescored: now.len() as u64,
        mean_before: some_mean(&before),
        mean_now: some_mean(&now),
        spearman: spearman(&before, &now),
        kendall: kendall_tau_b(&before, &now),
        left,
        hard: hard_now.len() as u64,
        newly_hard: only(&hard_now, &hard_before),
        no_longer_hard: only(&hard_before, &hard_now),
    }
}

/// The hard samples of an epoch, hardest first.
pub fn hard(history: &History, epoch: usize, budget: u64) -> Vec<SampleId> {
    let mut ranking = history.ranking(epoch);
    ranking.truncate(budget as usize);
    ranking
}
