//! Samples become tokens: which rules make a conversation's texts, and what they need to know.

use super::one_text::{self, Choices};
use super::texts::{Frame, Renderer, Text, Texts};
use super::{
    EncodedSample, PromptText, TargetEnd, TextRules, aligned, counted, end, published, raw, shown,
};
use crate::conversation::{Conversation, Message, SystemTurn, Turns};
use crate::learner::{ModelLimits, Sequence};
use crate::template::{ChatTemplate, Ending};
use crate::tokenizer::Tokenizer;
use crate::{Error, Result};
use iterit_sdk::Turn;
use serde_json::json;
use std::borrow::Cow;

/// Fields of a message that say who speaks and what, or whether it is trained on.
const PLAIN: [&str; 7] = ["content", "loss", "name", "role", "tool_call_id", "train", "weight"];

/// The names under which templates read a thought.
const THOUGHT: [&str; 3] = ["reasoning_content", "thinking", "reasoning"];

/// What an encoder is told besides tokenizer and template.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EncoderOptions {
    /// `data.texts`
    pub rules: TextRules,
    /// `data.turns`
    pub turns: Turns,
    /// `data.prompt`; unset: the conversation's where that hides nothing.
    pub prompt: Option<PromptText>,
    /// `data.eos_text`; unset: the tokenizer's eos token.
    pub eos_text: Option<String>,
    /// `train.target_end`
    pub target_end: TargetEnd,
    /// `model.max_length`; unset: the tokenizer's and the model's own limit, and without a template
    /// that of the published Superfiltering program.
    pub max_length: Option<usize>,
    /// The model's own limits, where there is a model.
    pub limits: Option<ModelLimits>,
}

/// Turns conversations into texts and texts into tokens.
pub struct Encoder {
    tokenizer: Tokenizer,
    template: ChatTemplate,
    options: EncoderOptions,
    /// What stands around a response alone, or why the template refuses it.
    lone: Result<Frame, String>,
    /// What the template makes of messages.
    takes: Takes,
    target_end: String,
    max_length: usize,
}

/// What a template can be given.
#[derive(Debug, Clone, Copy)]
struct Takes {
    /// A system turn, or it cannot do without one.
    system: bool,
    /// Lists of text parts.
    parts: bool,
}

impl Encoder {
    /// Checks that the template can show a response, and that its end and the window are known.
    ///
    /// # Errors
    /// No eos text, no end of turn, or a `max_length` beyond the model's positions; choices that the
    /// published rules do not know.
    pub fn new(
        tokenizer: Tokenizer,
        template: ChatTemplate,
        options: EncoderOptions,
    ) -> Result<Self> {
        check(&options)?;
        let max_length = window(&options, &tokenizer)?;
        let renderer = Renderer { template: &template, special: tokenizer.special() };
        let target_end = target_end(renderer, &options)?;
        let alone = Conversation::new([], Message::new("assistant", ""));
        let lone = renderer.frame(&alone).map_err(|refusal| refusal.to_string());
        let takes = Takes::of(renderer);
        Ok(Self { tokenizer, template, options, lone, takes, target_end, max_length })
    }

    /// The tokens of a conversation.
    ///
    /// # Errors
    /// Where the template refuses the conversation.
    pub fn encode(&self, conversation: &Conversation) -> Result<EncodedSample> {
        let texts = self.texts(conversation)?;
        match self.options.rules {
            TextRules::Template => aligned::encode(&texts, &self.tokenizer, self.max_length),
            TextRules::Published => counted::encode(&texts, &self.tokenizer, self.max_length),
            TextRules::Raw => raw::encode(&texts, &self.tokenizer, self.max_length),
        }
    }

    /// The texts of a conversation.
    ///
    /// # Errors
    /// Where the template refuses the conversation.
    pub fn texts(&self, conversation: &Conversation) -> Result<Texts> {
        let fitted = self.fitted(conversation);
        self.texts_of(&fitted).map_err(|error| self.blaming_the_system_text(error, &fitted))
    }

    /// The whole conversation, as the template shows it.
    ///
    /// # Errors
    /// Where the template refuses the conversation.
    pub fn rendered(&self, conversation: &Conversation) -> Result<String> {
        let fitted = self.fitted(conversation);
        match self.options.rules {
            TextRules::Raw => Ok(raw::whole(&fitted)),
            TextRules::Template | TextRules::Published => self.renderer().closed(&fitted),
        }
    }

    /// This conversation's response to another prompt, the response scored.
    ///
    /// # Errors
    /// Where the template refuses the conversation.
    pub fn prompted(&self, prompt: &[Turn], conversation: &Conversation) -> Result<Sequence> {
        let mut other =
            Conversation::new(prompt.iter().map(Message::from), conversation.response().clone());
        other.tools = conversation.tools.clone();
        let other = self.fitted(&other);
        match self.options.rules {
            TextRules::Template => {
                let shown = shown::shown(self.renderer(), &other, self.options.prompt)?;
                let text = Text::scored_from(shown.text, shown.start, shown.end);
                aligned::sequence(&text, &self.tokenizer, self.max_length)
            }
            TextRules::Published => {
                let text = published::conversation(self.renderer(), &other)?;
                counted::sequence(&text, &self.tokenizer, self.max_length)
            }
            TextRules::Raw => {
                let text = raw::texts(&other, "").conditional.remove(0);
                raw::sequence(&text, &self.tokenizer, self.max_length)
            }
        }
    }

