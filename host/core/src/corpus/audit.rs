//! What a careful person would want to know of texts before a training: what the model cannot read,
//! what is there twice, what ends before its end.

use super::Corpus;
use crate::{Error, Result};
use iterit_sdk::SampleId;
use serde::Serialize;
use std::collections::HashSet;

/// Texts that are allowed and seldom meant. Target samples are not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct TextAudit {
    /// Responses that spell a special token, which becomes that token in their midst.
    pub special_in_response: usize,
    /// Training texts that do not begin with bos, where the tokenizer names one.
    pub without_bos: usize,
    /// Samples whose training tokens an earlier sample has too.
    pub duplicates: usize,
}

impl TextAudit {
    /// Looks at every sample; a corpus without a tokenizer has nothing to look at.
    pub fn new(corpus: &Corpus) -> Self {
        let Some(encoder) = corpus.encoder() else { return Self::default() };
        let special = encoder.tokenizer().special();
        let texts: Vec<&str> = special.texts().map(|(_, text)| text).collect();
        let bos = special.bos.as_ref().and_then(|bos| bos.id);
        let mut seen = HashSet::new();
        let mut audit = Self::default();
        for id in 0..corpus.num_samples() {
            let training = &corpus.encoded(id).training;
            let response = corpus.training_target(id);
            // The end that training adds is one of them, and stands where it belongs.
            let response = response.strip_suffix(encoder.target_end()).unwrap_or(&response);
            audit.special_in_response +=
                usize::from(texts.iter().any(|text| response.contains(text)));
            audit.without_bos += usize::from(bos.is_some_and(|bos| {
                training.iter().any(|sequence| sequence.tokens.first() != Some(&bos))
            }));
            let tokens: Vec<&[u32]> = training.iter().map(|it| &it.tokens[..]).collect();
            audit.duplicates += usize::from(!seen.insert(tokens));
        }
        audit
    }
}

impl Corpus {
    /// Makes sure that a model whose embedding has this many rows can read every text.
    ///
    /// # Errors
    /// The first sample with a token beyond them.
    pub fn check_vocabulary(&self, rows: usize) -> Result<()> {
        let num_all = self.num_samples() + self.num_target_samples();
        for id in 0..num_all {
            let sample = self.encoded(id);
            let alone = sample.unconditional.iter().flatten();
            let all = sample.conditional.iter().chain(alone).chain(&sample.training);
            if let Some(token) = all.flat_map(|it| &it.tokens).find(|it| **it as usize >= rows) {
                return Err(self.beyond(id, *token, rows));
            }
        }
        Ok(())
    }

    fn beyond(&self, id: SampleId, token: u32, rows: usize) -> Error {
        let text = self.encoder().and_then(|it| it.tokenizer().decode(&[token]).ok());
        let text = text.map(|text| format!(" (`{text}`)")).unwrap_or_default();
        Error::Text(format!(
            "sample {id} has token id {token}{text}, but the model knows ids below {rows}: its \
             embedding has no row for it\nhint: --set model.added_tokens=grow adds rows, or take the \
             tokenizer that the model was trained with"
        ))
    }
}
