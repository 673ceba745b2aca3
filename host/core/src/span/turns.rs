//! Every turn of a conversation that carries loss, and in which text. Text only.
//!
//! The whole conversation shows most earlier turns as it did when they were the last. Where a template
//! rewrites history, so that a response, its header or its end is shown otherwise than then, the turn
//! keeps the text it had as the last one: the model answers in that, never in the rewritten one.

use super::PromptText;
use super::shown::{self, Shown};
use super::texts::{Renderer, Span, shared_prefix, shared_suffix, with_stand_in};
use crate::Result;
use crate::conversation::Conversation;
use std::ops::Range;

/// One text of a conversation, and the turns that are scored in it.
pub(super) struct Told {
    pub text: String,
    pub turns: Vec<Turn>,
}

/// A turn: where it stands in its text, and how it was shown as the last one.
pub(super) struct Turn {
    pub span: Span,
    pub shown: Shown,
}

/// The texts of the turns at `indices`, of which the last is the conversation's: those the
/// conversation rewrites each in a text of its own, the others in that of the whole, which is last.
pub(super) fn told(
    renderer: Renderer<'_>,
    conversation: &Conversation,
    indices: &[usize],
    wish: Option<PromptText>,
) -> Result<Vec<Told>> {
    let whole = shown::shown(renderer, conversation, wish)?;
    let (mut told, mut turns) = (Vec::new(), Vec::new());
    for &index in &indices[..indices.len() - 1] {
        let own = shown::shown(renderer, &conversation.up_to(index), wish)?;
        match place(renderer, conversation, index, &whole, &own) {
            Some(response) => turns.push(turn_at(response, own)),
            None => told.push(alone(own)),
        }
    }
    let text = whole.text.clone();
    turns.push(turn_at(whole.start..whole.end, whole));
    told.push(Told { text, turns });
    Ok(told)
}

fn alone(shown: Shown) -> Told {
    Told { text: shown.text.clone(), turns: vec![turn_at(shown.start..shown.end, shown)] }
}

/// A turn whose response stands there; behind it is its end.
fn turn_at(response: Range<usize>, shown: Shown) -> Turn {
    let span = Span {
        bytes: response.start..response.end + shown.behind().len(),
        response_end: response.end,
        is_empty: response.is_empty(),
    };
    Turn { span, shown }
}

/// Where the whole text shows the response of an earlier turn, if it does so as when it was the last.
fn place(
    renderer: Renderer<'_>,
    conversation: &Conversation,
    index: usize,
    whole: &Shown,
    own: &Shown,
) -> Option<Range<usize>> {
    let (stand_in, marker) = with_stand_in(conversation, index).ok()?;
    let stand_in = shown::shown_by(renderer, &stand_in, whole.rule).ok()?;
    let (before, behind) = stand_in.text.split_once(marker)?;
    let start = shared_prefix(&whole.text, before);
    let rest = &whole.text[start..];
    let length = rest.len() - shared_suffix(rest, behind);
    // A start that the prompt has opened already lies further on.
    let lead = rest[..length].len().checked_sub(own.response().len())?;
    let (start, end) = (start + lead, start + length);
    let header = own.header.as_deref().unwrap_or_default();
    let is_as_then = whole.text.get(start..end)? == own.response()
        && whole.text[..start].ends_with(header)
        && whole.text[end..].starts_with(own.behind());
    is_as_then.then_some(start..end)
}
