//! All samples of a run with their tokens: what is trained on first, then the target samples.

mod audit;
mod build;
mod dump;
mod kept;
mod report;

pub use audit::TextAudit;
pub use dump::dump;
pub use kept::KeptTexts;
pub use report::{EndAudit, Lengths, TextCounts, TextReport};

use crate::conversation::{Conversation, Message, Turns};
use crate::dataset::{Drawn, Row};
use crate::learner::{Sequence, Watch};
use crate::record::TextRecord;
use crate::span::{EncodedSample, Encoder};
use crate::{Error, Result};
use iterit_sdk::{Sample, SampleId, TokenCounts, Turn};
use std::borrow::Cow;
use std::sync::Arc;

/// Samples and tokens. Ids are positions: 0 to [`num_samples`](Self::num_samples) are trained on,
/// the target samples follow.
pub struct Corpus {
    rows: Vec<Row>,
    num_samples: usize,
    drawn: Option<Drawn>,
    texts: CorpusTexts,
}

enum CorpusTexts {
    Encoded {
        encoder: Arc<Encoder>,
        encoded: Vec<EncodedSample>,
        report: Box<TextReport>,
    },
    /// Without a tokenizer there are only texts.
    Bare {
        target_end: String,
        turns: Turns,
        nothing: EncodedSample,
    },
}

impl Corpus {
    /// Encodes samples, and target samples whose ids follow theirs, on `threads` threads.
    ///
    /// # Errors
    /// Samples that the template refuses, by id; [`Error::Cancelled`].
    pub fn encode(
        mut rows: Vec<Row>,
        target_rows: Vec<Row>,
        encoder: Arc<Encoder>,
        threads: usize,
        watch: &dyn Watch,
    ) -> Result<Self> {
        let num_samples = rows.len();
        rows.extend(target_rows);
        fit(&mut rows, &encoder);
        let encoded = build::encode(&rows, &encoder, threads, watch)?;
        Ok(Self::of_fitted(rows, num_samples, encoder, encoded))
    }

    /// The same of what was encoded before, target samples last.
    ///
    /// # Panics
    /// Where there are not as many as rows.
    pub fn of_encoded(
        mut rows: Vec<Row>,
        target_rows: Vec<Row>,
        encoder: Arc<Encoder>,
        encoded: Vec<EncodedSample>,
    ) -> Self {
        let num_samples = rows.len();
        rows.extend(target_rows);
        assert_eq!(rows.len(), encoded.len(), "the tokens of every row");
        fit(&mut rows, &encoder);
        Self::of_fitted(rows, num_samples, encoder, encoded)
    }

    fn of_fitted(
        rows: Vec<Row>,
        num_samples: usize,
        encoder: Arc<Encoder>,
        encoded: Vec<EncodedSample>,
    ) -> Self {
        let report =
            Box::new(TextReport::new(&encoder, &rows[..num_samples], &encoded[..num_samples]));
        let texts = CorpusTexts::Encoded { encoder, encoded, report };
        Self { rows, num_samples, drawn: None, texts }
    }

    /// The tokens of all samples, where there are some.
    pub fn all_encoded(&self) -> Option<&[EncodedSample]> {
        match &self.texts {
            CorpusTexts::Encoded { encoded, .. } => Some(encoded),
            CorpusTexts::Bare { .. } => None,
        }
    }

    /// The corpus without samples whose training text the window cuts, and how many those were. The ids
    /// of the others close up.
    ///
    /// # Errors
    /// Where none is left to train on.
    pub fn without_cut(self) -> Result<(Self, usize)> {
        assert!(self.drawn.is_none(), "texts are left out before samples are drawn");
        let Self {
            rows, num_samples, texts: CorpusTexts::Encoded { encoder, encoded, .. }, ..
        } = self
        else {
            return Ok((self, 0));
        };
        let is_whole = |encoded: &EncodedSample| encoded.truncated.training == 0;
        let left = encoded[..num_samples].iter().filter(|it| is_whole(it)).count();
        if left == 0 {
            return Err(Error::Text(format!(
                "every training text is longer than {} tokens, so `data.too_long = \"drop\"` leaves \
                 none\nhint: raise model.max_length",
                encoder.max_length()
            )));
        }
        let num_all = encoded.len();
        let (rows, encoded): (Vec<Row>, Vec<EncodedSample>) =
            rows.into_iter().zip(encoded).filter(|(_, it)| is_whole(it)).unzip();
        let num_dropped = num_all - encoded.len();
        let report = Box::new(TextReport::new(&encoder, &rows[..left], &encoded[..left]));
        let texts = CorpusTexts::Encoded { encoder, encoded, report };
        Ok((Self { rows, num_samples: left, drawn: None, texts }, num_dropped))
    }

