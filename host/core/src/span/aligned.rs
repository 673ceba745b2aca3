//! Tokens of one text a sample: the response's are found by the characters they hold, and the very same
//! ones stand behind the frame.

use super::texts::{Span, Text, Texts};
use super::{EncodedSample, Findings, Truncation};
use crate::Result;
use crate::learner::{Scored, Sequence};
use crate::tokenizer::{Tokenizer, Tokens};
use std::ops::Range;

/// The tokens of a sample's texts, cut at `max_length`.
pub(super) fn encode(
    texts: &Texts,
    tokenizer: &Tokenizer,
    max_length: usize,
) -> Result<EncodedSample> {
    let mut responses = Vec::new();
    let mut whole = Vec::new();
    for text in &texts.conditional {
        let tokens = tokenizer.encode_with_offsets(&text.text)?;
        for span in &text.spans {
            responses.push(Response::of(text, span, &tokens));
        }
        whole.push(tokens);
    }
    let alone = match &texts.unconditional {
        Some(texts) => Some(alone(texts, &responses, tokenizer)?),
        None => None,
    };
    for (index, response) in responses.iter_mut().enumerate() {
        let before = alone.as_ref().map(|alone: &Alone| alone.frames[index].len());
        response.align(before, max_length);
    }

    let mut truncated = Truncation::default();
    let mut shares = responses.iter();
    let mut conditional = Vec::new();
    for (text, tokens) in texts.conditional.iter().zip(&whole) {
        let scored = shares.by_ref().take(text.spans.len()).map(|it| it.scored_at(it.tokens.start));
        let scored = Scored::new(scored);
        conditional.push(cut(&tokens.ids, scored, max_length, &mut truncated.conditional));
    }
    let unconditional = alone.as_ref().map(|alone| {
        let pairs = alone.frames.iter().zip(&responses);
        pairs
            .map(|(frame, it)| it.behind(frame, max_length, &mut truncated.unconditional))
            .collect()
    });
    let (training, trained_otherwise) =
        training(texts, &whole, tokenizer, max_length, &mut truncated.training)?;
    Ok(EncodedSample {
        is_empty: texts.conditional.iter().all(Text::is_empty),
        last_response: responses.last().map_or(0, |last| last.share.len()),
        findings: Findings {
            is_encoded_otherwise_alone: alone.is_some_and(|alone| alone.is_otherwise),
            is_trained_otherwise: trained_otherwise,
            ..texts.findings
        },
        conditional,
        unconditional,
        training,
        truncated,
    })
}

/// One text, its response scored.
pub(super) fn sequence(text: &Text, tokenizer: &Tokenizer, max_length: usize) -> Result<Sequence> {
    let tokens = tokenizer.encode_with_offsets(&text.text)?;
    let mut response = Response::of(text, &text.spans[0], &tokens);
    response.align(None, max_length);
    let scored = response.scored_at(response.tokens.start).into();
    Ok(cut(&tokens.ids, scored, max_length, &mut 0))
}

/// A response's tokens in the conversation.
struct Response {
    ids: Vec<u32>,
    /// Where they stand.
    tokens: Range<usize>,
    /// What the first of them holds of the text before the response.
    held: String,
    is_empty: bool,
    /// Which of them are scored, in both texts.
    share: Range<usize>,
}

impl Response {
    fn of(text: &Text, span: &Span, tokens: &Tokens) -> Self {
        let range = tokens.holding(&span.bytes);
        let begins = tokens.offsets.get(range.start).map_or(span.bytes.start, |it| it.start);
        Self {
            ids: tokens.ids[range.clone()].to_vec(),
            held: text.text[begins.min(span.bytes.start)..span.bytes.start].to_owned(),
            share: 0..0,
            tokens: range,
            is_empty: span.is_empty,
        }
    }

    /// Both means run over the same leading tokens, as many as survive in both texts; `before` is how
    /// many tokens stand before the response alone. Nothing predicts the first token of a text; where a
    /// response begins there, it counts in neither.
    fn align(&mut self, before: Option<usize>, max_length: usize) {
        let starts = [Some(self.tokens.start), before].into_iter().flatten();
        let surviving = |start: usize| max_length.saturating_sub(start).min(self.ids.len());
        let count = starts.clone().map(surviving).min().unwrap_or(0);
        let count = if self.is_empty { 0 } else { count };
        let skipped = usize::from(starts.clone().any(|start| start == 0)).min(count);
        self.share = skipped..count;
    }

    fn scored_at(&self, start: usize) -> Range<usize> {
        start + self.share.start..start + self.share.end
    }

    /// The response behind its frame, ending with the last scored token.
    fn behind(&self, frame: &[u32], max_length: usize, lost: &mut usize) -> Sequence {
        *lost += (frame.len() + self.ids.len()).saturating_sub(max_length);
        let mut tokens = [frame, &self.ids[..self.share.end]].concat();
        tokens.truncate(max_length);
        Sequence { tokens, scored: self.scored_at(frame.len()).into() }
    }
}

/// The tokens of every frame, less what the first response token holds of its end.
struct Alone {
    frames: Vec<Vec<u32>>,
    /// Whether a lone text encoded anew would have other tokens.
    is_otherwise: bool,
}

fn alone(texts: &[Text], responses: &[Response], tokenizer: &Tokenizer) -> Result<Alone> {
    let mut frames = Vec::new();
    let mut is_otherwise = false;
    for (text, response) in texts.iter().zip(responses) {
        let frame = text.prefix();
        let frame =
            tokenizer.encode(frame.strip_suffix(response.held.as_str()).unwrap_or(frame))?;
        let anew = tokenizer.encode(&text.text)?;
        is_otherwise |= anew.len() != frame.len() + response.ids.len()
            || !anew.starts_with(&frame)
            || !anew.ends_with(&response.ids);
        frames.push(frame);
    }
    Ok(Alone { frames, is_otherwise })
}

/// The training texts; only the last differs from the conversation's. Says, too, whether some token of
/// its response does.
fn training(
    texts: &Texts,
    whole: &[Tokens],
    tokenizer: &Tokenizer,
    max_length: usize,
    lost: &mut usize,
) -> Result<(Vec<Sequence>, bool)> {
    let last = texts.training.len() - 1;
    let anew = tokenizer.encode_with_offsets(&texts.training[last].text)?;
    let sequences = texts.training.iter().enumerate().map(|(index, text)| {
        let tokens = if index == last { &anew } else { &whole[index] };
        let scored = text.spans.iter().map(|span| {
            let range = tokens.holding(&span.bytes);
            range.start.max(1).min(range.end)..range.end
        });
        cut(&tokens.ids, Scored::new(scored), max_length, lost)
    });
    let sequences = sequences.collect();
    let span = texts.training[last].spans.last().expect("a text has a span");
    let response = span.bytes.start..span.response_end;
    let asked = |tokens: &Tokens| tokens.ids[tokens.within(&response)].to_vec();
    Ok((sequences, asked(&anew) != asked(&whole[last])))
}

fn cut(ids: &[u32], scored: Scored, max_length: usize, lost: &mut usize) -> Sequence {
    *lost += ids.len().saturating_sub(max_length);
    let kept = ids.len().min(max_length);
    Sequence { tokens: ids[..kept].to_vec(), scored: scored.below(kept) }
}
