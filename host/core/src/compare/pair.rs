//! One arm held against another: the figures, and what they say.

use crate::statistics::Interval;
use crate::statistics::effect::WinTieLoss;
use crate::statistics::length::LengthControlled;
use crate::statistics::seeds::AcrossSeeds;
use crate::statistics::weighted::TokenWeighted;
use serde::{Deserialize, Serialize};

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
    /// The difference where every token counts the same.
    pub token_weighted: TokenWeighted,
    /// What it says.
    pub verdict: Verdict,
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

/// The answer for one pair.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Verdict {
    /// What was found.
    pub evidence: Evidence,
    /// The same in a few words.
    pub headline: String,
    /// The same with its figures.
    pub text: String,
}