    /// Samples alone, for work that needs no tokens; `target_end` ends what is trained on.
    pub fn bare(
        mut rows: Vec<Row>,
        target_rows: Vec<Row>,
        target_end: String,
        turns: Turns,
    ) -> Self {
        let num_samples = rows.len();
        rows.extend(target_rows);
        // An empty sequence, rather than none, lets the model's own error say what is missing.
        let empty = || vec![Sequence::default()];
        let nothing = EncodedSample {
            conditional: empty(),
            unconditional: Some(empty()),
            training: empty(),
            ..Default::default()
        };
        let texts = CorpusTexts::Bare { target_end, turns, nothing };
        Self { rows, num_samples, drawn: None, texts }
    }

    /// The same samples, known to be what was drawn of more.
    #[must_use]
    pub fn known_as(self, drawn: Option<Drawn>) -> Self {
        Self { drawn, ..self }
    }

    /// What was drawn of these samples, and all target samples; ids begin anew.
    pub fn draw(&self, drawn: Drawn) -> Self {
        let targets = self.num_samples..self.rows.len();
        let mut rows = drawn.take(&self.rows[..self.num_samples]);
        rows.extend_from_slice(&self.rows[targets.clone()]);
        let num_samples = drawn.ids.len();
        let texts = match &self.texts {
            CorpusTexts::Encoded { encoder, encoded, .. } => {
                let mut those = drawn.take(&encoded[..self.num_samples]);
                let report = Box::new(TextReport::new(encoder, &rows[..num_samples], &those));
                those.extend_from_slice(&encoded[targets]);
                CorpusTexts::Encoded { encoder: Arc::clone(encoder), encoded: those, report }
            }
            CorpusTexts::Bare { target_end, turns, nothing } => CorpusTexts::Bare {
                target_end: target_end.clone(),
                turns: *turns,
                nothing: nothing.clone(),
            },
        };
        Self { rows, num_samples, drawn: Some(drawn), texts }
    }

    /// Which of the input's samples these are, where they are not all.
    pub fn drawn(&self) -> Option<&Drawn> {
        self.drawn.as_ref()
    }

    /// The rows of all samples, those of the target samples last.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Samples that may be trained on.
    pub fn num_samples(&self) -> u64 {
        self.num_samples as u64
    }

    /// Samples that are only read and scored.
    pub fn num_target_samples(&self) -> u64 {
        (self.rows.len() - self.num_samples) as u64
    }

    /// The samples that may be trained on, for a page: a copy of all their texts.
    pub fn samples(&self) -> Vec<Sample> {
        (0..self.num_samples()).map(|id| self.sample(id)).collect()
    }

    /// One sample as plugins see it, made of its row. Panics past the last id, as a slice does.
    pub fn sample(&self, id: SampleId) -> Sample {
        self.rows[id as usize].sample(id)
    }

    /// The tokens of one sample; empty in a corpus without a tokenizer. Panics past the last id.
    pub fn encoded(&self, id: SampleId) -> &EncodedSample {
        match &self.texts {
            CorpusTexts::Encoded { encoded, .. } => &encoded[id as usize],
            CorpusTexts::Bare { nothing, .. } => nothing,
        }
    }

    /// So many samples with the longest training texts, the longest first.
    pub fn longest_trained(&self, count: usize) -> Vec<&[Sequence]> {
        let mut ids: Vec<SampleId> = (0..self.num_samples()).collect();
        ids.sort_by_key(|&id| (std::cmp::Reverse(self.encoded(id).training_tokens()), id));
        ids.into_iter().take(count).map(|id| self.encoded(id).training.as_slice()).collect()
    }

