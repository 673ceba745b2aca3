//! How a conversation shows its last response: where it begins and ends, and in which text. Text
//! only.
//!
//! The text is the rendered conversation, unless that hides something. Where it hides text of the
//! prompt that the generation prompt shows, the prompt is the latter's; where it hides some of the
//! response, such as a thought, the text is the generation prompt and the response as written.

use super::PromptText;
use super::texts::{Renderer, shared_prefix, shared_suffix};
use crate::Result;
use crate::conversation::{Conversation, Message};

/// A text that ends with a response and its turn's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    pub text: String,
    /// The byte at which the response begins.
    pub start: usize,
    /// The byte at which it ends.
    pub end: usize,
    /// Whether behind it stands what the template puts behind any response.
    pub ends_as_usual: bool,
    /// What stands before the response and belongs to its turn; `None` where that cannot be told.
    pub header: Option<String>,
    pub rule: Rule,
}

/// How a text is put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// The conversation as rendered.
    Conversation,
    /// The generation prompt up to the last message of the prompt, then the conversation.
    Joined,
    /// The generation prompt, then the response as the conversation shows it.
    Generation,
    /// The generation prompt, then the response as the row has it.
    AsWritten,
}

impl Shown {
    /// The response.
    pub(super) fn response(&self) -> &str {
        &self.text[self.start..self.end]
    }

    /// What stands behind it.
    pub(super) fn behind(&self) -> &str {
        &self.text[self.end..]
    }
}

/// The text of a conversation, by the rule that suits it, or that is wished for.
pub(super) fn shown(
    renderer: Renderer<'_>,
    conversation: &Conversation,
    wish: Option<PromptText>,
) -> Result<Shown> {
    let rendered = Rendered::new(renderer, conversation)?;
    if wish == Some(PromptText::Generation) && rendered.asked.is_none() {
        renderer.asked(conversation)?;
    }
    let rule = rendered.rule(wish);
    Ok(rendered.by(rule))
}

/// The text of a conversation by a given rule.
pub(super) fn shown_by(
    renderer: Renderer<'_>,
    conversation: &Conversation,
    rule: Rule,
) -> Result<Shown> {
    Ok(Rendered::new(renderer, conversation)?.by(rule))
}

/// The renderings of a conversation.
struct Rendered<'a> {
    conversation: &'a Conversation,
    /// The whole of it.
    whole: String,
    /// Where its response begins.
    start: usize,
    /// Where its response ends.
    end: usize,
    /// What stands behind a stand-in for the response.
    behind: String,
    /// The prompt, waiting for nothing; `None` where there is none or the template refuses it.
    unanswered: Option<String>,
    /// The prompt, waiting for an answer; likewise.
    asked: Option<String>,
    /// The text of the prompt's last message, white space aside.
    last_said: String,
}

impl<'a> Rendered<'a> {
    fn new(renderer: Renderer<'_>, conversation: &'a Conversation) -> Result<Self> {
        let whole = renderer.closed(conversation)?;
        let frame = renderer.frame(conversation)?;
        let start = shared_prefix(&whole, &frame.prefix);
        let shared = shared_suffix(&whole[start..], &frame.suffix);
        let end = match shared == frame.suffix.len() {
            true => whole.len() - shared,
            // The template ends this response in a way of its own.
            false => whole.trim_end().len().max(start),
        };
        let prompt = (!conversation.prompt().is_empty()).then_some(conversation);
        let said = |it: &Message| it.text().trim().to_owned();
        Ok(Self {
            conversation,
            unanswered: prompt.and_then(|it| renderer.unanswered(it).ok()),
            asked: prompt.and_then(|it| renderer.asked(it).ok()),
            last_said: conversation.prompt().last().map(said).unwrap_or_default(),
            behind: frame.suffix,
            whole,
            start,
            end,
        })
    }

    fn rule(&self, wish: Option<PromptText>) -> Rule {
        match (wish, &self.asked) {
            _ if !self.shows_the_response() => Rule::AsWritten,
            (Some(PromptText::Generation), _) => Rule::Generation,
            (None, Some(asked)) if self.is_said_only_in(asked, self.prompt()) => Rule::Joined,
            _ => Rule::Conversation,
        }
    }

    fn by(&self, rule: Rule) -> Shown {
        let (prompt, rest) = (self.prompt(), &self.whole[self.start..]);
        let asked = self.asked.as_deref().unwrap_or(prompt);
        let (prompt, response, behind) = match rule {
            Rule::Conversation => {
                let opened = opening(self.opened(), self.response()).unwrap_or(0);
                (self.whole[..self.start + opened].to_owned(), &self.response()[opened..], None)
            }
            Rule::Joined => (self.joined(asked), self.response(), None),
            Rule::Generation => {
                let opened = opening(self.opened(), self.response()).unwrap_or(0);
                (self.spaced(asked), &self.response()[opened..], None)
            }
            Rule::AsWritten => {
                let written = self.conversation.response().text();
                let opened = opening(self.opened(), &written).unwrap_or(0);
                return self.put_together(asked.to_owned(), &written[opened..], &self.behind, rule);
            }
        };
        let behind = behind.unwrap_or(&rest[self.end - self.start..]);
        self.put_together(prompt, response, behind, rule)
    }

