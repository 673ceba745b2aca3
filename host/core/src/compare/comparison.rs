//! The comparison itself: results of arms × seeds in, figures and verdicts out.

use super::arm_summary::{ArmSummary, summary};
use super::circumstances::Circumstances;
use super::design::{Design, Measure};
use super::estimate::Evidence;
use super::group::{Group, grouped};
use super::pair::Pair;
use super::paired::pairs;
use super::result::ArmResult;
use crate::Result;
use crate::observe::History;
use crate::observe::overlap::Matrix;
use crate::record::Selection;
use crate::statistics::correlation::{jaccard, spearman};
use crate::statistics::summary::{mean, quantile, sorted_finite};
use serde::{Deserialize, Serialize};

/// Arms that trained on so much more than another, as a share, did not have equal budgets.
const UNEQUAL: f64 = 0.05;

/// Everything a report of a comparison says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The questions, as they were fixed before.
    pub design: Design,
    /// What the arms were judged on.
    pub held_out: HeldOut,
    /// The arms, in the order of the results.
    pub arms: Vec<ArmSummary>,
    /// The answers.
    pub pairs: Vec<Pair>,
    /// Jaccard's index of two arms' picks, averaged over epochs and equal seeds; on the diagonal
    /// over an arm's own different seeds.
    pub overlap: Matrix,
    /// What it would be if both had picked at random as many as they did.
    pub overlap_by_chance: Matrix,
    /// Spearman's ρ of two arms' scores before any training.
    pub score_agreement: Matrix,
    /// What a reader must know to read it rightly.
    pub notes: Vec<String>,
    /// What it was made under, where that is known.
    pub circumstances: Option<Circumstances>,
}

/// The held-out samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeldOut {
    /// How many.
    pub samples: u64,
    /// Tokens of their responses.
    pub tokens: u64,
    /// The median of those.
    pub median_tokens: f64,
}

/// Compares finished runs.
///
/// # Errors
/// Results that cannot be compared: other held-out samples, a loss that is no number, a run given
/// twice, a missing baseline, fewer than two arms.
pub fn compare(design: &Design, results: &[ArmResult]) -> Result<Comparison> {
    let arms = grouped(design, results)?;
    let tokens = &results[0].judged.response_tokens;
    let lengths = sorted_finite(tokens.iter().map(|&count| f64::from(count)));
    let pairs = pairs(design, &arms, tokens);
    let measure = design.reading(tokens);
    let summaries: Vec<ArmSummary> = arms.iter().map(|arm| summary(arm, &measure)).collect();
    Ok(Comparison {
        design: design.clone(),
        held_out: HeldOut {
            samples: tokens.len() as u64,
            tokens: tokens.iter().map(|&count| u64::from(count)).sum(),
            median_tokens: quantile(&lengths, 0.5),
        },
        overlap: overlap(&arms, |x, y| jaccard(&x.picks.selected, &y.picks.selected)),
        overlap_by_chance: overlap(&arms, by_chance),
        score_agreement: score_agreement(&arms),
        notes: notes(design, &summaries, &pairs),
        pairs,
        arms: summaries,
        circumstances: None,
    })
}

/// What one run picked for one epoch.
struct Picked<'a> {
    seed: u64,
    /// How many it could pick from, and how many there are in all.
    pool: u64,
    all: u64,
    picks: &'a Selection,
}

