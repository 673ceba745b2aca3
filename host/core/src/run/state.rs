//! All that a resume needs besides weights, in one place: where the run stands, what was scored and
//! chosen, and what the plugins remember.

use super::lender::History;
use crate::record::{Evaluation, LossLine, Seconds, Selection};
use crate::score_table::ScoreTable;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// `state.json` of a checkpoint.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RunState {
    /// The epoch to train next, or in the midst of.
    pub epoch: u32,
    /// Optimizer steps done.
    pub step: u64,
    /// Tokens trained on so far.
    #[serde(default)]
    pub tokens: u64,
    /// Scores so far.
    pub table: ScoreTable,
    /// Selections so far, by epoch; the last is the current epoch's where one is in progress.
    pub selections: Vec<Selection>,
    /// What the held-out samples have said so far.
    #[serde(default)]
    pub evaluations: Vec<Evaluation>,
    /// The epoch being trained, where it has begun.
    pub in_progress: Option<EpochInProgress>,
    /// The plugins' own states, by name: bytes of any number, so each goes into a file of its own.
    #[serde(default, skip_serializing)]
    pub plugin_states: Vec<(String, Vec<u8>)>,
}

/// The running sums of an epoch that has been chosen and not yet closed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct EpochInProgress {
    /// Optimizer steps done in this epoch.
    pub steps: u64,
    /// Samples scored for it.
    pub rescored: u64,
    /// Candidates that could have been picked.
    pub eligible: u64,
    /// Mean of the finite scores made for it.
    pub mean_score: Option<f64>,
    /// Sum over steps of the minimised loss.
    pub loss_sum: f64,
    /// What was trained on so far, in order.
    pub losses: Vec<LossLine>,
    /// Tokens trained on.
    pub tokens: u64,
    /// Tokens read to choose.
    #[serde(default)]
    pub forward_tokens: u64,
    /// Where the time went.
    pub seconds: Seconds,
}

impl RunState {
    /// What plugins may know of it.
    pub(super) fn history(&self) -> History<'_> {
        History { table: &self.table, selections: &self.selections }
    }

    /// Refuses a checkpoint that belongs to other data.
    pub fn check(&self, checkpoint: &Path, num_samples: u64) -> Result<()> {
        for selection in &self.selections {
            selection.check(num_samples).map_err(|error| {
                Error::file(
                    checkpoint,
                    format!("{error}\nhint: resume with the data the run was begun with"),
                )
            })?;
        }
        Ok(())
    }
}