    /// How many tokens all training texts have together.
    pub fn training_tokens(&self) -> usize {
        (0..self.num_samples()).map(|id| self.encoded(id).training_tokens()).sum()
    }

    /// The tokens of the responses alone.
    ///
    /// # Errors
    /// A response without a frame.
    pub fn unconditional(&self, id: SampleId) -> Result<&[Sequence]> {
        self.encoded(id).unconditional.as_deref().ok_or_else(|| {
            Error::Text(format!(
                "there is no text of a response alone, which this score needs: {}\nhint: choose \
                 another template with --set data.template=NAME",
                self.encoder().and_then(Encoder::refusal).unwrap_or("the template refuses it")
            ))
        })
    }

    /// What the model is trained to write, as the row has it, and the target's end.
    pub fn training_target(&self, id: SampleId) -> String {
        let end = match &self.texts {
            CorpusTexts::Encoded { encoder, .. } => encoder.target_end(),
            CorpusTexts::Bare { target_end, .. } => target_end,
        };
        let conversation = self.conversation(id);
        let trained = conversation.trained(self.turns()).into_iter();
        trained.map(|index| conversation.messages[index].target()).chain([end.to_owned()]).collect()
    }

    /// Tokens of the training text after the cut.
    ///
    /// # Errors
    /// A corpus without a tokenizer.
    pub fn token_counts(&self, id: SampleId) -> Result<TokenCounts> {
        self.tokenized()?;
        let encoded = self.encoded(id);
        let response = encoded.trained_tokens() as u32;
        Ok(TokenCounts { prompt: encoded.training_tokens() as u32 - response, response })
    }

    /// The response of one sample to another prompt than its own.
    ///
    /// # Errors
    /// A corpus without a tokenizer; a template that refuses the conversation.
    pub fn prompted(&self, id: SampleId, prompt: &[Turn]) -> Result<Sequence> {
        let encoder = self.tokenized()?;
        if self.conversation(id).prompt().iter().map(Message::turn).eq(prompt.iter().cloned()) {
            let encoded = self.encoded(id);
            let Sequence { tokens, scored } = encoded.last();
            let scored = scored.last(encoded.last_response);
            return Ok(Sequence { tokens: tokens.clone(), scored });
        }
        encoder
            .prompted(prompt, self.conversation(id))
            .map_err(|error| Error::Text(format!("sample {id} under another prompt: {error}")))
    }

    /// What became of the texts, where there are tokens.
    pub fn report(&self) -> Option<&TextReport> {
        match &self.texts {
            CorpusTexts::Encoded { report, .. } => Some(report),
            CorpusTexts::Bare { .. } => None,
        }
    }

    /// The rules by which the texts were made, where there are tokens.
    pub fn text_record(&self) -> Option<TextRecord> {
        let options = self.encoder()?.options();
        let counts = self.report()?.texts;
        Some(TextRecord {
            template_frames: counts.template_frames,
            header_frames: counts.header_frames,
            no_frames: counts.no_frames,
            ..TextRecord::new(&options.rules, &options.turns, options.prompt.as_ref())
        })
    }

    /// What made the tokens, where there are some.
    pub fn encoder(&self) -> Option<&Encoder> {
        match &self.texts {
            CorpusTexts::Encoded { encoder, .. } => Some(encoder),
            CorpusTexts::Bare { .. } => None,
        }
    }

    fn turns(&self) -> Turns {
        match &self.texts {
            CorpusTexts::Encoded { encoder, .. } => encoder.options().turns,
            CorpusTexts::Bare { turns, .. } => *turns,
        }
    }

    fn conversation(&self, id: SampleId) -> &Conversation {
        &self.rows[id as usize].conversation
    }

    fn tokenized(&self) -> Result<&Encoder> {
        self.encoder().ok_or_else(|| {
            Error::Text("this needs a tokenizer\nhint: give a model with --model FOLDER".into())
        })
    }
}

/// Leaves of every conversation what the template can show.
fn fit(rows: &mut [Row], encoder: &Encoder) {
    for row in rows {
        if let Cow::Owned(fitted) = encoder.fitted(&row.conversation) {
            row.conversation = fitted;
        }
    }
}
