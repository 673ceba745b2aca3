//! The rules by which a sample becomes text.

use serde::{Deserialize, Serialize};

/// `data.texts` and `model.proxy_texts`: by which rules texts and spans are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TextRules {
    /// One text a sample: the same response tokens are asked with the prompt, asked alone, and
    /// trained on.
    #[default]
    Template,
    /// As the published IterIT program: training is the generation prompt and the response as
    /// written, spans begin at as many tokens as their prefix has, and a lone response is had only
    /// where the template allows it.
    Published,
    /// Without a chat template, as the published Superfiltering program: the response behind what is
    /// asked, each text on lines of its own; and the response by itself.
    Raw,
}

/// `data.prompt`: which rendering the prompt is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PromptText {
    /// The answered conversation.
    Conversation,
    /// The conversation that waits for an answer.
    Generation,
}

/// What stands around a response alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FrameKind {
    /// What the template puts there.
    Template,
    /// The header of the sample's own turn, since the template refuses a lone one.
    Header,
}

/// What a response ends with in training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TargetEnd {
    /// The eos text, as IterIT trains.
    #[default]
    Eos,
    /// What the chat template puts behind a response.
    EndOfTurn,
}