/// A figure of two arms' picks, averaged over epochs and seeds.
fn overlap(arms: &[Group<'_>], figure: impl Fn(&Picked<'_>, &Picked<'_>) -> Option<f64>) -> Matrix {
    let of_pair = |a: usize, b: usize| {
        let mut found = Vec::new();
        for first in &arms[a].runs {
            for second in &arms[b].runs {
                // Two arms are compared seed by seed, an arm with itself over different seeds.
                if (a == b) != (first.seed == second.seed) {
                    let epochs = first.record.selections.iter().zip(&second.record.selections);
                    let both = epochs.map(|(x, y)| (picked(first, x), picked(second, y)));
                    found.extend(both.filter_map(|(x, y)| figure(&x, &y)));
                }
            }
        }
        (!found.is_empty()).then(|| mean(&found))
    };
    (0..arms.len()).map(|a| (0..arms.len()).map(|b| of_pair(a, b)).collect()).collect()
}

fn picked<'a>(run: &'a ArmResult, picks: &'a Selection) -> Picked<'a> {
    Picked { seed: run.seed, pool: run.pool, all: run.record.manifest.num_samples, picks }
}

/// J of two random picks of k and l samples: they share k l / n of the n that both could pick from
/// where these are the same, as with equal seeds they are, and of all samples where each seed drew
/// its own.
fn by_chance(x: &Picked<'_>, y: &Picked<'_>) -> Option<f64> {
    let there = if x.seed == y.seed { x.pool } else { x.all };
    let (k, l) = (x.picks.selected.len() as f64, y.picks.selected.len() as f64);
    let shared = k * l / there as f64;
    (there > 0 && k + l > 0.0).then(|| shared / (k + l - shared))
}

fn score_agreement(arms: &[Group<'_>]) -> Matrix {
    let first_scores: Vec<Vec<f64>> = arms
        .iter()
        .map(|arm| {
            let history = History::new(&arm.runs[0].record);
            history.table(0).iter().map(|cell| cell.map_or(f64::NAN, |cell| cell.score)).collect()
        })
        .collect();
    let of_pair = |a: &[f64], b: &[f64]| {
        let both = a.iter().zip(b).filter(|(x, y)| x.is_finite() && y.is_finite());
        let (x, y): (Vec<f64>, Vec<f64>) = both.map(|(x, y)| (*x, *y)).unzip();
        spearman(&x, &y)
    };
    first_scores.iter().map(|a| first_scores.iter().map(|b| of_pair(a, b)).collect()).collect()
}

fn notes(design: &Design, arms: &[ArmSummary], pairs: &[Pair]) -> Vec<String> {
    let mut notes = Vec::new();
    let single: Vec<&str> =
        arms.iter().filter(|arm| arm.seeds.len() == 1).map(|arm| arm.name.as_str()).collect();
    if !single.is_empty() {
        notes.push(format!(
            "One seed only: {}. Its spread between seeds is unknown, so nothing can be said about \
             it as a strategy.",
            single.join("; ")
        ));
    }
    notes.extend(pairs.iter().filter_map(|pair| other_reading(design, pair)));
    let Some(baseline) = arms.iter().find(|arm| arm.name == design.baseline).or(arms.first())
    else {
        return notes;
    };
    let samples = |arm: &ArmSummary| arm.cost.samples_trained;
    let tokens = |arm: &ArmSummary| arm.cost.tokens_trained;
    for (what, spent) in [("samples", samples as fn(&ArmSummary) -> f64), ("tokens", tokens)] {
        let times = |arm: &ArmSummary| spent(arm) / spent(baseline);
        let unequal: Vec<String> = arms
            .iter()
            .filter(|arm| (times(arm) - 1.0).abs() > UNEQUAL)
            .map(|arm| format!("{} {:.2} times as many", arm.name, times(arm)))
            .collect();
        if !unequal.is_empty() {
            notes.push(format!(
                "The arms did not train on equally many {what}. Beside {}: {}.",
                baseline.name,
                unequal.join("; ")
            ));
        }
    }
    notes
}

/// Where the other way to count says something else under the same rule. It was not the one fixed
/// beforehand, so it is a remark and no verdict.
fn other_reading(design: &Design, pair: &Pair) -> Option<String> {
    let (other, counted) = match design.measure {
        Measure::Sample => {
            (&pair.token_weighted, "every token counts the same instead of every sample")
        }
        Measure::Token => {
            (&pair.sample_weighted, "every sample counts the same instead of every token")
        }
        Measure::Accuracy | Measure::ExactMatch => return None,
    };
    if other.evidence == pair.primary.evidence
        || !(other.evidence.is_found() || pair.primary.evidence.is_found())
    {
        return None;
    }
    let said = match other.evidence {
        Evidence::Better => "is found better than",
        Evidence::Worse => "is found worse than",
        _ => "is not found to differ from",
    };
    Some(format!(
        "Where {counted}, {} {said} {} ({:+.4} nats, p {:.3} after Holm’s correction): on long \
         responses the difference is another than on short ones. The verdict goes by what was fixed \
         beforehand.",
        pair.arm, pair.baseline, other.difference, other.p_holm
    ))
}
