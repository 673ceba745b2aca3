//! `[data]`: what is read, and how it becomes text.

use crate::dataset::DataFormat;
use crate::span::{PromptText, TextRules, Turns};
use serde::Serialize;
use std::path::PathBuf;

/// The section `[data]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct DataConfig {
    /// The files to train on; sample ids run through them in this order.
    pub path: Vec<PathBuf>,
    /// What a row looks like.
    pub format: DataFormat,
    /// A built-in chat template's name or a file; unset: the model's own.
    pub template: Option<String>,
    /// By which rules samples become texts.
    pub texts: TextRules,
    /// Which turns of the assistant carry loss.
    pub turns: Turns,
    /// Which rendering the prompt is taken from; unset: the conversation's where it hides nothing.
    pub prompt: Option<PromptText>,
    /// The system text of samples whose row has none, `""` for none; unset: Alpaca's own for its rows.
    pub system: Option<String>,
    /// What ends a response in training; unset: the tokenizer's eos token.
    pub eos_text: Option<String>,
    /// Further samples that plugins can read and score, and nobody trains on.
    pub target_path: Vec<PathBuf>,
    /// Samples the model is measured by and never trained on.
    pub eval_path: Vec<PathBuf>,
    /// The share of the training data held out for that where `eval_path` is unset.
    pub eval_fraction: f64,
    /// The share of the samples that the seed draws to choose from; all where unset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool: Option<f64>,
}
