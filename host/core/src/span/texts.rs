//! Where the response stands in a rendered conversation. Text only: no tokens here.
//!
//! The response is never searched for, since a prompt may repeat it and a template may trim it. The
//! conversation is rendered a second time with one private-use character in its place: what
//! stands before that character is the prefix, what stands behind it the suffix.

use crate::conversation::{Conversation, Message};
use crate::template::{ChatTemplate, Ending};
use crate::tokenizer::SpecialTokens;
use crate::{Error, Result};

/// A text, and where in it begins what is scored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The whole text.
    pub text: String,
    /// The byte at which the scored part begins.
    pub start: usize,
    /// Whether nothing is left of the response, as of an empty one or of one that the template
    /// trimmed away.
    pub is_empty: bool,
}

impl Text {
    /// What stands before the scored part.
    pub fn prefix(&self) -> &str {
        &self.text[..self.start]
    }

    /// The scored part.
    pub fn scored(&self) -> &str {
        &self.text[self.start..]
    }
}

/// What a template puts around a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub prefix: String,
    pub suffix: String,
}

/// Renders a conversation, and finds what belongs to the response.
pub(super) fn conversation(
    template: &ChatTemplate,
    special: &SpecialTokens,
    conversation: &Conversation,
) -> Result<Text> {
    let frame = frame(template, special, conversation)?;
    let (messages, tools) = (&conversation.messages, conversation.tools.as_ref());
    let text = template.render_messages(messages, tools, Ending::Closed, special)?;
    Ok(within(text, &frame))
}

/// What the template puts around the response, found with a character that appears nowhere in the
/// conversation.
pub(super) fn frame(
    template: &ChatTemplate,
    special: &SpecialTokens,
    conversation: &Conversation,
) -> Result<Frame> {
    let marker = marker(&conversation.messages)?;
    let mut messages = conversation.prompt().to_vec();
    messages.push(Message::new("assistant", marker));
    let tools = conversation.tools.as_ref();
    let text = template.render_messages(&messages, tools, Ending::Closed, special)?;
    match text.split_once(marker) {
        Some((prefix, suffix)) => {
            Ok(Frame { prefix: prefix.to_owned(), suffix: suffix.to_owned() })
        }
        None => Err(Error::Text(format!(
            "template `{}` does not show what the assistant says last, so there is nothing to \
             train on",
            template.name()
        ))),
    }
}

/// Everything behind the prefix is scored. Most templates give the prefix unchanged; where one
/// writes something else around certain responses, the part they share is the prefix.
pub(super) fn within(text: String, frame: &Frame) -> Text {
    let start = shared_prefix(&text, &frame.prefix);
    let is_empty = text.len() <= start + frame.suffix.len();
    Text { text, start, is_empty }
}

/// U+E000, or the first private-use character behind it that the conversation does not contain.
fn marker(messages: &[Message]) -> Result<char> {
    let contents: Vec<String> = messages.iter().map(Message::text).collect();
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
fn shared_prefix(a: &str, b: &str) -> usize {
    let shared = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    (0..=shared).rev().find(|&end| a.is_char_boundary(end)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chatml(prompt: &str, response: &str) -> Text {
        let template = ChatTemplate::builtin("chatml").unwrap();
        shown(&template, &[("user", prompt)], response).unwrap()
    }

    fn shown(template: &ChatTemplate, prompt: &[(&str, &str)], response: &str) -> Result<Text> {
        let prompt = prompt.iter().map(|(role, content)| Message::new(role, *content));
        let whole = Conversation::new(prompt, Message::new("assistant", response));
        conversation(template, &SpecialTokens::default(), &whole)
    }

    #[test]
    fn a_response_that_repeats_the_prompt_is_not_mistaken_for_it() {
        let text = chatml("yes", "yes");
        assert_eq!(text.prefix(), "<|im_start|>user\nyes<|im_end|>\n<|im_start|>assistant\n");
        assert_eq!(text.scored(), "yes<|im_end|>\n");
    }

    #[test]
    fn the_marker_itself_may_stand_in_a_sample() {
        assert_eq!(
            chatml("a\u{e000}", "b\u{e001}\u{e000}").scored(),
            "b\u{e001}\u{e000}<|im_end|>\n"
        );
        let everything: String = ('\u{e000}'..='\u{f8ff}').collect();
        assert!(marker(&[Message::new("user", everything)]).is_err());
    }

    #[test]
    fn an_empty_response_is_told_from_a_short_one() {
        assert!(chatml("a", "").is_empty);
        assert!(!chatml("a", " ").is_empty); // ChatML keeps white space
        assert!(!chatml("a", "é").is_empty);
    }

    #[test]
    fn a_template_may_write_something_else_around_some_responses() {
        let source = "{% for m in messages %}[{% if 'x' in m.content %}éX{% else %}èY{% endif %}\
                      {{ m.content }}]{% endfor %}";
        let template = ChatTemplate::new("odd", source).unwrap();
        let text = shown(&template, &[], "x").unwrap();
        assert_eq!((text.prefix(), text.scored()), ("[", "éXx]"));
    }

    #[test]
    fn a_template_without_the_response_is_refused() {
        let template = ChatTemplate::new("mute", "{{ messages[0].role }}").unwrap();
        let error = shown(&template, &[("user", "hi")], "a").unwrap_err();
        assert!(error.to_string().starts_with("template `mute` does not show"), "{error}");
    }
}
