//! The comparison itself: results of arms × seeds in, figures and verdicts out.

use super::curves::{Curves, curves};
use super::design::{Design, Pairs};
use super::result::ArmResult;
use super::verdict::{Verdict, verdict};
use crate::observe::History;
use crate::observe::overlap::Matrix;
use crate::record::RunRecord;
use crate::statistics::bootstrap::{self, Bootstrap, bca_interval, jackknife_mean};
use crate::statistics::correlation::{jaccard, spearman};
use crate::statistics::effect::{
    WinTieLoss, cohens_d_z, minimum_detectable_difference, win_tie_loss,
};
use crate::statistics::length::{LengthControlled, length_controlled};
use crate::statistics::seeds::{AcrossSeeds, across_seeds};
use crate::statistics::summary::{mean, quantile, sorted_finite, standard_deviation, variance};
use crate::statistics::{Interval, multiplicity, permutation};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The probability with which the smallest detectable difference would be found.
const POWER: f64 = 0.8;
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
    /// Spearman's ρ of two arms' scores before any training.
    pub score_agreement: Matrix,
    /// What a reader must know to read it rightly.
    pub notes: Vec<String>,
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

/// One arm over its seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArmSummary {
    /// Its name.
    pub name: String,
    /// Its runs.
    pub seeds: Vec<SeedSummary>,
    /// The mean held-out loss over seeds and samples, nats a token.
    pub held_out_loss: f64,
    /// Its standard deviation over seeds; none with one.
    pub seed_deviation: Option<f64>,
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
    /// Its mean held-out loss.
    pub held_out_loss: f64,
}

/// What a run cost.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Cost {
    /// Seconds of scoring.
    pub scoring_seconds: f64,
    /// Seconds of picking.
    pub picking_seconds: f64,
    /// Seconds of training.
    pub training_seconds: f64,
    /// Samples scored, each time counted.
    pub samples_scored: f64,
    /// Samples trained on, each time counted.
    pub samples_trained: f64,
    /// Tokens trained on.
    pub tokens_trained: f64,
}

/// One arm held against another. Differences are arm − baseline, nats a token: below zero the arm
/// is better.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// The arm.
    pub arm: String,
    /// What it is held against.
    pub baseline: String,
    /// The mean over held-out samples, seeds averaged first.
    pub difference: f64,
    /// Its bias-corrected and accelerated bootstrap interval over held-out samples.
    pub interval: Interval,
    /// Its percentile bootstrap interval.
    pub percentile_interval: Interval,
    /// The interval that counts the seeds too; none where an arm has one.
    pub across_seeds: Option<AcrossSeeds>,
    /// The sign-flip permutation test's p.
    pub p: f64,
    /// The same after Holm's correction over all pairs.
    pub p_holm: f64,
    /// Cohen's d_z.
    pub effect_size: Option<f64>,
    /// Held-out samples on which the arm is better, equal, worse.
    pub win_tie_loss: WinTieLoss,
    /// The smallest true difference this design finds with a probability of 80 %.
    pub minimum_detectable: f64,
    /// The difference at the median response length.
    pub length_controlled: LengthControlled,
    /// What it says.
    pub verdict: Verdict,
}

/// Compares finished runs.
///
/// # Errors
/// Results that cannot be compared: other held-out samples, a loss that is no number, a run given
/// twice, a missing baseline, fewer than two arms.
pub fn compare(design: &Design, results: &[ArmResult]) -> Result<Comparison> {
    let arms = grouped(design, results)?;
    let tokens = &results[0].response_tokens;
    let averaged: Vec<Vec<f64>> = arms.iter().map(|(_, runs)| averaged_over_seeds(runs)).collect();
    let pairs = pairs(design, &arms, &averaged, tokens);
    let lengths = sorted_finite(tokens.iter().map(|&count| f64::from(count)));
    let summaries: Vec<ArmSummary> = arms.iter().map(|(name, runs)| summary(name, runs)).collect();
    Ok(Comparison {
        design: design.clone(),
        held_out: HeldOut {
            samples: tokens.len() as u64,
            tokens: tokens.iter().map(|&count| u64::from(count)).sum(),
            median_tokens: quantile(&lengths, 0.5),
        },
        overlap: overlap(&arms),
        score_agreement: score_agreement(&arms),
        notes: notes(&summaries),
        arms: summaries,
        pairs,
    })
}

/// An arm's name and its runs.
type Group<'a> = (&'a str, Vec<&'a ArmResult>);

