//! What one run of one arm leaves for the comparison.

use super::cache::Scoring;
use crate::record::{HeldOutLine, RunRecord};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// One finished run, judged on the held-out samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArmResult {
    /// The arm's name.
    pub arm: String,
    /// The run's seed.
    pub seed: u64,
    /// The arm that its arm may cost as much as.
    pub costs_as: Option<String>,
    /// How it was judged.
    pub judged: Judged,
    /// After each epoch, the mean over the held-out samples of the same losses.
    pub held_out_by_epoch: Vec<f64>,
    /// How many samples it could choose from.
    pub pool: u64,
    /// What the run did; ids are positions among all samples, also where the pool was a part.
    pub record: RunRecord,
}

/// How a finished run was judged: `result.json` in its folder.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Judged {
    /// By held-out sample, the mean loss of its response's tokens, nats; where questions are asked, by
    /// question, 1 where the answer is wrong, else 0.
    pub held_out: Vec<f64>,
    /// By held-out sample, its response's tokens; 1 for a question.
    pub response_tokens: Vec<u32>,
    /// Seconds of scoring that this run was spared because another run of the comparison had asked
    /// the same; they belong to what it costs alone.
    pub spared_seconds: f64,
    /// Tokens forward that it was spared so.
    #[serde(default)]
    pub spared_tokens: u64,
}

impl Judged {
    /// Judges by what the held-out samples said after the last epoch; those whose response is cut
    /// off say nothing, in no arm.
    pub fn new(lines: &[HeldOutLine], spared: Scoring) -> Self {
        let said = || lines.iter().filter(|line| line.tokens > 0);
        Self {
            held_out: said().map(HeldOutLine::mean).collect(),
            response_tokens: said().map(|line| line.tokens).collect(),
            spared_seconds: spared.seconds,
            spared_tokens: spared.tokens,
        }
    }

    /// Judges by which questions were answered rightly.
    pub fn by_answers(right: impl IntoIterator<Item = bool>, spared: Scoring) -> Self {
        let held_out: Vec<f64> = right.into_iter().map(|it| f64::from(!it)).collect();
        Self {
            response_tokens: vec![1; held_out.len()],
            held_out,
            spared_seconds: spared.seconds,
            spared_tokens: spared.tokens,
        }
    }

    /// Refuses figures that cannot be compared, in words.
    pub(super) fn check(&self) -> Result<(), String> {
        let (losses, lengths) = (self.held_out.len(), self.response_tokens.len());
        if losses < 2 {
            return Err(format!(
                "{losses} held-out samples, expected two or more\n\
                 hint: set data.eval_path or data.eval_fraction"
            ));
        }
        if losses != lengths {
            return Err(format!("{losses} held-out losses but {lengths} lengths"));
        }
        match self.held_out.iter().position(|loss| !loss.is_finite()) {
            Some(at) => Err(format!("the loss of held-out sample {at} is not a number")),
            None => Ok(()),
        }
    }
}

impl ArmResult {
    /// Refuses figures that cannot be compared.
    pub fn check(&self) -> Result<()> {
        let named = |what| Error::Run(format!("arm `{}`, seed {}: {what}", self.arm, self.seed));
        self.judged.check().map_err(named)
    }
}
