//! One figure of a pair, however it is read off the held-out samples, under the one rule: it is
//! found where p, the larger of the one over samples and the one over samples and seeds, stays below
//! the level after Holm's correction over all pairs.

use super::design::Design;
use crate::statistics::Interval;
use crate::statistics::multiplicity::holm;
use crate::statistics::student::Student;
use serde::{Deserialize, Serialize};

/// A difference, arm − baseline, in nats.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The difference.
    pub difference: f64,
    /// The same as a share of the baseline's loss; none for a slope.
    pub relative: Option<f64>,
    /// Its interval over held-out samples, seeds averaged: about these models.
    pub interval: Interval,
    /// What counts seeds too: about the strategies. None where an arm has one seed.
    pub across_seeds: Option<AcrossSeeds>,
    /// p over held-out samples.
    pub p: f64,
    /// The same after Holm's correction over all pairs.
    pub p_samples_holm: f64,
    /// The larger of p over samples and p over samples and seeds, after Holm's correction over all
    /// pairs. Where an arm has one seed only the first is known.
    pub p_holm: f64,
    /// What was found.
    pub evidence: Evidence,
}

/// A difference between strategies.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AcrossSeeds {
    /// √ of the variance over samples and seeds.
    pub standard_error: f64,
    /// Welch and Satterthwaite's.
    pub degrees_of_freedom: f64,
    /// Student's interval around the difference, by itself.
    pub interval: Interval,
    /// The same, wide enough to hold for all pairs at once (Bonferroni).
    pub simultaneous: Interval,
    /// Two-sided p of the same t.
    pub p: f64,
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// The arm is better, over held-out samples and over seeds.
    Better,
    /// The arm is worse, over held-out samples and over seeds.
    Worse,
    /// These models differ, but so do the seeds of one arm among themselves.
    SeedsDiffer,
    /// These models differ; with one seed nobody can tell the strategy from its luck.
    OneSeed,
    /// Not even these models can be told apart.
    #[default]
    None,
}

/// An estimate before the family is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Raw {
    /// The baseline's own reading, where a share of it means something.
    pub(super) of_baseline: Option<f64>,
    pub(super) over_samples: Student,
    pub(super) p: f64,
    pub(super) across_seeds: Option<Student>,
}

impl Evidence {
    /// Whether it settles which strategy is better.
    pub fn is_found(self) -> bool {
        matches!(self, Self::Better | Self::Worse)
    }
}

/// Judges one figure of all pairs together: `raw` is the family.
pub(super) fn family(raw: &[Raw], design: &Design) -> Vec<Estimate> {
    let with_seeds = raw.iter().filter(|raw| raw.across_seeds.is_some()).count();
    let over_samples: Vec<f64> = raw.iter().map(|raw| raw.p).collect();
    let of_both = |raw: &Raw| raw.across_seeds.map_or(raw.p, |across| raw.p.max(across.p_value()));
    let both: Vec<f64> = raw.iter().map(of_both).collect();
    let corrected = holm(&over_samples).into_iter().zip(holm(&both));
    raw.iter()
        .zip(corrected)
        .map(|(raw, (p_samples_holm, p_holm))| {
            let difference = raw.over_samples.value;
            let mut estimate = Estimate {
                difference,
                relative: raw.of_baseline.map(|loss| difference / loss),
                interval: raw.over_samples.interval(design.confidence),
                across_seeds: raw.across_seeds.map(|it| across(it, design, with_seeds)),
                p: raw.p,
                p_samples_holm,
                p_holm,
                evidence: Evidence::None,
            };
            estimate.evidence = evidence(&estimate, design);
            estimate
        })
        .collect()
}

fn across(student: Student, design: &Design, family: usize) -> AcrossSeeds {
    AcrossSeeds {
        standard_error: student.standard_error,
        degrees_of_freedom: student.degrees_of_freedom,
        interval: student.interval(design.confidence),
        simultaneous: student.interval(1.0 - design.alpha() / family as f64),
        p: student.p_value(),
    }
}

/// The rule.
fn evidence(estimate: &Estimate, design: &Design) -> Evidence {
    let level = design.alpha() + 1e-12;
    match estimate.across_seeds {
        _ if estimate.p_samples_holm > level => Evidence::None,
        None => Evidence::OneSeed,
        Some(_) if estimate.p_holm > level => Evidence::SeedsDiffer,
        Some(_) if estimate.difference < 0.0 => Evidence::Better,
        Some(_) => Evidence::Worse,
    }
}