fn grouped<'a>(design: &Design, results: &'a [ArmResult]) -> Result<Vec<Group<'a>>> {
    let mut arms: Vec<Group<'a>> = Vec::new();
    for result in results {
        result.check()?;
        if result.response_tokens != results[0].response_tokens {
            return Err(Error::Run(format!(
                "arm `{}`, seed {} was judged on other held-out samples than arm `{}`, seed {}",
                result.arm, result.seed, results[0].arm, results[0].seed
            )));
        }
        match arms.iter_mut().find(|(name, _)| *name == result.arm) {
            None => arms.push((&result.arm, vec![result])),
            Some((name, runs)) => {
                if runs.iter().any(|run| run.seed == result.seed) {
                    let seed = result.seed;
                    return Err(Error::Run(format!("arm `{name}` has two results of seed {seed}")));
                }
                runs.push(result);
            }
        }
    }
    if arms.len() < 2 {
        return Err(Error::Run(format!(
            "{} arms have finished, a comparison needs two",
            arms.len()
        )));
    }
    if design.pairs == Pairs::Baseline && !arms.iter().any(|(name, _)| *name == design.baseline) {
        return Err(Error::Run(format!("the baseline `{}` has no result", design.baseline)));
    }
    Ok(arms)
}

/// By held-out sample, the mean over the arm's seeds.
fn averaged_over_seeds(runs: &[&ArmResult]) -> Vec<f64> {
    let count = runs.len() as f64;
    let of_sample = |at: usize| runs.iter().map(|run| run.held_out[at]).sum::<f64>() / count;
    (0..runs[0].held_out.len()).map(of_sample).collect()
}

fn seed_means(runs: &[&ArmResult]) -> Vec<f64> {
    runs.iter().map(|run| mean(&run.held_out)).collect()
}

