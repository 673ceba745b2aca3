//! `[output]`: where a run leaves its files.

use serde::Serialize;
use std::path::PathBuf;

/// The section `[output]`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OutputConfig {
    /// The run's folder.
    pub path: Option<PathBuf>,
    /// Steps between checkpoints, besides the one after every epoch; 0: only that one.
    pub save_every: u64,
    /// How many checkpoints are kept, the newest first.
    pub keep: usize,
    /// Whether metrics are written for TensorBoard too.
    pub tensorboard: bool,
}

impl Default for OutputConfig {
    fn default() -> Self {
        Self { path: None, save_every: 0, keep: 2, tensorboard: true }
    }
}
