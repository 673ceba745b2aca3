//! The tests of a comparison: for every question of the design the paired differences, read in
//! several ways, each with its intervals and p, corrected over all questions.

use super::design::{Design, Measure, Pairs};
use super::estimate::{Estimate, Raw, family};
use super::group::Group;
use super::pair::{LengthControlled, Pair, Verdict};
use super::verdict::verdict;
use crate::statistics::Interval;
use crate::statistics::bootstrap::{
    self, Bootstrap, bca_interval, jackknife_weighted, percentile_interval,
};
use crate::statistics::effect::{cohens_d_z, win_tie_loss};
use crate::statistics::reading::{Reading, doublings_from_median};
use crate::statistics::seeds::{SeedSpread, across_seeds, average, seed_spread};

/// The answers to the design's questions; `tokens` are the held-out responses' lengths.
pub(super) fn pairs(design: &Design, arms: &[Group<'_>], tokens: &[u32]) -> Vec<Pair> {
    let losses: Vec<Vec<&[f64]>> = arms.iter().map(Group::losses).collect();
    let averaged: Vec<Vec<f64>> = losses.iter().map(|runs| average(runs)).collect();
    let questions: Vec<Question> = asked_pairs(design, arms)
        .into_iter()
        .map(|(arm, baseline)| {
            let both = averaged[arm].iter().zip(&averaged[baseline]);
            Question { arm, baseline, differences: both.map(|(a, b)| a - b).collect() }
        })
        .collect();
    let asked = Asked { design, losses: &losses, averaged: &averaged, questions: &questions };
    let mut by_sample = asked.estimates(&Reading::by_sample(tokens.len())).into_iter();
    let mut by_token = asked.estimates(&Reading::by_token(tokens)).into_iter();
    let mut on_length = on_length(&asked, tokens).into_iter();
    let weights: Vec<f64> = match design.measure {
        Measure::Token => tokens.iter().map(|&count| f64::from(count)).collect(),
        Measure::Sample | Measure::Accuracy | Measure::ExactMatch => vec![1.0; tokens.len()],
    };
    let mut pairs = Vec::new();
    for (number, question) in questions.iter().enumerate() {
        let (sample_weighted, token_weighted) =
            (by_sample.next().expect("one a question"), by_token.next().expect("one a question"));
        let primary = match design.measure {
            Measure::Token => token_weighted.clone(),
            Measure::Sample | Measure::Accuracy | Measure::ExactMatch => sample_weighted.clone(),
        };
        let [bca_interval, percentile_interval] =
            resampled(&primary, &question.differences, &weights, bootstrap(design, number));
        let mut pair = Pair {
            arm: arms[question.arm].name.to_owned(),
            baseline: arms[question.baseline].name.to_owned(),
            primary,
            bca_interval,
            percentile_interval,
            effect_size: cohens_d_z(&question.differences),
            win_tie_loss: win_tie_loss(&question.differences, design.tie),
            sample_weighted,
            token_weighted,
            length_controlled: on_length.next().expect("one a question"),
            verdict: Verdict::default(),
        };
        pair.verdict = verdict(&pair, design, questions.len());
        pairs.push(pair);
    }
    pairs
}

/// Which arms are held against which, by number.
fn asked_pairs(design: &Design, arms: &[Group<'_>]) -> Vec<(usize, usize)> {
    match design.pairs {
        Pairs::Baseline => {
            let is_baseline = |at: &usize| arms[*at].name == design.baseline;
            let baseline = (0..arms.len()).find(is_baseline).expect("the baseline was checked");
            let mut pairs: Vec<(usize, usize)> =
                (0..arms.len()).filter(|at| *at != baseline).map(|at| (at, baseline)).collect();
            // Whoever picks once sees fewer samples than a new draw every epoch shows, so what
            // picks once is held against what draws once too.
            let drawn_once = (0..arms.len()).find(|&at| arms[at].uses("static-random"));
            if let Some(once) = drawn_once.filter(|&once| once != baseline) {
                let picks_once = |&at: &usize| arms[at].uses("static") && at != baseline;
                pairs.extend((0..arms.len()).filter(picks_once).map(|at| (at, once)));
            }
            // Whoever scores with the model is held against what trains for as much instead.
            for equal in (0..arms.len()).filter(|&at| at != baseline) {
                let is_dear = |&at: &usize| arms[equal].costs_as(&arms[at]) && at != baseline;
                pairs.extend((0..arms.len()).filter(is_dear).map(|at| (at, equal)));
            }
            pairs
        }
        Pairs::All => (0..arms.len()).flat_map(|b| (0..b).map(move |a| (a, b))).collect(),
    }
}

/// One of a family of questions.
struct Question {
    arm: usize,
    baseline: usize,
    /// By held-out sample, seeds averaged.
    differences: Vec<f64>,
}

/// The family, and the losses it is answered from, by arm and seed.
struct Asked<'a> {
    design: &'a Design,
    losses: &'a [Vec<&'a [f64]>],
    averaged: &'a [Vec<f64>],
    questions: &'a [Question],
}

