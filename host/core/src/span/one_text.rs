//! One text a sample: the conversation as rendered, the same responses alone, and the same
//! conversation with the target's end. Text only.

use super::frame;
use super::shown::{Rule, Shown};
use super::texts::{Frame, Renderer, Span, Text, Texts};
use super::turns::{self, Told, Turn};
use super::{Findings, FrameKind, PromptText};
use crate::Result;
use crate::conversation::{Conversation, Turns};

/// What the texts of a conversation depend on besides the template.
pub(super) struct Choices<'a> {
    pub turns: Turns,
    pub prompt: Option<PromptText>,
    /// What the template puts around a lone turn, where it allows one.
    pub lone: Option<&'a Frame>,
    pub target_end: &'a str,
    /// Whether a text ends in a special token.
    pub ends_in_special: &'a dyn Fn(&str) -> bool,
}

/// The texts of a conversation.
pub(super) fn texts(
    renderer: Renderer<'_>,
    conversation: &Conversation,
    choices: &Choices<'_>,
) -> Result<Texts> {
    let trained = conversation.trained(choices.turns);
    let told = turns::told(renderer, conversation, &trained, choices.prompt)?;
    let turns = || told.iter().flat_map(|told| told.turns.iter().map(move |turn| (told, turn)));
    let bos = renderer.special.bos.as_ref().map(|bos| bos.text.as_str());
    let frames: Option<Vec<(String, FrameKind)>> =
        turns().map(|(_, turn)| frame::frame(&turn.shown, choices.lone, bos)).collect();
    let alone = |((told, turn), (frame, _)): ((&Told, &Turn), &(String, FrameKind))| {
        alone(frame, &told.text, &turn.span)
    };
    let is = |rules: &[Rule]| turns().any(|(_, turn)| rules.contains(&turn.shown.rule));
    let (last, earlier) = told.split_last().expect("a conversation has a text");
    let (last, is_end_written) = ended(last, choices);
    Ok(Texts {
        conditional: told.iter().map(scored).collect(),
        unconditional: frames.as_ref().map(|frames| turns().zip(frames).map(alone).collect()),
        training: earlier.iter().map(scored).chain([last]).collect(),
        findings: Findings {
            frame: frames.map(|frames| frames[frames.len() - 1].1),
            is_prompt_of_generation: is(&[Rule::Joined, Rule::Generation]),
            is_hidden: is(&[Rule::AsWritten]),
            is_end_written,
            ..Findings::default()
        },
    })
}

fn scored(told: &Told) -> Text {
    let spans = told.turns.iter().map(|turn| turn.span.clone()).collect();
    Text { text: told.text.clone(), spans }
}

/// The part of a text that is a turn's, behind a frame.
fn alone(frame: &str, text: &str, span: &Span) -> Text {
    let by = |at: usize| at - span.bytes.start + frame.len();
    let moved = Span {
        bytes: frame.len()..by(span.bytes.end),
        response_end: by(span.response_end),
        is_empty: span.is_empty,
    };
    Text { text: [frame, &text[span.bytes.clone()]].concat(), spans: vec![moved] }
}

/// The text with the target's end in place of the template's, and whether the response ends so
/// already.
fn ended(told: &Told, choices: &Choices<'_>) -> (Text, bool) {
    let mut text = scored(told);
    let shown = &told.turns.last().expect("a text has a turn").shown;
    let is_written = is_ended(shown, choices);
    text.text.truncate(shown.end);
    if is_written {
        text.text.truncate(text.text.trim_end().len());
    }
    let response_end = text.text.len();
    if !is_written {
        text.text.push_str(choices.target_end);
    }
    let end = text.text.len();
    let last = text.spans.last_mut().expect("a text has a span");
    (last.bytes.end, last.response_end) = (end, response_end);
    (text, is_written)
}

fn is_ended(shown: &Shown, choices: &Choices<'_>) -> bool {
    let response = shown.response().trim_end();
    let end = choices.target_end;
    !end.is_empty() && response.ends_with(end)
        || !shown.ends_as_usual && (choices.ends_in_special)(response)
}
