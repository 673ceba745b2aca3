//! Samples become tokens.

use super::TargetEnd;
use super::texts::{self, Frame, Text};
use crate::conversation::{Conversation, Message};
use crate::learner::Sequence;
use crate::template::{ChatTemplate, Ending};
use crate::tokenizer::Tokenizer;
use crate::{Error, Result};
use iterit_sdk::Turn;

/// The tokens of a sample's three texts, each cut on the right at the window.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EncodedSample {
    /// The whole conversation. Scored are the first n surviving tokens from the response on, n
    /// being the lesser of those that survive here and in `unconditional`; none where the response
    /// is empty.
    pub conditional: Sequence,
    /// The response alone, scored over the same n tokens and ending with them; `None` where the
    /// template refuses a conversation without a prompt.
    pub unconditional: Option<Sequence>,
    /// Prompt, response and the target's end; the last two are scored.
    pub training: Sequence,
    /// What the window cut off.
    pub truncated: Truncation,
    /// Whether the template leaves nothing of the response.
    pub is_empty: bool,
}

/// How many tokens the window cut off each text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Truncation {
    /// The whole conversation.
    pub conditional: usize,
    /// The response alone.
    pub unconditional: usize,
    /// The training text.
    pub training: usize,
}

/// The three texts of a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Texts {
    /// The whole conversation.
    pub conditional: Text,
    /// The response alone; `None` where the template refuses that.
    pub unconditional: Option<Text>,
    /// Prompt, response and the target's end.
    pub training: Text,
}

/// What an encoder is told besides tokenizer and template.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EncoderOptions {
    /// `data.eos_text`; unset: the tokenizer's eos token.
    pub eos_text: Option<String>,
    /// `train.target_end`
    pub target_end: TargetEnd,
    /// `model.max_length`; unset: the tokenizer's and the model's own limit.
    pub max_length: Option<usize>,
}

/// Turns samples into texts and texts into tokens.
pub struct Encoder {
    tokenizer: Tokenizer,
    template: ChatTemplate,
    /// What stands around a response alone, or why the template refuses it.
    alone: Result<Frame, String>,
    /// Tokens of the prefix of `alone`.
    alone_start: usize,
    target_end: String,
    max_length: usize,
}

impl Encoder {
    /// Checks that the template can show a response, and that its end and the window are known.
    ///
    /// # Errors
    /// No eos text, no end of turn, or a `max_length` beyond the model's positions.
    pub fn new(
        tokenizer: Tokenizer,
        template: ChatTemplate,
        options: EncoderOptions,
    ) -> Result<Self> {
        let max_length = window(options.max_length, &tokenizer)?;
        let target_end = target_end(&tokenizer, &template, &options)?;
        let lone = Conversation::new([], Message::new("assistant", ""));
        let alone = texts::frame(&template, tokenizer.special(), &lone);
        let alone_start = match &alone {
            Ok(frame) => tokenizer.encode(&frame.prefix)?.len(),
            Err(_) => 0,
        };
        let alone = alone.map_err(|refusal| refusal.to_string());
        Ok(Self { tokenizer, template, alone, alone_start, target_end, max_length })
    }

    /// The tokens of a sample.
    ///
    /// # Errors
    /// Where the template refuses the conversation.
    pub fn encode(&self, conversation: &Conversation) -> Result<EncodedSample> {
        let texts = self.texts(conversation)?;
        let start = self.tokenizer.encode(texts.conditional.prefix())?.len();
        let conditional = self.cut(&texts.conditional, start)?;
        let start = match texts.training.prefix() == texts.conditional.prefix() {
            true => start,
            false => self.tokenizer.encode(texts.training.prefix())?.len(),
        };
        let training = self.cut(&texts.training, start)?;
        let unconditional = match &texts.unconditional {
            Some(text) => Some(self.cut(text, self.alone_start(text)?)?),
            None => None,
        };
        Ok(assemble(conditional, unconditional, training, texts.conditional.is_empty))
    }

    /// The texts of a sample.
    ///
    /// # Errors
    /// Where the template refuses the conversation.
    pub fn texts(&self, conversation: &Conversation) -> Result<Texts> {
        let Self { template, tokenizer, .. } = self;
        let special = tokenizer.special();
        let conditional = texts::conversation(template, special, conversation)?;
        let (response, tools) = (conversation.response(), conversation.tools.as_ref());
        let unconditional = match &self.alone {
            Ok(frame) => {
                let alone = [response.clone()];
                let text = template.render_messages(&alone, tools, Ending::Closed, special)?;
                Some(texts::within(text, frame))
            }
            Err(_) => None,
        };
        let (prompt, ending) = (conversation.prompt(), Ending::GenerationPrompt);
        let mut text = template.render_messages(prompt, tools, ending, special)?;
        let start = text.len();
        text.push_str(&response.text());
        text.push_str(&self.target_end);
        let training = Text { is_empty: text.len() == start, text, start };
        Ok(Texts { conditional, unconditional, training })
    }