    fn put_together(&self, prompt: String, response: &str, behind: &str, rule: Rule) -> Shown {
        let (start, header) = (prompt.len(), self.header(&prompt));
        let text = prompt + response + behind;
        let (end, ends_as_usual) = (start + response.len(), behind == self.behind);
        Shown { text, start, end, ends_as_usual, header, rule }
    }

    fn prompt(&self) -> &str {
        &self.whole[..self.start]
    }

    fn response(&self) -> &str {
        &self.whole[self.start..self.end]
    }

    /// Whether every character of the response but white space is there, in order.
    fn shows_the_response(&self) -> bool {
        let shared = |unanswered: &String| shared_prefix(&self.whole, unanswered);
        let turn = self.unanswered.as_ref().map_or(self.start, shared).min(self.start);
        let mut shown = self.whole[turn..].chars();
        let written = self.conversation.response().text();
        let mut written = written.chars().filter(|it| !it.is_whitespace());
        written.all(|wanted| shown.any(|it| it == wanted))
    }

    /// Whether one text shows something that a message of the prompt says, and the other does not.
    fn is_said_only_in(&self, text: &str, other: &str) -> bool {
        let said = self.conversation.prompt().iter().map(Message::text);
        said.into_iter()
            .map(|said| said.trim().to_owned())
            .any(|said| !said.is_empty() && text.contains(&said) && !other.contains(&said))
    }

    /// What the generation prompt has beyond the header that the conversation shows.
    fn opened(&self) -> &str {
        let Some(asked) = &self.asked else { return "" };
        if let Some(opened) = asked.strip_prefix(self.prompt()) {
            return opened;
        }
        let behind = |text| self.behind_last_said(text);
        let tails = behind(asked.as_str()).zip(behind(self.prompt()));
        tails.and_then(|(asked, shown)| asked.strip_prefix(shown)).unwrap_or_default()
    }

    /// The generation prompt's messages, the conversation's header. Where the generation prompt says
    /// something behind the last message, it is kept whole.
    fn joined(&self, asked: &str) -> String {
        let tails = self.behind_last_said(asked).zip(self.behind_last_said(self.prompt()));
        let joined =
            tails.map(|(tail, header)| [&asked[..asked.len() - tail.len()], header].concat());
        match joined {
            Some(joined) if !self.is_said_only_in(asked, &joined) => joined,
            _ => self.spaced(asked),
        }
    }

    /// The generation prompt, and the white space that the conversation puts behind it.
    fn spaced(&self, asked: &str) -> String {
        let tails = self.behind_last_said(asked).zip(self.behind_last_said(self.prompt()));
        let space = tails.and_then(|(asked, shown)| shown.strip_prefix(asked)).unwrap_or_default();
        let space = if space.trim().is_empty() { space } else { "" };
        [asked, space].concat()
    }

    /// What a prompt has beyond the unanswered one, or else behind the last message.
    fn header(&self, prompt: &str) -> Option<String> {
        let unanswered = self.unanswered.as_deref();
        let beyond = unanswered.and_then(|unanswered| prompt.strip_prefix(unanswered));
        beyond.or_else(|| self.behind_last_said(prompt)).map(str::to_owned)
    }

    fn behind_last_said<'t>(&self, text: &'t str) -> Option<&'t str> {
        let said = &self.last_said;
        (!said.is_empty()).then(|| text.rfind(said).map(|at| &text[at + said.len()..]))?
    }
}

/// How many bytes of a response spell what the prompt has opened already, white space aside.
fn opening(opened: &str, response: &str) -> Option<usize> {
    let wanted = opened.trim();
    if wanted.is_empty() {
        return None;
    }
    let rest = response.trim_start().strip_prefix(wanted)?;
    let space = &opened[opened.trim_end().len()..];
    let rest = rest.strip_prefix(space).unwrap_or(rest.trim_start());
    Some(response.len() - rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_prompt_has_opened_is_written_once() {
        for (opened, response, rest) in [
            ("<think>\n", "<think>\nOne.", Some("One.")),
            ("<think>\n", "\n<think> One.", Some("One.")),
            ("<think>", "<think>\nOne.", Some("\nOne.")),
            ("<think>\n", "One.", None),
            ("\n", "\nOne.", None),
        ] {
            let found = opening(opened, response).map(|length| &response[length..]);
            assert_eq!(found, rest, "{opened:?} {response:?}");
        }
    }
}
