//! What a template puts behind a response, and whether that says more than an end. Text only.

use super::texts::{Frame, Renderer, shared_prefix, shared_suffix};
use crate::Result;
use crate::conversation::{Conversation, Message};

/// What stands behind the shortest conversation's response, where anything does.
pub(super) fn end_of_turn(renderer: Renderer<'_>) -> Result<Option<String>> {
    let Frame { suffix, .. } = renderer.frame(&shortest())?;
    let end = suffix.trim_end();
    Ok((!end.is_empty()).then(|| end.to_owned()))
}

/// What stands behind the last response, where that holds the header of a next turn, as where a template
/// writes a generation prompt that nobody asked for: it would be scored as if the model said it.
pub(super) fn end_with_header(renderer: Renderer<'_>) -> Option<String> {
    let Frame { suffix, .. } = renderer.frame(&shortest()).ok()?;
    let holds = |header: String| {
        let header = header.trim();
        !header.is_empty() && suffix.contains(header)
    };
    let turns = Turns::of(renderer);
    let holds_users = || turns.as_ref().is_some_and(|turns| holds(turns.user_header()));
    let holds_assistants = || match generation_prompt(renderer) {
        Some(prompt) => holds(prompt),
        // It may be there always.
        None => turns.as_ref().is_some_and(|turns| turns.is_answer_begun_by(&suffix)),
    };
    (holds_users() || holds_assistants()).then_some(suffix)
}

/// What stands behind the last response and before every later question alike, where no first question has
/// it: either turns have no headers at all, or this is a question's header, written too early.
pub(super) fn end_before_questions(renderer: Renderer<'_>) -> Option<String> {
    let Frame { suffix, .. } = renderer.frame(&shortest()).ok()?;
    let turns = Turns::of(renderer)?;
    let is_alike = turns.to_question == suffix && turns.user_header().trim().is_empty();
    is_alike.then_some(suffix)
}

fn shortest() -> Conversation {
    Conversation::new([Message::new("user", QUESTION)], Message::new("assistant", ""))
}

/// What messages made up here say, which no template writes by itself.
const QUESTION: &str = "\u{f8f0}";
const ANSWER: &str = "\u{f8f1}";
const NEXT: &str = "\u{f8f2}";

/// What a template puts around turns that go on.
struct Turns {
    /// Before the first question.
    before: String,
    /// Between question and answer.
    to_answer: String,
    /// Between answer and question.
    to_question: String,
}

impl Turns {
    fn of(renderer: Renderer<'_>) -> Option<Self> {
        let prompt = [
            Message::new("user", QUESTION),
            Message::new("assistant", ANSWER),
            Message::new("user", NEXT),
        ];
        let text =
            renderer.closed(&Conversation::new(prompt, Message::new("assistant", "!"))).ok()?;
        let (before, rest) = text.split_once(QUESTION)?;
        let (to_answer, rest) = rest.split_once(ANSWER)?;
        let (to_question, _) = rest.split_once(NEXT)?;
        let [before, to_answer, to_question] = [before, to_answer, to_question].map(str::to_owned);
        Some(Self { before, to_answer, to_question })
    }

    /// What both questions begin with.
    fn user_header(&self) -> String {
        let shared = shared_suffix(&self.before, &self.to_question);
        self.to_question[self.to_question.len() - shared..].to_owned()
    }

    /// Whether a text that should end an answer goes on as a question does to its answer.
    fn is_answer_begun_by(&self, end: &str) -> bool {
        let beyond = end[shared_prefix(end, &self.to_question)..].trim();
        !beyond.is_empty() && self.to_answer.trim_end().ends_with(beyond)
    }
}

/// What a prompt that waits for an answer has beyond one that does not, where that is anything.
fn generation_prompt(renderer: Renderer<'_>) -> Option<String> {
    let shortest = shortest();
    let (asked, unanswered) =
        (renderer.asked(&shortest).ok()?, renderer.unanswered(&shortest).ok()?);
    let added = asked.strip_prefix(&unanswered)?;
    (!added.trim().is_empty()).then(|| added.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::ChatTemplate;
    use crate::tokenizer::SpecialTokens;

    fn with_renderer<T>(source: &str, ask: impl FnOnce(Renderer<'_>) -> T) -> T {
        let template = ChatTemplate::new("t", source).unwrap();
        ask(Renderer { template: &template, special: &SpecialTokens::default() })
    }

    #[test]
    fn an_end_that_every_later_question_begins_with_is_found() {
        const LOOP: &str = "{% for m in messages %}{% if m.role == 'user' %}";
        for (turns, found) in [
            ("{{ m.content }}\nA: {% else %}{{ m.content }}\nQ: {% endif %}", Some("\nQ: ")),
            ("{{ m.content }}{% else %}{{ m.content }}</s>{% endif %}", Some("</s>")),
            ("Q: {{ m.content }}\nA: {% else %}{{ m.content }}\n{% endif %}", None),
            ("[I]{{ m.content }}[/I]{% else %}{{ m.content }}</s>{% endif %}", None),
        ] {
            let source = format!("{LOOP}{turns}{{% endfor %}}");
            assert_eq!(with_renderer(&source, end_before_questions).as_deref(), found, "{turns}");
        }
    }

    #[test]
    fn a_header_behind_the_last_response_is_found() {
        const LOOP: &str =
            "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>\n{% endfor %}";
        const PROMPT: &str = "{% if add_generation_prompt %}<|assistant|>{% endif %}";
        for (source, found) in [
            (format!("{LOOP}{PROMPT}"), None),
            (format!("{LOOP}<|assistant|>"), Some("<|end|>\n<|assistant|>")),
            (format!("{LOOP}{PROMPT}<|user|>"), Some("<|end|>\n<|user|>")),
            // Turns without headers have none that could stand there.
            ("{% for m in messages %}{{ m.content }}</s>{% endfor %}".into(), None),
        ] {
            assert_eq!(with_renderer(&source, end_with_header).as_deref(), found, "{source}");
        }
    }
}
