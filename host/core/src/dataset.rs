//! Files of instruction data become samples.

use serde::{Deserialize, Serialize};

/// What a row of the data looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DataFormat {
    /// Whichever of the others the first row of each file looks like.
    #[default]
    Auto,
    /// `instruction`, `input`, `output`.
    Alpaca,
    /// `messages` of `role` and `content`.
    Messages,
    /// `conversations` of `from` and `value`.
    #[serde(rename = "sharegpt")]
    ShareGpt,
    /// `prompt` and `completion` or `response`.
    PromptCompletion,
}
