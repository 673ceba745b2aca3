//! `[model]`: which model, and how it is held.

use crate::span::TextRules;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The section `[model]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct ModelConfig {
    /// A Hugging Face model folder.
    pub path: Option<PathBuf>,
    /// What weights and arithmetic are held in.
    pub dtype: Dtype,
    /// Where it runs.
    pub device: DeviceChoice,
    /// Texts are cut on the right at this many tokens; unset: the model's own limit.
    pub max_length: Option<usize>,
    /// What becomes of tokens that the model has no row for.
    pub added_tokens: AddedTokens,
    /// In how few bits frozen weights are kept beside an adapter; unset: as `dtype` computes.
    pub base: Option<FewBits>,
    /// The folder of an adapter to begin with, in PEFT's layout.
    pub adapter: Option<PathBuf>,
    /// A second, fixed model that plugins may ask.
    pub proxy: Option<PathBuf>,
    /// By which rules samples become its texts; unset: those of `data.texts`.
    pub proxy_texts: Option<TextRules>,
}

/// What weights and arithmetic are held in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dtype {
    /// Weights, arithmetic and optimizer in float32.
    #[default]
    Float32,
    /// Arithmetic in bfloat16 over float32 weights and optimizer.
    Bfloat16,
    /// Everything in bfloat16: half the memory; steps are rounded stochastically.
    Bfloat16Pure,
}

/// How the matrices of frozen weights are kept in fewer bits than they compute in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FewBits {
    /// 8, with a scale for each row.
    Int8,
    /// 4, quantiles of the normal distribution, with a scale for each block of 64 numbers.
    Nf4,
}

/// What becomes of tokens of the tokenizer that the model has no row for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AddedTokens {
    /// A text that has one is refused.
    #[default]
    Refuse,
    /// Embedding and head grow, each new row being the mean of the others.
    Grow,
}

/// Where a model shall run.
///
/// ```
/// use iterit_core::config::DeviceChoice;
/// assert_eq!("cuda:1".parse(), Ok(DeviceChoice::Cuda(1)));
/// assert_eq!("cuda".parse(), Ok(DeviceChoice::Cuda(0)));
/// assert!("gpu".parse::<DeviceChoice>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum DeviceChoice {
    /// The first GPU where there is one, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The GPU of this index; `cuda` alone means `cuda:0`.
    Cuda(usize),
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.strip_prefix("cuda:").map(str::parse)) {
            ("auto", _) => Ok(Self::Auto),
            ("cpu", _) => Ok(Self::Cpu),
            ("cuda", _) => Ok(Self::Cuda(0)),
            (_, Some(Ok(index))) => Ok(Self::Cuda(index)),
            _ => Err(format!("`{text}` is not a device")),
        }
    }
}

impl TryFrom<String> for DeviceChoice {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<DeviceChoice> for String {
    fn from(device: DeviceChoice) -> Self {
        device.to_string()
    }
}
