//! Texts without a chat template, and their tokens, as the published Superfiltering program has them
//! (arXiv 2402.00530): what is said before the response, each text on lines of its own, then the response.
//!
//! Its two losses are means over other tokens: given the prompt, over those of the response as they stand
//! behind it; alone, over those of the response encoded by itself, but for the first, which nothing
//! predicts. The response alone is cut where it would be cut behind its prompt.

use super::texts::{Text, Texts};
use super::{EncodedSample, Findings, FrameKind, Truncation};
use crate::Result;
use crate::conversation::Conversation;
use crate::learner::Sequence;
use crate::tokenizer::Tokenizer;

/// Tokens at which a text is cut where nobody says otherwise and the model has as many positions.
pub(super) const WINDOW: usize = 1024;

/// The texts of a conversation.
pub(super) fn texts(conversation: &Conversation, target_end: &str) -> Texts {
    let whole = whole(conversation);
    let response = conversation.response().text();
    let start = whole.len() - response.len();
    let training = [whole.as_str(), target_end].concat();
    let response_end = whole.len();
    Texts {
        unconditional: Some(vec![Text::scored_from(response.clone(), 0, response.len())]),
        training: vec![Text::scored_from(training, start, response_end)],
        conditional: vec![Text::scored_from(whole, start, response_end)],
        findings: Findings { frame: Some(FrameKind::Template), ..Findings::default() },
    }
}

/// What is said before the response, each text on lines of its own, and the response.
pub(super) fn whole(conversation: &Conversation) -> String {
    let prompt = conversation.plain_prompt().into_iter().map(|text| text + "\n");
    prompt.chain([conversation.response().text()]).collect()
}

/// The tokens of a sample's texts, cut at `max_length`.
pub(super) fn encode(
    texts: &Texts,
    tokenizer: &Tokenizer,
    max_length: usize,
) -> Result<EncodedSample> {
    let alone = &texts.unconditional.as_ref().expect("a raw text is had alone")[0];
    let mut truncated = Truncation::default();
    let conditional =
        cut(&texts.conditional[0], tokenizer, max_length, &mut truncated.conditional)?;
    let training = cut(&texts.training[0], tokenizer, max_length, &mut truncated.training)?;
    // The token that the prompt leaves room for is its last one, which predicts the first.
    let prompt = tokens(texts.conditional[0].prefix(), tokenizer)?.len().min(max_length);
    let room = max_length - prompt + 1;
    let unconditional = cut(alone, tokenizer, room, &mut truncated.unconditional)?;
    Ok(EncodedSample {
        last_response: conditional.scored.len(),
        conditional: vec![conditional],
        unconditional: Some(vec![unconditional]),
        training: vec![training],
        truncated,
        is_empty: alone.is_empty(),
        findings: texts.findings,
    })
}

/// One text, its response scored.
pub(super) fn sequence(text: &Text, tokenizer: &Tokenizer, max_length: usize) -> Result<Sequence> {
    cut(text, tokenizer, max_length, &mut 0)
}

fn cut(
    text: &Text,
    tokenizer: &Tokenizer,
    max_length: usize,
    lost: &mut usize,
) -> Result<Sequence> {
    let mut tokens = tokens(&text.text, tokenizer)?;
    let start = self::tokens(text.prefix(), tokenizer)?.len().max(1);
    *lost += tokens.len().saturating_sub(max_length);
    tokens.truncate(max_length);
    let end = if text.is_empty() { 0 } else { tokens.len() };
    Ok(Sequence { scored: (start.min(end)..end).into(), tokens })
}

/// With what the tokenizer itself puts before a text, and nothing else added.
fn tokens(text: &str, tokenizer: &Tokenizer) -> Result<Vec<u32>> {
    let own = tokenizer.encode(text)?;
    Ok(tokenizer.opening().iter().copied().chain(own).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Message;

    #[test]
    fn texts_stand_on_lines_of_their_own() {
        let prompt = [Message::new("system", "Be kind."), Message::new("user", "Add.")];
        let mut conversation = Conversation::new(prompt, Message::new("assistant", "3"));
        conversation.put_about("1 and 2".into());
        let texts = texts(&conversation, "<end>");
        let [conditional, training] = [&texts.conditional[0], &texts.training[0]];
        assert_eq!(
            (conditional.prefix(), conditional.scored()),
            ("Be kind.\nAdd.\n1 and 2\n", "3")
        );
        assert_eq!(training.scored(), "3<end>");
        let alone = &texts.unconditional.unwrap()[0];
        assert_eq!((alone.prefix(), alone.scored()), ("", "3"));
        conversation.about = None;
        assert!(whole(&conversation).starts_with("Be kind.\nAdd.\nInput: 1 and 2\n"));
    }
}