fn pairs(design: &Design, arms: &[Group<'_>], averaged: &[Vec<f64>], tokens: &[u32]) -> Vec<Pair> {
    let asked = asked_pairs(design, arms);
    let family = asked.len();
    let mut pairs: Vec<Pair> = asked
        .into_iter()
        .enumerate()
        .map(|(number, (arm, baseline))| {
            let differences: Vec<f64> =
                averaged[arm].iter().zip(&averaged[baseline]).map(|(a, b)| a - b).collect();
            let question = Question { design, number, family, tokens };
            pair(question, &arms[arm], &arms[baseline], &differences)
        })
        .collect();
    let p_values: Vec<f64> = pairs.iter().map(|pair| pair.p).collect();
    for (pair, p_holm) in pairs.iter_mut().zip(multiplicity::holm(&p_values)) {
        pair.p_holm = p_holm;
        pair.verdict = verdict(pair, design);
    }
    pairs
}

/// Which arms are held against which, by number.
fn asked_pairs(design: &Design, arms: &[Group<'_>]) -> Vec<(usize, usize)> {
    match design.pairs {
        Pairs::Baseline => {
            let is_baseline = |at: &usize| arms[*at].0 == design.baseline;
            let baseline = (0..arms.len()).find(is_baseline).expect("the baseline was checked");
            (0..arms.len()).filter(|at| *at != baseline).map(|at| (at, baseline)).collect()
        }
        Pairs::All => (0..arms.len()).flat_map(|b| (0..b).map(move |a| (a, b))).collect(),
    }
}

/// One of a family of questions.
#[derive(Clone, Copy)]
struct Question<'a> {
    design: &'a Design,
    number: usize,
    family: usize,
    tokens: &'a [u32],
}

fn pair(
    question: Question<'_>,
    (arm, runs): &Group<'_>,
    (baseline, baseline_runs): &Group<'_>,
    differences: &[f64],
) -> Pair {
    let design = question.design;
    let seed = design.resampling_seed.wrapping_add(question.number as u64);
    let bootstrap = Bootstrap { resamples: design.resamples, seed, confidence: design.confidence };
    let difference = mean(differences);
    let means = bootstrap::mean_distribution(differences, bootstrap);
    let across_seeds =
        across_seeds(differences, &seed_means(runs), &seed_means(baseline_runs), design.confidence);
    let over_samples = (variance(differences) / differences.len() as f64).sqrt();
    let standard_error = across_seeds.map_or(over_samples, |across| across.standard_error);
    let p = permutation::sign_flip_p_value(differences, design.resamples, seed);
    let mut pair = Pair {
        arm: (*arm).to_owned(),
        baseline: (*baseline).to_owned(),
        difference,
        interval: bca_interval(difference, &means, &jackknife_mean(differences), design.confidence),
        percentile_interval: bootstrap::percentile_interval(&means, design.confidence),
        across_seeds,
        p,
        p_holm: p,
        effect_size: cohens_d_z(differences),
        win_tie_loss: win_tie_loss(differences, design.tie),
        // Holm's first step, the strictest, is what a lone difference has to pass.
        minimum_detectable: minimum_detectable_difference(
            standard_error,
            design.alpha() / question.family as f64,
            POWER,
        ),
        length_controlled: length_controlled(differences, question.tokens, bootstrap),
        verdict: Verdict::default(),
    };
    pair.verdict = verdict(&pair, design);
    pair
}

fn summary(name: &str, runs: &[&ArmResult]) -> ArmSummary {
    let means = seed_means(runs);
    let count = runs.len() as f64;
    let distinct: usize = runs.iter().map(|run| ever_picked(&run.record)).sum();
    ArmSummary {
        name: name.to_owned(),
        seeds: runs
            .iter()
            .zip(&means)
            .map(|(run, &held_out_loss)| SeedSummary { seed: run.seed, held_out_loss })
            .collect(),
        held_out_loss: mean(&means),
        seed_deviation: (runs.len() > 1).then(|| standard_deviation(&means)),
        cost: cost(runs),
        distinct_picks: distinct as f64 / count,
        curves: curves(runs),
    }
}

fn ever_picked(record: &RunRecord) -> usize {
    let mut ids: Vec<_> = record.selections.iter().flat_map(|s| s.selected.iter()).collect();
    ids.sort_unstable();
    ids.dedup();
    ids.len()
}

fn cost(runs: &[&ArmResult]) -> Cost {
    let mut cost = Cost::default();
    for epoch in runs.iter().flat_map(|run| &run.record.epochs) {
        cost.scoring_seconds += epoch.seconds.scoring;
        cost.picking_seconds += epoch.seconds.picking;
        cost.training_seconds += epoch.seconds.training;
        cost.samples_scored += epoch.rescored as f64;
        cost.samples_trained += epoch.picked as f64;
        cost.tokens_trained += epoch.tokens as f64;
    }
    let count = runs.len() as f64;
    Cost {
        scoring_seconds: cost.scoring_seconds / count,
        picking_seconds: cost.picking_seconds / count,
        training_seconds: cost.training_seconds / count,
        samples_scored: cost.samples_scored / count,
        samples_trained: cost.samples_trained / count,
        tokens_trained: cost.tokens_trained / count,
    }
}

fn overlap(arms: &[Group<'_>]) -> Matrix {
    let of_pair = |a: usize, b: usize| {
        let mut found = Vec::new();
        for first in &arms[a].1 {
            for second in &arms[b].1 {
                // Two arms are compared seed by seed, an arm with itself over different seeds.
                if (a == b) != (first.seed == second.seed) {
                    let epochs = first.record.selections.iter().zip(&second.record.selections);
                    found.extend(epochs.filter_map(|(x, y)| jaccard(&x.selected, &y.selected)));
                }
            }
        }
        (!found.is_empty()).then(|| mean(&found))
    };
    (0..arms.len()).map(|a| (0..arms.len()).map(|b| of_pair(a, b)).collect()).collect()
}

fn score_agreement(arms: &[Group<'_>]) -> Matrix {
    let first_scores: Vec<Vec<f64>> = arms
        .iter()
        .map(|(_, runs)| {
            let history = History::new(&runs[0].record);
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

fn notes(arms: &[ArmSummary]) -> Vec<String> {
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
    let samples = |arm: &ArmSummary| arm.cost.samples_trained;
    let tokens = |arm: &ArmSummary| arm.cost.tokens_trained;
    for (what, spent) in [("samples", samples as fn(&ArmSummary) -> f64), ("tokens", tokens)] {
        let by_cost = |a: &&ArmSummary, b: &&ArmSummary| spent(a).total_cmp(&spent(b));
        let (least, most) = (arms.iter().min_by(by_cost), arms.iter().max_by(by_cost));
        if let (Some(least), Some(most)) = (least, most)
            && spent(most) > spent(least) * (1.0 + UNEQUAL)
        {
            notes.push(format!(
                "The arms did not train on equally many {what}: {} had {:.2} times those of {}.",
                most.name,
                spent(most) / spent(least),
                least.name
            ));
        }
    }
    notes
}
