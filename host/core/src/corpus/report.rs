//! What became of the texts: lengths, cuts, and rows that teach nothing. Counted, never silent.

use crate::dataset::Row;
use crate::learner::Sequence;
use crate::span::{EncodedSample, Encoder, Findings, FrameKind};
use crate::{Error, Result};
use iterit_sdk::SampleId;
use serde::Serialize;
use std::collections::BTreeMap;

/// The texts of a corpus in numbers. Target samples are not counted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TextReport {
    /// How many samples.
    pub samples: usize,
    /// Tokens at which a text is cut.
    pub max_length: usize,
    /// The whole conversations.
    pub conditional: Lengths,
    /// The responses alone; `None` where one of them has no frame.
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
    /// How the texts came about.
    pub texts: TextCounts,
    /// By field of a message, and `tools`: samples of which the template does not show it.
    pub unshown: BTreeMap<String, usize>,
    /// Whether training texts end in a token that stops generation.
    pub end: EndAudit,
}

/// How many samples' texts came about in which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct TextCounts {
    /// A response alone stands in what the template puts there.
    pub template_frames: usize,
    /// A response alone stands behind its own header, since the template refuses a lone turn.
    pub header_frames: usize,
    /// A response alone cannot be had.
    pub no_frames: usize,
    /// The prompt is the generation prompt's.
    pub generation_prompts: usize,
    /// The conversation hides some of a response, so it stands as written.
    pub hidden_responses: usize,
    /// The response ends in the target's end already, so none is added.
    pub written_ends: usize,
    /// A response encoded alone would have other tokens than behind its prompt.
    pub encoded_otherwise_alone: usize,
    /// Training asks other response tokens than scoring.
    pub trained_otherwise: usize,
    /// The template's own marks of what the assistant says begin elsewhere.
    pub marked_otherwise: usize,
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
    /// What the template puts behind a last response, where that holds the header of a next turn.
    pub with_header: Option<String>,
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
    /// Whether training on these texts can change anything.
    ///
    /// # Errors
    /// No sample that carries loss.
    pub fn refuse_no_op(&self) -> Result<()> {
        if self.zero_loss < self.samples {
            return Ok(());
        }
        Err(Error::Run(
            "no sample carries loss, so training would change nothing\nhint: raise model.max_length, \
             or look at the template"
                .into(),
        ))
    }

    pub(super) fn new(encoder: &Encoder, rows: &[Row], encoded: &[EncodedSample]) -> Self {
        let scores_nothing = |sample: &&EncodedSample| sample.scored_tokens() == 0;
        let lengths = |length: &dyn Fn(&EncodedSample) -> Option<(usize, usize)>| {
            Lengths::new(encoded.iter().filter_map(length))
        };
        let tokens = |sequences: &[Sequence]| sequences.iter().map(|it| it.tokens.len()).sum();
        let conditional =
            |it: &EncodedSample| Some((tokens(&it.conditional), it.truncated.conditional));
        let unconditional = |it: &EncodedSample| {
            Some((tokens(it.unconditional.as_deref()?), it.truncated.unconditional))
        };
        let training = |it: &EncodedSample| Some((it.training_tokens(), it.truncated.training));
        let count = |is: fn(&Findings) -> bool| {
            encoded.iter().filter(|sample| is(&sample.findings)).count()
        };
        Self {
            samples: encoded.len(),
            max_length: encoder.max_length(),
            conditional: lengths(&conditional),
            unconditional: (count(|it| it.frame.is_none()) == 0).then(|| lengths(&unconditional)),
            training: lengths(&training),
            trained_tokens: encoded.iter().map(|s| s.trained_tokens() as u64).sum(),
            empty_responses: encoded.iter().filter(|s| s.is_empty).count(),
            cut_responses: encoded.iter().filter(scores_nothing).filter(|s| !s.is_empty).count(),
            zero_loss: encoded.iter().filter(|s| s.trained_tokens() == 0).count(),
            unshown: unshown(encoder, rows),
            texts: TextCounts {
                template_frames: count(|it| it.frame == Some(FrameKind::Template)),
                header_frames: count(|it| it.frame == Some(FrameKind::Header)),
                no_frames: count(|it| it.frame.is_none()),
                generation_prompts: count(|it| it.is_prompt_of_generation),
                hidden_responses: count(|it| it.is_hidden),
                written_ends: count(|it| it.is_end_written),
                encoded_otherwise_alone: count(|it| it.is_encoded_otherwise_alone),
                trained_otherwise: count(|it| it.is_trained_otherwise),
                marked_otherwise: count(|it| it.is_marked_otherwise),
            },
            end: EndAudit::new(encoder, encoded),
        }
    }
}

fn unshown(encoder: &Encoder, rows: &[Row]) -> BTreeMap<String, usize> {
    let mut unshown = BTreeMap::new();
    for name in rows.iter().flat_map(|row| encoder.unshown(&row.conversation)) {
        *unshown.entry(name).or_default() += 1;
    }
    unshown
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
    fn new<'a>(encoder: &Encoder, encoded: &'a [EncodedSample]) -> Self {
        let stop_ids = encoder.tokenizer().stop_ids().to_vec();
        let last = |sample: &'a EncodedSample| -> &'a [u32] {
            sample.training.last().map_or(&[], |sequence| &sequence.tokens)
        };
        let whole = encoded.iter().enumerate().filter(|(_, s)| s.truncated.training == 0);
        let is_missed = |sample: &'a EncodedSample| {
            last(sample).last().is_none_or(|last| !stop_ids.contains(last))
        };
        let missed: Vec<_> = whole.clone().filter(|(_, s)| is_missed(s)).collect();
        Self {
            text: encoder.target_end().to_owned(),
            with_header: encoder.end_with_header(),
            checked: whole.count(),
            missed: missed.len(),
            example: missed.first().map(|(id, sample)| {
                let tokens = last(sample);
                (*id as SampleId, tokens[tokens.len().saturating_sub(6)..].to_vec())
            }),
            stop_ids,
        }
    }
}
