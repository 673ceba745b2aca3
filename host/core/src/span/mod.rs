//! The three texts of a sample, their tokens, and which of these carry loss.
//!
//! * conditional: the whole conversation;
//! * unconditional: the response alone in the template, without a system turn of ours;
//! * training: the prompt as for generation, the response as it stands in the data, the target's end.
//!
//! Each text is encoded once and whole, since its parts encoded apart give other tokens; what is
//! scored begins at as many tokens as its prefix has.

mod texts;

mod encoder;

pub use encoder::{EncodedSample, Encoder, EncoderOptions, Texts, Truncation};
pub use texts::Text;

use serde::{Deserialize, Serialize};

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
