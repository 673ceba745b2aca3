//! One row of instruction data, as the host read it.

use serde::{Deserialize, Serialize};

/// A sample's position in the input. Samples are never reordered, so it names one for ever.
///
/// Ids from [`Services::num_samples`](crate::Services::num_samples) on belong to the target samples:
/// they can be read and scored, and are never trained on.
pub type SampleId = u64;

/// Who speaks in a [`Turn`].
///
/// ```
/// use iterit_sdk::{Role, Turn};
/// assert_eq!(Turn::new(Role::User, "How are you?").role.name(), "user");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Role {
    /// Instructions that stand before the conversation.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// One that a later version knows, by its name.
    #[serde(untagged)]
    Other(String),
}

impl Role {
    /// The name, as in chat templates.
    pub fn name(&self) -> &str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Other(name) => name,
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_of_a_later_version_survives() {
        for (role, name) in [
            (Role::System, "system"),
            (Role::Assistant, "assistant"),
            (Role::Other("tool".into()), "tool"),
        ] {
            let json = serde_json::to_string(&role).unwrap();
            assert_eq!((json.as_str(), role.name()), (format!("{name:?}").as_str(), name));
            assert_eq!(serde_json::from_str::<Role>(&json).unwrap(), role);
        }
        assert!(serde_json::from_str::<Role>("7").is_err());
    }
}
