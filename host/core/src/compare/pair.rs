//! One arm held against another: the figures, and what they say.

use super::estimate::{Estimate, Evidence};
use crate::statistics::Interval;
use crate::statistics::effect::WinTieLoss;
use serde::{Deserialize, Serialize};

/// One arm held against another. Differences are arm − baseline, nats a token: below zero the arm
/// is better.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// The arm.
    pub arm: String,
    /// What it is held against.
    pub baseline: String,
    /// The figure that the design fixed beforehand, seeds averaged first.
    #[serde(flatten)]
    pub primary: Estimate,
    /// Its bias-corrected and accelerated bootstrap interval over samples, for who would rather have
    /// that than Student's; with few samples it is somewhat narrow.
    pub bca_interval: Interval,
    /// Its percentile bootstrap interval over samples, likewise.
    pub percentile_interval: Interval,
    /// Cohen's d_z.
    pub effect_size: Option<f64>,
    /// Held-out samples on which the arm is better, equal, worse.
    pub win_tie_loss: WinTieLoss,
    /// The difference where every sample counts the same.
    pub sample_weighted: Estimate,
    /// The difference where every token counts the same.
    pub token_weighted: Estimate,
    /// The difference with length held at the median; none where there is no line to read it from.
    pub length_controlled: Option<LengthControlled>,
    /// What it says.
    pub verdict: Verdict,
}

/// A line of the differences on the logarithm of the length.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LengthControlled {
    /// The median length, tokens.
    pub median_tokens: f64,
    /// The difference at that length.
    #[serde(flatten)]
    pub at_median: Estimate,
    /// What a doubling of the length adds to the difference.
    pub per_doubling: f64,
    /// The interval of that, over seeds too where both arms have two or more.
    pub per_doubling_interval: Interval,
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