    /// The conversation as the template can be given it: without the program's own system turn where
    /// the template refuses one, text parts joined where it does not know them, and no `None` written
    /// where a message that calls tools says nothing.
    pub fn fitted<'a>(&self, conversation: &'a Conversation) -> Cow<'a, Conversation> {
        let mut fitted = Cow::Borrowed(conversation);
        let shows_system = match self.options.rules {
            TextRules::Template => self.takes.system,
            TextRules::Published => true,
            TextRules::Raw => false,
        };
        let drops_system = conversation.system == SystemTurn::Ours && !shows_system;
        if drops_system {
            fitted.to_mut().leave_out_our_system();
        }
        if !self.takes.parts && conversation.messages.iter().any(Message::has_parts) {
            let joined = fitted.messages.iter().map(|it| it.saying(it.text())).collect();
            fitted.to_mut().messages = joined;
        }
        if fitted.messages.iter().any(Message::says_null) {
            let silent = fitted.messages.iter().map(Message::silent).collect();
            let silent = Conversation { messages: silent, ..fitted.clone().into_owned() };
            if self.writes_none(&fitted, &silent) {
                fitted = Cow::Owned(silent);
            }
        }
        fitted
    }

    /// What a response ends with in training.
    pub fn target_end(&self) -> &str {
        &self.target_end
    }

    /// What the template puts behind a response, where it puts anything.
    ///
    /// # Errors
    /// A template that refuses the shortest conversation.
    pub fn end_of_turn(&self) -> Result<Option<String>> {
        end::end_of_turn(self.renderer())
    }

    /// What the template puts behind a last response, where that holds the header of a next turn.
    pub fn end_with_header(&self) -> Option<String> {
        let renderer = self.renderer();
        let has_words = |end: &String| {
            let plain = self.tokenizer.encode(end).and_then(|ids| self.tokenizer.plain_text(&ids));
            plain.is_ok_and(|text| text.contains(char::is_alphanumeric))
        };
        end::end_with_header(renderer)
            .or_else(|| end::end_before_questions(renderer).filter(has_words))
    }

    /// Why the template allows no response alone, where it refuses it.
    pub fn refusal(&self) -> Option<&str> {
        self.lone.as_ref().err().map(String::as_str)
    }

    /// The rules by which texts are made.
    pub fn options(&self) -> &EncoderOptions {
        &self.options
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The template.
    pub fn template(&self) -> &ChatTemplate {
        &self.template
    }

    /// Tokens at which a text is cut.
    pub fn max_length(&self) -> usize {
        self.max_length
    }

    fn renderer(&self) -> Renderer<'_> {
        Renderer { template: &self.template, special: self.tokenizer.special() }
    }

    fn texts_of(&self, conversation: &Conversation) -> Result<Texts> {
        let (renderer, lone) = (self.renderer(), self.lone.as_ref().ok());
        match self.options.rules {
            TextRules::Template => {
                let choices = Choices {
                    turns: self.options.turns,
                    prompt: self.options.prompt,
                    lone,
                    target_end: &self.target_end,
                    ends_in_special: &|text| self.tokenizer.ends_in_special(text).unwrap_or(false),
                };
                let mut texts = one_text::texts(renderer, conversation, &choices)?;
                texts.findings.is_marked_otherwise = self.marks_otherwise(conversation, &texts);
                Ok(texts)
            }
            TextRules::Published => {
                published::texts(renderer, conversation, lone, &self.target_end)
            }
            TextRules::Raw => Ok(raw::texts(conversation, &self.target_end)),
        }
    }

    /// Fields of messages, and `tools`, that the template does not show. One that its source names is
    /// taken to be heeded.
    pub fn unshown(&self, conversation: &Conversation) -> Vec<String> {
        let heeds = |name: &str| {
            let names: &[&str] = if THOUGHT.contains(&name) { &THOUGHT } else { &[name] };
            names.iter().any(|name| self.template.source().contains(name))
        };
        let fields = conversation.messages.iter().flat_map(Message::fields);
        let mut names: Vec<&str> = fields.filter(|name| !PLAIN.contains(name)).collect();
        names.extend(conversation.tools.is_some().then_some("tools"));
        names.sort_unstable();
        names.dedup();
        names.retain(|name| !heeds(name) && self.is_same_without(conversation, name));
        names.into_iter().map(str::to_owned).collect()
    }

    /// Whether a conversation reads the same without a field, as one that a template prints whole
    /// does not.
    fn is_same_without(&self, conversation: &Conversation, name: &str) -> bool {
        let mut without = self.fitted(conversation).into_owned();
        without.messages.iter_mut().for_each(|message| message.remove(name));
        without.tools = without.tools.filter(|_| name != "tools");
        let renderer = self.renderer();
        renderer.closed(&without).ok() == renderer.closed(&self.fitted(conversation)).ok()
    }

    /// Whether a template that marks what the assistant says has the last response begin elsewhere.
    fn marks_otherwise(&self, conversation: &Conversation, texts: &Texts) -> bool {
        let (Some(text), true) =
            (texts.conditional.last(), self.template.source().contains("endgeneration"))
        else {
            return false;
        };
        let (messages, tools) = (&conversation.messages, conversation.tools.as_deref());
        let special = self.tokenizer.special();
        let marked = self.template.render_marked(messages, tools, Ending::Closed, special);
        marked.is_ok_and(|marked| {
            let mark = marked.generated().last().map(|mark| mark.start);
            let start = text.spans.last().map(|span| span.bytes.start);
            marked.text() == text.text && mark.is_some() && mark != start
        })
    }

    /// Whether the template writes Python's `None` where the first conversation has no content.
    fn writes_none(&self, null: &Conversation, silent: &Conversation) -> bool {
        let renderer = self.renderer();
        match (renderer.closed(null), renderer.closed(silent)) {
            (Ok(null), Ok(silent)) => {
                null != silent && null.replace("None", "") == silent.replace("None", "")
            }
            _ => false,
        }
    }

    /// Names the row's system text where the template takes the conversation without it.
    fn blaming_the_system_text(&self, error: Error, conversation: &Conversation) -> Error {
        let mut without = conversation.clone();
        if without.system != SystemTurn::Given || without.messages.len() < 2 {
            return error;
        }
        let system = without.messages.remove(0).text();
        match self.renderer().closed(&without) {
            Err(_) => error,
            Ok(_) => Error::Text(format!(
                "{error}; it takes the conversation without the system text `{}`\nhint: choose another \
                 template, or take the system text out of the data",
                shortened(&system)
            )),
        }
    }
}

