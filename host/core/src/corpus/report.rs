//! What became of the texts: lengths, cuts, and rows that teach nothing. Counted, never silent.

use crate::span::{EncodedSample, Encoder};
use iterit_sdk::SampleId;
use serde::Serialize;

/// The texts of a corpus in numbers. Target samples are not counted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TextReport {
    /// How many samples.
    pub samples: usize,
    /// Tokens at which a text is cut.
    pub max_length: usize,
    /// The whole conversations.
    pub conditional: Lengths,
    /// The responses alone; `None` where the template refuses them.
    pub unconditional: Option<Lengths>,
    /// The training texts.
    pub training: Lengths,
    /// Tokens that carry loss in training.
    pub trained_tokens: u64,
    /// Samples with nothing to score since the response is empty.
    pub empty_responses: usize,
    /// Samples with nothing to score since the window ends before the response.
    pub cut_responses: usize,
    /// Samples with no token that carries loss in training.
    pub zero_loss: usize,
    /// Whether training texts end in a token that stops generation.
    pub end: EndAudit,
}

/// How long some texts are in tokens, before the cut.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Lengths {
    /// The shortest.
    pub min: usize,
    /// The middle one.
    pub median: usize,
    /// Nine in ten are no longer.
    pub p90: usize,
    /// The longest.
    pub max: usize,
    /// The mean.
    pub mean: f64,
    /// How many the window cuts.
    pub truncated: usize,
}

/// Whether the text that ends a response becomes a token at which generation stops. A tokenizer may
/// read it as one only where nothing stands before it, so whole texts are looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EndAudit {
    /// The text.
    pub text: String,
    /// `eos_token_id`, one or several.
    pub stop_ids: Vec<u32>,
    /// Training texts that the window leaves whole.
    pub checked: usize,
    /// Those of them that end in no such token.
    pub missed: usize,
    /// The first of those, and its last tokens.
    pub example: Option<(SampleId, Vec<u32>)>,
}

impl TextReport {
    pub(super) fn new(encoder: &Encoder, encoded: &[EncodedSample]) -> Self {
        let scores_nothing = |sample: &&EncodedSample| sample.conditional.scored.is_empty();
        let lengths = |length: fn(&EncodedSample) -> Option<(usize, usize)>| {
            Lengths::new(encoded.iter().filter_map(length))
        };
        let unconditional = |sample: &EncodedSample| {
            let kept = sample.unconditional.as_ref()?.tokens.len();
            Some((kept, sample.truncated.unconditional))
        };
        Self {
            samples: encoded.len(),
            max_length: encoder.max_length(),
            conditional: lengths(|s| Some((s.conditional.tokens.len(), s.truncated.conditional))),
            unconditional: encoder.refusal().is_none().then(|| lengths(unconditional)),
            training: lengths(|s| Some((s.training.tokens.len(), s.truncated.training))),
            trained_tokens: encoded.iter().map(|s| s.training.scored.len() as u64).sum(),
            empty_responses: encoded.iter().filter(|s| s.is_empty).count(),
            cut_responses: encoded.iter().filter(scores_nothing).filter(|s| !s.is_empty).count(),
            zero_loss: encoded.iter().filter(|s| s.training.scored.is_empty()).count(),
            end: EndAudit::new(encoder, encoded),
        }
    }
}

impl Lengths {
    /// From pairs of tokens kept and tokens cut off.
    fn new(texts: impl Iterator<Item = (usize, usize)>) -> Self {
        let mut truncated = 0;
        let mut lengths: Vec<usize> = texts
            .map(|(kept, cut)| {
                truncated += usize::from(cut > 0);
                kept + cut
            })
            .collect();
        if lengths.is_empty() {
            return Self::default();
        }
        lengths.sort_unstable();
        let n = lengths.len();
        Self {
            min: lengths[0],
            median: lengths[n / 2],
            p90: lengths[(n * 9).div_ceil(10) - 1],
            max: lengths[n - 1],
            mean: lengths.iter().sum::<usize>() as f64 / n as f64,
            truncated,
        }
    }
}

impl EndAudit {
    fn new(encoder: &Encoder, encoded: &[EncodedSample]) -> Self {
        let stop_ids = encoder.tokenizer().stop_ids().to_vec();
        let whole = encoded.iter().enumerate().filter(|(_, s)| s.truncated.training == 0);
        let is_missed = |sample: &EncodedSample| {
            sample.training.tokens.last().is_none_or(|last| !stop_ids.contains(last))
        };
        let missed: Vec<_> = whole.clone().filter(|(_, s)| is_missed(s)).collect();
        Self {
            text: encoder.target_end().to_owned(),
            checked: whole.count(),
            missed: missed.len(),
            example: missed.first().map(|(id, sample)| {
                let tokens = &sample.training.tokens;
                (*id as SampleId, tokens[tokens.len().saturating_sub(6)..].to_vec())
            }),
            stop_ids,
        }
    }
}
