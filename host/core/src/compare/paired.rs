//! The tests of a comparison: for every question of the design the paired differences, their
//! intervals and p, corrected over all questions.

use super::design::{Design, Pairs};
use super::group::Group;
use super::pair::{Pair, Verdict};
use super::verdict::verdict;
use crate::statistics::bootstrap::{self, Bootstrap, bca_interval, jackknife_mean};
use crate::statistics::effect::{cohens_d_z, minimum_detectable_difference, win_tie_loss};
use crate::statistics::length::length_controlled;
use crate::statistics::seeds::across_seeds;
use crate::statistics::summary::{mean, variance};
use crate::statistics::weighted::token_weighted;
use crate::statistics::{multiplicity, permutation};

/// The probability with which the smallest detectable difference would be found.
const POWER: f64 = 0.8;

/// The answers to the design's questions; `tokens` are the held-out responses' lengths.
pub(super) fn pairs(design: &Design, arms: &[Group<'_>], tokens: &[u32]) -> Vec<Pair> {
    let averaged: Vec<Vec<f64>> = arms.iter().map(Group::averaged_over_seeds).collect();
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
            let is_baseline = |at: &usize| arms[*at].name == design.baseline;
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

/// The figures of a pair. Holm's correction needs the whole family, and the verdict that.
fn pair(
    question: Question<'_>,
    arm: &Group<'_>,
    baseline: &Group<'_>,
    differences: &[f64],
) -> Pair {
    let design = question.design;
    let seed = design.resampling_seed.wrapping_add(question.number as u64);
    let bootstrap = Bootstrap { resamples: design.resamples, seed, confidence: design.confidence };
    let difference = mean(differences);
    let means = bootstrap::mean_distribution(differences, bootstrap);
    let across_seeds =
        across_seeds(differences, &arm.seed_means(), &baseline.seed_means(), design.confidence);
    let over_samples = (variance(differences) / differences.len() as f64).sqrt();
    let standard_error = across_seeds.map_or(over_samples, |across| across.standard_error);
    let p = permutation::sign_flip_p_value(differences, design.resamples, seed);
    Pair {
        arm: arm.name.to_owned(),
        baseline: baseline.name.to_owned(),
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
        token_weighted: token_weighted(differences, question.tokens, bootstrap),
        verdict: Verdict::default(),
    }
}