impl Takes {
    fn of(renderer: Renderer<'_>) -> Self {
        let user = || Message::new("user", "?");
        let answered = |prompt: Vec<Message>| {
            renderer.closed(&Conversation::new(prompt, Message::new("assistant", "!")))
        };
        let plain = answered(vec![user()]).ok();
        let with_system = answered(vec![Message::new("system", "."), user()]);
        let mut parts = user();
        parts.set("content", json!([{"type": "text", "text": "?"}]));
        Self {
            system: with_system.is_ok() || plain.is_none(),
            parts: plain.is_some() && answered(vec![parts]).ok() == plain,
        }
    }
}

/// The published rules, and texts without a template, have no choices.
fn check(options: &EncoderOptions) -> Result<()> {
    let rules = match options.rules {
        TextRules::Template => return Ok(()),
        TextRules::Published => "published",
        TextRules::Raw => "raw",
    };
    let refused = |key: &str| {
        format!("`{key}` is set, but the rules of data.texts = \"{rules}\" leave no choice of it")
    };
    let turns = (options.turns == Turns::All).then(|| refused("data.turns"));
    let prompt = options.prompt.map(|_| refused("data.prompt"));
    let faults: Vec<String> = turns.into_iter().chain(prompt).collect();
    if faults.is_empty() { Ok(()) } else { Err(Error::Config(faults)) }
}

/// The beginning of a text, for messages.
fn shortened(text: &str) -> String {
    let short: String = text.chars().take(40).collect();
    if short.len() < text.len() { short + "…" } else { short }
}

fn window(options: &EncoderOptions, tokenizer: &Tokenizer) -> Result<usize> {
    let positions = options.limits.map(|limits| limits.positions);
    match (options.max_length, positions) {
        (Some(asked), Some(positions)) if asked > positions => Err(Error::config(format!(
            "`model.max_length` is {asked}, but the model has {positions} positions, expected at \
             most that"
        ))),
        (Some(asked), _) => Ok(asked),
        (None, _) => {
            let raw = (options.rules == TextRules::Raw).then_some(raw::WINDOW);
            let limits = tokenizer.model_max_length().into_iter().chain(positions).chain(raw);
            Ok(limits.min().unwrap_or(usize::MAX))
        }
    }
}

fn target_end(renderer: Renderer<'_>, options: &EncoderOptions) -> Result<String> {
    match (options.target_end, &options.eos_text, &renderer.special.eos) {
        (TargetEnd::Eos, Some(text), _) => Ok(text.clone()),
        (TargetEnd::Eos, None, Some(eos)) => Ok(eos.text.clone()),
        (TargetEnd::Eos, None, None) => Err(Error::Text(
            "the tokenizer names no eos token, so a response has no end\nhint: set data.eos_text, \
             or train.target_end = \"end-of-turn\" for the chat template's"
                .into(),
        )),
        (TargetEnd::EndOfTurn, ..) => end::end_of_turn(renderer)?.ok_or_else(|| {
            Error::Text(format!(
                "template `{}` puts nothing behind a response, so there is no end of turn to \
                 train\nhint: set train.target_end = \"eos\"",
                renderer.template.name()
            ))
        }),
    }
}
