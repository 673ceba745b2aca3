//! What one run of one arm leaves for the comparison.

use crate::record::RunRecord;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// One finished run, judged on the held-out samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArmResult {
    /// The arm's name.
    pub arm: String,
    /// The run's seed.
    pub seed: u64,
    /// By held-out sample, the mean loss of its response's tokens, nats.
    pub held_out: Vec<f64>,
    /// By held-out sample, its response's tokens.
    pub response_tokens: Vec<u32>,
    /// What the run did.
    pub record: RunRecord,
}

impl ArmResult {
    /// Refuses figures that cannot be compared.
    pub fn check(&self) -> Result<()> {
        let refuse = |what: String| {
            Err(Error::Run(format!("arm `{}`, seed {}: {what}", self.arm, self.seed)))
        };
        if self.held_out.len() < 2 {
            return refuse(format!(
                "{} held-out samples, expected two or more\n\
                 hint: set data.eval_path or data.eval_fraction",
                self.held_out.len()
            ));
        }
        if self.held_out.len() != self.response_tokens.len() {
            return refuse(format!(
                "{} held-out losses but {} lengths",
                self.held_out.len(),
                self.response_tokens.len()
            ));
        }
        match self.held_out.iter().position(|loss| !loss.is_finite()) {
            Some(at) => refuse(format!("the loss of held-out sample {at} is not a number")),
            None => Ok(()),
        }
    }
}
