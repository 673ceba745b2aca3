//! How arms are compared. Fixed before the runs, so that nobody chooses a test by its result.

use crate::statistics::reading::Reading;
use serde::{Deserialize, Serialize};

/// The questions and the strictness of their answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Design {
    /// The arm the others are held against.
    pub baseline: String,
    /// Which arms are held against each other.
    pub pairs: Pairs,
    /// What the verdicts are about.
    pub measure: Measure,
    /// How questions are answered in words; there where they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answering: Option<Answering>,
    /// The coverage of intervals, such as 0.95; tests reject below the rest.
    pub confidence: f64,
    /// Bootstrap resamples, and permutations drawn where there are too many to try all.
    pub resamples: u32,
    /// A held-out sample whose loss differs by less, in nats a token, is a tie; likewise a question,
    /// in shares of an arm's seeds.
    pub tie: f64,
    /// What resampling is seeded with.
    pub resampling_seed: u64,
}

/// Which arms are held against each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pairs {
    /// Every arm against the baseline.
    #[default]
    Baseline,
    /// Every arm against every other; Holm's correction then has more to correct.
    All,
}

/// What every difference is a mean of. Fixed beforehand: arms that pick long responses often gain
/// on long ones and lose on short ones, and whoever may choose afterwards finds what he likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Measure {
    /// Every held-out sample counts the same.
    #[default]
    Sample,
    /// Every held-out token counts the same.
    Token,
    /// Not the held-out samples but questions with choices, every question counting the same: 1 where
    /// the likeliest choice is wrong, else 0.
    Accuracy,
    /// Questions to be answered in words, every question counting the same: 1 where the answer is none
    /// of the right ones, else 0.
    #[serde(rename = "exact_match")]
    ExactMatch,
}

/// How questions are answered in words: by the likeliest token each time, since draws would add their luck to
/// the verdicts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Answering {
    /// The most tokens of an answer.
    pub max_new_tokens: usize,
    /// Texts at which an answer ends, without them.
    pub stop: Vec<String>,
    /// Upper and lower case are the same to the match.
    pub ignore_case: bool,
    /// Punctuation does not count in the match.
    pub ignore_punctuation: bool,
}

impl Default for Answering {
    fn default() -> Self {
        Self {
            max_new_tokens: 256,
            stop: Vec::new(),
            ignore_case: false,
            ignore_punctuation: false,
        }
    }
}

impl Measure {
    /// Whether questions are asked for it.
    pub fn asks_questions(self) -> bool {
        matches!(self, Self::Accuracy | Self::ExactMatch)
    }

    /// What is lower in a better arm.
    pub fn figure(self) -> &'static str {
        match self {
            Self::Sample | Self::Token => "held-out loss",
            Self::Accuracy | Self::ExactMatch => "share of wrong answers",
        }
    }

    /// The same in a word.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Sample | Self::Token => "loss",
            Self::Accuracy | Self::ExactMatch => "share",
        }
    }

    /// What it is counted in.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Sample | Self::Token => "nats a token",
            Self::Accuracy | Self::ExactMatch => "of the questions",
        }
    }

    /// The same of a difference.
    pub fn unit_of_difference(self) -> &'static str {
        match self {
            Self::Sample | Self::Token => "nats",
            Self::Accuracy | Self::ExactMatch => "of the questions",
        }
    }

    /// What the arms are judged on.
    pub fn judges(self) -> &'static str {
        match self {
            Self::Sample | Self::Token => "held-out samples",
            Self::Accuracy | Self::ExactMatch => "questions",
        }
    }
}

impl Default for Design {
    fn default() -> Self {
        Self {
            baseline: "random".into(),
            pairs: Pairs::default(),
            measure: Measure::default(),
            answering: None,
            confidence: 0.95,
            resamples: 10_000,
            tie: 0.01,
            resampling_seed: 0,
        }
    }
}

impl Design {
    /// The level of the tests.
    pub fn alpha(&self) -> f64 {
        1.0 - self.confidence
    }

    /// What the verdicts read off held-out responses of these lengths.
    pub fn reading(&self, tokens: &[u32]) -> Reading {
        match self.measure {
            Measure::Token => Reading::by_token(tokens),
            Measure::Sample | Measure::Accuracy | Measure::ExactMatch => {
                Reading::by_sample(tokens.len())
            }
        }
    }

    /// What is wrong with it, in words.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if !(self.confidence >= 0.5 && self.confidence < 1.0) {
            let found = self.confidence;
            faults.push(format!("compare.confidence: expected 0.5 to below 1, found {found}"));
        }
        if self.resamples < 100 {
            let found = self.resamples;
            faults.push(format!("compare.resamples: expected 100 or more, found {found}"));
        }
        if !(self.tie >= 0.0 && self.tie.is_finite()) {
            faults.push(format!("compare.tie: expected nats, 0 or more, found {}", self.tie));
        }
        faults
    }
}
