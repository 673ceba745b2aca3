//! The three texts as the published IterIT program makes them. Text only.
//!
//! Scored is whatever stands behind the prefix. Most templates give the prefix unchanged; where one
//! writes something else around certain responses, the part they share is the prefix.

use super::texts::{Frame, Renderer, Text, Texts, shared_prefix};
use super::{Findings, FrameKind};
use crate::Result;
use crate::conversation::Conversation;

/// The texts of a conversation; `lone` is what stands around a response alone, where the template
/// allows that.
pub(super) fn texts(
    renderer: Renderer<'_>,
    conversation: &Conversation,
    lone: Option<&Frame>,
    target_end: &str,
) -> Result<Texts> {
    let unconditional = match lone {
        Some(frame) => {
            let alone = Conversation {
                messages: vec![conversation.response().clone()],
                ..conversation.clone()
            };
            Some(vec![within(renderer.closed(&alone)?, frame)])
        }
        None => None,
    };
    let mut training = renderer.asked(conversation)?;
    let start = training.len();
    training.push_str(&conversation.response().text());
    let response_end = training.len();
    training.push_str(target_end);
    Ok(Texts {
        conditional: vec![self::conversation(renderer, conversation)?],
        findings: Findings {
            frame: unconditional.as_ref().map(|_| FrameKind::Template),
            is_prompt_of_generation: true,
            ..Findings::default()
        },
        unconditional,
        training: vec![Text::scored_from(training, start, response_end)],
    })
}

/// The whole conversation, its response scored.
pub(super) fn conversation(renderer: Renderer<'_>, conversation: &Conversation) -> Result<Text> {
    let frame = renderer.frame(conversation)?;
    Ok(within(renderer.closed(conversation)?, &frame))
}

fn within(text: String, frame: &Frame) -> Text {
    let start = shared_prefix(&text, &frame.prefix);
    let response_end = text.floor_char_boundary(text.len().saturating_sub(frame.suffix.len()));
    Text::scored_from(text, start, response_end.max(start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Message;
    use crate::template::ChatTemplate;
    use crate::tokenizer::SpecialTokens;

    fn shown(template: &ChatTemplate, prompt: &[&str], response: &str) -> Text {
        let prompt = prompt.iter().map(|content| Message::new("user", *content));
        let whole = Conversation::new(prompt, Message::new("assistant", response));
        conversation(Renderer { template, special: &SpecialTokens::default() }, &whole).unwrap()
    }

    fn chatml(prompt: &str, response: &str) -> Text {
        shown(&ChatTemplate::builtin("chatml").unwrap(), &[prompt], response)
    }

    #[test]
    fn a_response_that_repeats_the_prompt_is_not_mistaken_for_it() {
        let text = chatml("yes", "yes");
        assert_eq!(text.prefix(), "<|im_start|>user\nyes<|im_end|>\n<|im_start|>assistant\n");
        assert_eq!(text.scored(), "yes<|im_end|>\n");
    }

    #[test]
    fn an_empty_response_is_told_from_a_short_one() {
        assert!(chatml("a", "").is_empty());
        assert!(!chatml("a", " ").is_empty()); // ChatML keeps white space
        assert!(!chatml("a", "é").is_empty());
    }

    #[test]
    fn a_template_may_write_something_else_around_some_responses() {
        let source = "{% for m in messages %}[{% if 'x' in m.content %}éX{% else %}èY{% endif %}\
                      {{ m.content }}]{% endfor %}";
        let template = ChatTemplate::new("odd", source).unwrap();
        let text = shown(&template, &[], "x");
        assert_eq!((text.prefix(), text.scored()), ("[", "éXx]"));
    }
}
