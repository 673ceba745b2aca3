//! `[output]`: where a run leaves its files, and who else hears of it.

use serde::{Deserialize, Serialize};
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
    /// Which weights the run leaves.
    pub model: FinalModel,
    /// Whether metrics are written for TensorBoard too.
    pub tensorboard: bool,
    /// Whether the tokens of many samples are kept beside the run, for another one.
    pub keep_texts: bool,
    /// Commands of programs that get every record as a line of JSON, see [`words`].
    pub observers: Vec<String>,
}

impl Default for OutputConfig {
    fn default() -> Self {
        Self {
            path: None,
            save_every: 0,
            keep: 2,
            model: FinalModel::Last,
            tensorboard: true,
            keep_texts: true,
            observers: Vec::new(),
        }
    }
}

/// A command's program and arguments, split as a POSIX shell splits them; no shell runs, so nothing in it
/// is expanded. None where it is empty or a quote is left open.
///
/// ```
/// use iterit_core::config::words;
/// assert_eq!(words("python 'my logger.py' -v").unwrap(), ["python", "my logger.py", "-v"]);
/// assert_eq!(words("python 'my logger.py"), None);
/// ```
pub fn words(command: &str) -> Option<Vec<String>> {
    shlex::split(command).filter(|words| !words.is_empty())
}

/// Which weights a run leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FinalModel {
    /// Those after the last step.
    #[default]
    Last,
    /// Those of the lowest held-out loss.
    Best,
}
