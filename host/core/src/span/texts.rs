//! Texts with spans, and stand-ins: how a response is found in a rendered conversation. Text only: no
//! tokens here.
//!
//! The response is never searched for, since a prompt may repeat it and a template may trim it. The
//! conversation is rendered a second time with one private-use character in its place: what the two
//! renderings share in front is before the response, what they share behind is behind it.

use crate::conversation::{Conversation, Message};
use crate::template::{ChatTemplate, Ending};
use crate::tokenizer::SpecialTokens;
use crate::{Error, Result};
use std::ops::Range;

use super::Findings;

/// The texts of a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Texts {
    /// The conversation; several only where turns have texts of their own.
    pub conditional: Vec<Text>,
    /// Each response alone; `None` where there is no frame for it.
    pub unconditional: Option<Vec<Text>>,
    /// The conversation with the target's end.
    pub training: Vec<Text>,
    /// How they came about.
    pub findings: Findings,
}

/// A text, and the parts of it that are scored, in bytes: ascending and not empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The whole text.
    pub text: String,
    /// The scored parts.
    pub spans: Vec<Span>,
}

/// A scored part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Its bytes, the turn's end included.
    pub bytes: Range<usize>,
    /// Where the response ends and its turn's end begins.
    pub response_end: usize,
    /// Whether nothing is left of the response, as of an empty one or of one that the template
    /// trimmed away.
    pub is_empty: bool,
}

impl Text {
    /// A text that is scored from a byte on.
    pub(super) fn scored_from(text: String, start: usize, response_end: usize) -> Self {
        let is_empty = text[start..response_end].is_empty();
        let bytes = start..text.len();
        Self { text, spans: vec![Span { bytes, response_end, is_empty }] }
    }

    /// What stands before the first scored part.
    pub fn prefix(&self) -> &str {
        &self.text[..self.spans[0].bytes.start]
    }

    /// What stands behind that.
    pub fn scored(&self) -> &str {
        &self.text[self.spans[0].bytes.start..]
    }

    /// Whether nothing is left of any response.
    pub fn is_empty(&self) -> bool {
        self.spans.iter().all(|span| span.is_empty)
    }
}

/// What a template puts around a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub prefix: String,
    pub suffix: String,
}

/// A template with the special tokens it prints.
#[derive(Clone, Copy)]
pub(super) struct Renderer<'a> {
    pub template: &'a ChatTemplate,
    pub special: &'a SpecialTokens,
}

impl Renderer<'_> {
    /// The whole conversation.
    pub(super) fn closed(&self, conversation: &Conversation) -> Result<String> {
        self.render(conversation, &conversation.messages, Ending::Closed)
    }

    /// Its prompt, waiting for nothing.
    pub(super) fn unanswered(&self, conversation: &Conversation) -> Result<String> {
        self.render(conversation, conversation.prompt(), Ending::Closed)
    }

    /// Its prompt, waiting for an answer.
    pub(super) fn asked(&self, conversation: &Conversation) -> Result<String> {
        self.render(conversation, conversation.prompt(), Ending::GenerationPrompt)
    }

    /// What the template puts around the last message, in whose place stands an assistant's message
    /// that says one character which appears nowhere in the conversation, and nothing else.
    pub(super) fn frame(&self, conversation: &Conversation) -> Result<Frame> {
        let last = conversation.messages.len() - 1;
        let (stand_in, marker) = with_stand_in(conversation, last)?;
        let refused =
            |fault: &str| Error::Text(format!("template `{}` {fault}", self.template.name()));
        match self.closed(&stand_in)?.split_once(marker) {
            None => Err(refused(
                "does not show what the assistant says last, so there is nothing to train on",
            )),
            Some((_, suffix)) if suffix.contains(marker) => Err(refused(
                "shows what the assistant says last in more than one place, so it cannot be told where \
                 loss begins",
            )),
            Some((prefix, suffix)) => {
                Ok(Frame { prefix: prefix.to_owned(), suffix: suffix.to_owned() })
            }
        }
    }

    fn render(
        &self,
        conversation: &Conversation,
        messages: &[Message],
        ending: Ending,
    ) -> Result<String> {
        self.template.render_messages(messages, conversation.tools.as_deref(), ending, self.special)
    }
}

/// The conversation with a stand-in for the message at `index`, and the character it says.
pub(super) fn with_stand_in(
    conversation: &Conversation,
    index: usize,
) -> Result<(Conversation, char)> {
    let marker = marker(&conversation.messages)?;
    let mut stand_in = conversation.clone();
    stand_in.messages[index] = Message::new("assistant", marker);
    Ok((stand_in, marker))
}

/// U+E000, or the first private-use character behind it that the conversation does not contain.
fn marker(messages: &[Message]) -> Result<char> {
    let contents: Vec<String> =
        messages.iter().map(|it| serde_json::to_string(it).expect("a message is JSON")).collect();
    ('\u{e000}'..='\u{f8ff}')
        .find(|&marker| !contents.iter().any(|content| content.contains(marker)))
        .ok_or_else(|| {
            Error::Text(
                "the conversation contains every private-use character from U+E000 to U+F8FF, \
                 expected one that can stand in for the response"
                    .into(),
            )
        })
}

/// Bytes that both begin with, in whole characters.
pub(super) fn shared_prefix(a: &str, b: &str) -> usize {
    let shared = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    a.floor_char_boundary(shared)
}

/// Bytes that both end with, in whole characters.
pub(super) fn shared_suffix(a: &str, b: &str) -> usize {
    let shared = a.bytes().rev().zip(b.bytes().rev()).take_while(|(a, b)| a == b).count();
    (0..=shared).rev().find(|&length| a.is_char_boundary(a.len() - length)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marker_itself_may_stand_in_a_sample() {
        let asked = Message::new("user", "a\u{e000}");
        let conversation = Conversation::new([asked], Message::new("assistant", "\u{e001}"));
        assert_eq!(with_stand_in(&conversation, 1).unwrap().1, '\u{e002}');
        let everything: String = ('\u{e000}'..='\u{f8ff}').collect();
        assert!(marker(&[Message::new("user", everything)]).is_err());
    }

    #[test]
    fn what_texts_share_is_whole_characters() {
        assert_eq!((shared_prefix("aé", "aè"), shared_suffix("éa", "ça")), (1, 1));
        assert_eq!((shared_prefix("ab", "ab"), shared_suffix("ab", "ab")), (2, 2));
    }

    #[test]
    fn a_template_without_the_response_is_refused() {
        let template = ChatTemplate::new("mute", "{{ messages[0].role }}").unwrap();
        let renderer = Renderer { template: &template, special: &SpecialTokens::default() };
        let asked = Message::new("user", "hi");
        let conversation = Conversation::new([asked], Message::new("assistant", "a"));
        let error = renderer.frame(&conversation).unwrap_err();
        assert!(error.to_string().starts_with("template `mute` does not show"), "{error}");
    }
}