    /// This conversation's response to another prompt, the response scored.
    ///
    /// # Errors
    /// Where the template refuses the conversation.
    pub fn prompted(&self, prompt: &[Turn], conversation: &Conversation) -> Result<Sequence> {
        let special = self.tokenizer.special();
        let mut other =
            Conversation::new(prompt.iter().map(Message::from), conversation.response().clone());
        other.tools = conversation.tools.clone();
        let text = texts::conversation(&self.template, special, &other)?;
        let start = self.tokenizer.encode(text.prefix())?.len();
        let Cut { tokens, start, .. } = self.cut(&text, start)?;
        let end = if text.is_empty { start } else { tokens.len() };
        Ok(Sequence { scored: (start.max(1).min(end)..end).into(), tokens })
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
        end_of_turn(&self.tokenizer, &self.template)
    }

    /// Why there is no unconditional text, where the template refuses it.
    pub fn refusal(&self) -> Option<&str> {
        self.alone.as_ref().err().map(String::as_str)
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

    /// The prefix of a response alone hardly ever varies, so its tokens are counted once.
    fn alone_start(&self, text: &Text) -> Result<usize> {
        match &self.alone {
            Ok(frame) if frame.prefix == text.prefix() => Ok(self.alone_start),
            _ => Ok(self.tokenizer.encode(text.prefix())?.len()),
        }
    }

    fn cut(&self, text: &Text, start: usize) -> Result<Cut> {
        let mut tokens = self.tokenizer.encode(&text.text)?;
        let lost = tokens.len().saturating_sub(self.max_length);
        if lost > 0 {
            tokens.truncate(self.max_length);
            tokens.shrink_to_fit();
        }
        // The first tokens of a response may merge with the prefix, never with all of it.
        Ok(Cut { start: start.min(tokens.len()), tokens, lost })
    }
}

/// A text's tokens after the cut.
struct Cut {
    tokens: Vec<u32>,
    /// Where the scored part begins.
    start: usize,
    /// How many were cut off.
    lost: usize,
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
    EncodedSample {
        conditional: Sequence { scored: span(&conditional).into(), tokens: conditional.tokens },
        unconditional: unconditional.map(|mut cut| {
            let scored = span(&cut);
            cut.tokens.truncate(scored.end);
            Sequence { scored: scored.into(), tokens: cut.tokens }
        }),
        training: Sequence {
            scored: (training.start.max(1).min(training.tokens.len())..training.tokens.len())
                .into(),
            tokens: training.tokens,
        },
        truncated,
        is_empty,
    }
}

fn window(max_length: Option<usize>, tokenizer: &Tokenizer) -> Result<usize> {
    let positions = tokenizer.max_position_embeddings();
    match (max_length, positions) {
        (Some(asked), Some(positions)) if asked > positions => Err(Error::config(format!(
            "`model.max_length` is {asked}, but the model has {positions} positions, expected at \
             most that"
        ))),
        (Some(asked), _) => Ok(asked),
        (None, _) => Ok(tokenizer.model_max_length().into_iter().chain(positions).min())
            .map(|window| window.unwrap_or(usize::MAX)),
    }
}

fn target_end(
    tokenizer: &Tokenizer,
    template: &ChatTemplate,
    options: &EncoderOptions,
) -> Result<String> {
    match (options.target_end, &options.eos_text, &tokenizer.special().eos) {
        (TargetEnd::Eos, Some(text), _) => Ok(text.clone()),
        (TargetEnd::Eos, None, Some(eos)) => Ok(eos.text.clone()),
        (TargetEnd::Eos, None, None) => Err(Error::Text(
            "the tokenizer names no eos token, so a response has no end\nhint: set data.eos_text, \
             or train.target_end = \"end-of-turn\" for the chat template's"
                .into(),
        )),
        (TargetEnd::EndOfTurn, ..) => end_of_turn(tokenizer, template)?.ok_or_else(|| {
            Error::Text(format!(
                "template `{}` puts nothing behind a response, so there is no end of turn to \
                 train\nhint: set train.target_end = \"eos\"",
                template.name()
            ))
        }),
    }
}

/// What the template puts behind a response, where it puts anything.
fn end_of_turn(tokenizer: &Tokenizer, template: &ChatTemplate) -> Result<Option<String>> {
    let asked = Conversation::new([Message::new("user", "?")], Message::new("assistant", ""));
    let frame = texts::frame(template, tokenizer.special(), &asked)?;
    let end = frame.suffix.trim_end();
    Ok((!end.is_empty()).then(|| end.to_owned()))
}
