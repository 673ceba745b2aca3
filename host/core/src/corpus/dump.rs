//! A sample's texts and tokens as one JSON object, so that anyone can hold them beside their own.

use super::Corpus;
use crate::learner::Sequence;
use crate::span::Text;
use crate::{Result, SampleId};
use serde_json::{Value, json};

/// `{"id", "rendered", "training", "conditional", "unconditional", "frame"}`: the template's whole
/// conversation, and each text with its tokens and the ranges of them that are scored, after the
/// cut. Where turns have texts of their own, and for every lone turn, there is a list of such texts.
///
/// # Errors
/// A corpus without a tokenizer; a template that refuses the conversation.
pub fn dump(corpus: &Corpus, id: SampleId) -> Result<Value> {
    let encoder = corpus.tokenized()?;
    let conversation = corpus.conversation(id);
    let (texts, encoded) = (encoder.texts(conversation)?, corpus.encoded(id));
    let alone = texts.unconditional.iter().zip(&encoded.unconditional);
    Ok(json!({
        "id": id,
        "rendered": encoder.rendered(conversation)?,
        "training": told(&texts.training, &encoded.training),
        "conditional": told(&texts.conditional, &encoded.conditional),
        "unconditional": alone.map(|(texts, sequences)| told(texts, sequences)).next(),
        "frame": encoded.findings.frame,
    }))
}

/// One text as an object, several as a list of them.
fn told(texts: &[Text], sequences: &[Sequence]) -> Value {
    let one = |(text, sequence): (&Text, &Sequence)| {
        let scored: Vec<[usize; 2]> =
            sequence.scored.ranges().iter().map(|range| [range.start, range.end]).collect();
        json!({"text": text.text, "ids": sequence.tokens, "scored": scored})
    };
    let mut all: Vec<Value> = texts.iter().zip(sequences).map(one).collect();
    if all.len() == 1 { all.remove(0) } else { Value::Array(all) }
}
