//! One row of instruction data, as the host read it.

use serde::{Deserialize, Serialize};

/// A sample's position in the input. Samples are never reordered, so it names one for ever.
///
/// Ids from [`Services::num_samples`](crate::Services::num_samples) on belong to the target samples:
/// they can be read and scored, and are never trained on.
pub type SampleId = u64;

/// Who speaks in a [`Turn`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions that stand before the conversation.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// Who speaks.
    pub role: Role,
    /// What is said, exactly as in the data.
    pub content: String,
}

/// One row of instruction data: what is asked, and the response to learn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Position in the input.
    pub id: SampleId,
    /// The conversation up to the response.
    pub prompt: Vec<Turn>,
    /// The response, untrimmed.
    pub response: String,
    /// The row's other fields, as they stood in the data.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub metadata: serde_json::Map<String, serde_json::Value>,
}

impl Turn {
    /// A turn of a given role.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self { role, content: content.into() }
    }
}
