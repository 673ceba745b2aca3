//! The texts of a sample, their tokens, and which of these carry loss.
//!
//! * conditional: the whole conversation;
//! * unconditional: a response alone, behind its frame;
//! * training: the same conversation, its last response with the target's end.
//!
//! Under [`TextRules::Template`] the same response tokens are asked with the prompt, asked alone and
//! trained on; [`TextRules::Published`] are the rules of the published program, and
//! [`TextRules::Raw`] do without a template. A text is encoded whole, since its parts encoded apart
//! give other tokens.

mod rules;
mod texts;
mod end;
mod aligned;
mod counted;
mod published;
mod raw;
mod shown;
mod frame;
mod turns;
mod one_text;
mod encoder;

pub use crate::conversation::Turns;
pub use encoder::{Encoder, EncoderOptions};
pub use rules::{FrameKind, PromptText, TargetEnd, TextRules};
pub use texts::{Text, Texts};

use crate::learner::Sequence;
use serde::{Deserialize, Serialize};

/// The tokens of a sample's texts, each cut on the right at the window. There are several
/// sequences of a kind only where several turns are trained on: all turns that the whole
/// conversation shows as they were when they were last stand in the last sequence.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct EncodedSample {
    /// The conversation. Of a response are scored the first n surviving tokens, n being the lesser
    /// of those that survive here and in `unconditional`; none where it is empty.
    pub conditional: Vec<Sequence>,
    /// Each response alone, in the order in which they stand in `conditional`, scored over the same
    /// n tokens and ending with them; `None` where there is no frame.
    pub unconditional: Option<Vec<Sequence>>,
    /// The conversation with the target's end.
    pub training: Vec<Sequence>,
    /// What the window cut off.
    pub truncated: Truncation,
    /// Whether the template leaves nothing of the responses.
    pub is_empty: bool,
    /// Scored tokens of the last response, in `conditional`.
    pub last_response: usize,
    /// How the texts came about.
    pub findings: Findings,
}

/// How many tokens the window cut off each kind of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Truncation {
    /// The whole conversation.
    pub conditional: usize,
    /// The responses alone.
    pub unconditional: usize,
    /// The training text.
    pub training: usize,
}

/// How the texts of a sample came about, to be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Findings {
    /// What stands around a response alone; `None` where it has no frame.
    pub frame: Option<FrameKind>,
    /// The prompt is the generation prompt's: the conversation hides some of it.
    pub is_prompt_of_generation: bool,
    /// The response ends in the target's end already.
    pub is_end_written: bool,
    /// The conversation hides some of a response, so it is written as it stands in the row.
    pub is_hidden: bool,
    /// The lone text encoded anew would give other tokens.
    pub is_encoded_otherwise_alone: bool,
    /// Training asks other response tokens than scoring.
    pub is_trained_otherwise: bool,
    /// The template's own marks of what the assistant says begin elsewhere.
    pub is_marked_otherwise: bool,
}

impl EncodedSample {
    /// Tokens of the training texts.
    pub fn training_tokens(&self) -> usize {
        self.training.iter().map(|sequence| sequence.tokens.len()).sum()
    }

    /// Tokens that carry loss in training.
    pub fn trained_tokens(&self) -> usize {
        self.training.iter().map(|sequence| sequence.scored.len()).sum()
    }

    /// Tokens that are scored.
    pub fn scored_tokens(&self) -> usize {
        self.conditional.iter().map(|sequence| sequence.scored.len()).sum()
    }

    /// The conversation of the last response.
    ///
    /// # Panics
    /// In a sample without texts.
    pub fn last(&self) -> &Sequence {
        self.conditional.last().expect("a sample has a conversation")
    }
}
