//! `[data]`: what is read, and how it becomes text.

use crate::dataset::{DataFormat, EvalSplit, FieldNames, Purpose, ReadOptions};
use crate::span::{PromptText, TextRules, Turns};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The section `[data]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct DataConfig {
    /// The files to train on; sample ids run through them in this order.
    pub path: Vec<PathBuf>,
    /// What a row looks like.
    pub format: DataFormat,
    /// Rows that may be bad before reading fails.
    pub skip_bad: usize,
    /// What becomes of a text beyond the window.
    pub too_long: TooLong,
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
    /// Which samples that are.
    pub eval_split: EvalSplit,
    /// The share of the samples that the seed draws to choose from; all where unset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool: Option<f64>,
    /// By a layout's field, what the files call it.
    pub fields: BTreeMap<String, String>,
    /// By source, how many of its rows are read: up to 1 a share, above 1 a count.
    pub sources: BTreeMap<String, f64>,
}

/// What becomes of a sample whose training text is longer than the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TooLong {
    /// It is cut on the right.
    #[default]
    Cut,
    /// It is left out.
    Drop,
}

impl DataConfig {
    /// How files are read for a purpose; only those to train on are limited by source.
    pub fn read_options(&self, purpose: Purpose) -> ReadOptions {
        let is_training = purpose == Purpose::Training;
        ReadOptions {
            format: self.format,
            purpose,
            fields: FieldNames::new(self.fields.clone()),
            skip_bad: self.skip_bad,
            sources: if is_training { self.sources.clone() } else { BTreeMap::new() },
        }
    }
}