impl Asked<'_> {
    /// What one reading says of every question.
    fn estimates(&self, reading: &Reading) -> Vec<Estimate> {
        self.estimates_beside(reading, true)
    }

    fn estimates_beside(&self, reading: &Reading, is_a_loss: bool) -> Vec<Estimate> {
        let spreads: Vec<Option<SeedSpread>> =
            self.losses.iter().map(|runs| seed_spread(reading, runs)).collect();
        let raw = |(number, question): (usize, &Question)| {
            let differences = &question.differences;
            let source = reading.source(differences);
            let spread = spreads[question.arm].zip(spreads[question.baseline]);
            let seed = bootstrap(self.design, number).seed;
            Raw {
                of_baseline: is_a_loss.then(|| reading.of(&self.averaged[question.baseline])),
                over_samples: reading.over_samples(differences),
                p: reading.p_over_samples(differences, self.design.resamples, seed),
                across_seeds: spread.map(|(arm, baseline)| {
                    across_seeds(reading.of(differences), source, arm, baseline)
                }),
            }
        };
        let raw: Vec<Raw> = self.questions.iter().enumerate().map(raw).collect();
        family(&raw, self.design)
    }
}

/// The line of every question.
fn on_length(asked: &Asked<'_>, tokens: &[u32]) -> Vec<Option<LengthControlled>> {
    let readings = Reading::at_median_length(tokens).zip(Reading::per_doubling(tokens));
    let Some((height, slope)) = readings else {
        return vec![None; asked.questions.len()];
    };
    let (_, median_tokens) = doublings_from_median(tokens);
    let both = asked.estimates(&height).into_iter().zip(asked.estimates_beside(&slope, false));
    both.map(|(at_median, slope)| {
        Some(LengthControlled {
            median_tokens,
            at_median,
            per_doubling: slope.difference,
            per_doubling_interval: slope.across_seeds.map_or(slope.interval, |it| it.interval),
        })
    })
    .collect()
}

fn bootstrap(design: &Design, number: usize) -> Bootstrap {
    let seed = design.resampling_seed.wrapping_add(number as u64);
    Bootstrap { resamples: design.resamples, seed, confidence: design.confidence }
}

/// The resampled intervals over samples: bias-corrected and accelerated, and by percentiles.
fn resampled(
    estimate: &Estimate,
    differences: &[f64],
    weights: &[f64],
    bootstrap: Bootstrap,
) -> [Interval; 2] {
    let means = bootstrap::weighted_distribution(differences, weights, bootstrap);
    let jackknife = jackknife_weighted(differences, weights);
    let confidence = bootstrap.confidence;
    [
        bca_interval(estimate.difference, &means, &jackknife, confidence),
        percentile_interval(&means, confidence),
    ]
}
