//! The layouts of a row, told apart by their fields.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a row of the data looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DataFormat {
    /// Whichever of the others a row looks like; rows of a file may differ.
    #[default]
    Auto,
    /// `instruction`, which may be a conversation, `input` where there is one, `output`; Dolly's
    /// `context` and `response` as well.
    Alpaca,
    /// `messages` of `role` and `content`.
    Messages,
    /// `conversations` of `from` and `value`.
    #[serde(rename = "sharegpt")]
    ShareGpt,
    /// `prompt` and `completion`, or `response`, each a text or a list of turns.
    PromptCompletion,
    /// `chosen` and `rejected`, of which the first is learnt.
    Preference,
}

impl DataFormat {
    /// The layout these fields belong to. A field that is null is none: merged data sets have a column
    /// for every field that any of them had.
    pub(super) fn detect(fields: &Map<String, Value>) -> Result<Self, String> {
        let has = |name: &str| fields.get(name).is_some_and(|value| !value.is_null());
        if has("chosen") && has("rejected") {
            Ok(Self::Preference)
        } else if has("messages") || has("conversation") {
            Ok(Self::Messages)
        } else if has("conversations") {
            Ok(Self::ShareGpt)
        } else if has("instruction") {
            Ok(Self::Alpaca)
        } else if has("prompt") && (has("completion") || has("response")) {
            Ok(Self::PromptCompletion)
        } else {
            let found: Vec<&str> = fields.keys().map(String::as_str).collect();
            Err(format!(
                "the fields are {}, expected `instruction` and `output`, `messages`, \
                 `conversations`, `prompt` and `completion`, or `chosen` and `rejected`",
                if found.is_empty() { "none".into() } else { format!("`{}`", found.join("`, `")) }
            ))
        }
    }
}
