//! Tokens of the published program's texts: what is scored begins at as many tokens as its prefix has.

use super::texts::{Text, Texts};
use super::{EncodedSample, Truncation};
use crate::Result;
use crate::learner::Sequence;
use crate::tokenizer::Tokenizer;

/// The tokens of a sample's texts, cut at `max_length`.
pub(super) fn encode(
    texts: &Texts,
    tokenizer: &Tokenizer,
    max_length: usize,
) -> Result<EncodedSample> {
    let cut = |text: &Text| cut(text, tokenizer, max_length);
    let conditional = cut(&texts.conditional[0])?;
    let unconditional = match &texts.unconditional {
        Some(texts) => Some(cut(&texts[0])?),
        None => None,
    };
    let training = cut(&texts.training[0])?;
    let encoded = assemble(conditional, unconditional, training, texts.conditional[0].is_empty());
    Ok(EncodedSample { findings: texts.findings, ..encoded })
}

/// One text, everything behind its prefix scored.
pub(super) fn sequence(text: &Text, tokenizer: &Tokenizer, max_length: usize) -> Result<Sequence> {
    let Cut { tokens, start, .. } = cut(text, tokenizer, max_length)?;
    let end = if text.is_empty() { start } else { tokens.len() };
    Ok(Sequence { scored: (start.max(1).min(end)..end).into(), tokens })
}

/// A text's tokens after the cut.
struct Cut {
    tokens: Vec<u32>,
    /// Where the scored part begins.
    start: usize,
    /// How many were cut off.
    lost: usize,
}

fn cut(text: &Text, tokenizer: &Tokenizer, max_length: usize) -> Result<Cut> {
    let mut tokens = tokenizer.encode(&text.text)?;
    let start = tokenizer.encode(text.prefix())?.len();
    let lost = tokens.len().saturating_sub(max_length);
    if lost > 0 {
        tokens.truncate(max_length);
        tokens.shrink_to_fit();
    }
    // The first tokens of a response may merge with the prefix, never with all of it.
    Ok(Cut { start: start.min(tokens.len()), tokens, lost })
}

/// Aligns the two scored spans, so that both means run over the same response tokens.
fn assemble(
    conditional: Cut,
    unconditional: Option<Cut>,
    training: Cut,
    is_empty: bool,
) -> EncodedSample {
    let surviving = |cut: &Cut| cut.tokens.len() - cut.start;
    let both = || [Some(&conditional), unconditional.as_ref()].into_iter().flatten();
    let n = if is_empty { 0 } else { both().map(surviving).min().unwrap_or(0) };
    // Nothing predicts the first token of a text; where a response begins there, it counts in neither.
    let skip = usize::from(both().any(|cut| cut.start == 0)).min(n);
    let span = |cut: &Cut| cut.start + skip..cut.start + n;

    let truncated = Truncation {
        conditional: conditional.lost,
        unconditional: unconditional.as_ref().map_or(0, |cut| cut.lost),
        training: training.lost,
    };
    let trained = training.start.max(1).min(training.tokens.len())..training.tokens.len();
    EncodedSample {
        last_response: n - skip,
        conditional: vec![Sequence {
            scored: span(&conditional).into(),
            tokens: conditional.tokens,
        }],
        unconditional: unconditional.map(|mut cut| {
            let scored = span(&cut);
            cut.tokens.truncate(scored.end);
            vec![Sequence { scored: scored.into(), tokens: cut.tokens }]
        }),
        training: vec![Sequence { scored: trained.into(), tokens: training.tokens }],
        truncated,
        is_empty,
        ..EncodedSample::default()
    }
}
