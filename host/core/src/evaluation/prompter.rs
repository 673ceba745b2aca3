//! Questions become tokens, as lm-evaluation-harness makes them: a text as it stands, behind what the
//! tokenizer puts before texts; or as the user's turn of a chat template.

use super::question::Prompt;
use crate::conversation::Message;
use crate::learner::Sequence;
use crate::template::{ChatTemplate, Ending};
use crate::tokenizer::{SpecialToken, Tokenizer};
use crate::{Error, Result};

/// How a text is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asking {
    /// As it stands; a blank stands between it and a choice.
    Plain,
    /// As the user's turn, with the assistant's opened behind it; choices follow at once.
    Chat,
}

/// Makes tokens of questions.
pub struct Prompter {
    /// Text to tokens.
    pub tokenizer: Tokenizer,
    /// Needed by conversations, and by texts that are asked as such.
    pub template: Option<ChatTemplate>,
    /// How texts are asked.
    pub asking: Asking,
    /// Tokens a text may have.
    pub window: usize,
}

/// A question as text, and what it is.
struct Context {
    text: String,
    is_chat: bool,
}

impl Prompter {
    /// The tokens of a question, with each of its choices behind it, the choice scored.
    ///
    /// The text and the choice are encoded as one, and the choice's tokens are those beyond as many as the
    /// text has alone; blanks at the end of the text go to the choice. Beyond the window the beginning
    /// is cut off.
    ///
    /// # Errors
    /// A template that refuses the question; a choice without tokens, or longer than the window.
    pub fn choices(&self, prompt: &Prompt, choices: &[String]) -> Result<Vec<Sequence>> {
        let context = self.context(prompt)?;
        let delimiter = if context.is_chat { "" } else { " " };
        let text = context.text.trim_end();
        let blanks = &context.text[text.len()..];
        let asked = match text {
            "" => self.before_nothing()?,
            text => self.encode(text, context.is_chat)?,
        };
        let sequence = |choice: &String| {
            let said = format!("{blanks}{delimiter}{choice}");
            let whole = match text {
                "" => [asked.clone(), self.tokenizer.encode(&said)?].concat(),
                text => self.encode(&format!("{text}{said}"), context.is_chat)?,
            };
            self.scored(whole, asked.len(), choice)
        };
        choices.iter().map(sequence).collect()
    }

    /// The tokens of a question that is to be answered in at most so many; its beginning is cut off where
    /// the answer would not fit the window.
    ///
    /// # Errors
    /// A template that refuses the question; a window too short for any.
    pub fn question(&self, prompt: &Prompt, max_new_tokens: usize) -> Result<Vec<u32>> {
        let context = self.context(prompt)?;
        let mut tokens = match context.text.as_str() {
            "" => self.before_nothing()?,
            text => self.encode(text, context.is_chat)?,
        };
        let room = self.window.saturating_sub(max_new_tokens);
        if room == 0 {
            return Err(Error::config(format!(
                "answers of {max_new_tokens} tokens leave no room for a question in a window of {}\n\
                 hint: lower --max-new-tokens, in a comparison compare.max_new_tokens",
                self.window
            )));
        }
        tokens.drain(..tokens.len().saturating_sub(room));
        Ok(tokens)
    }

    fn context(&self, prompt: &Prompt) -> Result<Context> {
        let messages = match (prompt, self.asking) {
            (Prompt::Text(text), Asking::Plain) => {
                return Ok(Context { text: text.clone(), is_chat: false });
            }
            (Prompt::Text(text), Asking::Chat) => vec![Message::new("user", text)],
            (Prompt::Messages(messages), _) => messages.clone(),
        };
        let template = self.template.as_ref().ok_or_else(|| {
            Error::Text(
                "a conversation needs a chat template, and the model has none\n\
                 hint: choose one with --template NAME"
                    .into(),
            )
        })?;
        let special = self.tokenizer.special();
        let text = template.render_messages(&messages, None, Ending::GenerationPrompt, special)?;
        Ok(Context { text, is_chat: true })
    }

    /// A template writes its special tokens itself.
    fn encode(&self, text: &str, is_chat: bool) -> Result<Vec<u32>> {
        let special = self.tokenizer.special();
        let begins = |token: &Option<SpecialToken>| {
            token.as_ref().is_some_and(|token| text.starts_with(&token.text))
        };
        let has_its_own = begins(if special.bos.is_some() { &special.bos } else { &special.eos });
        let opening = if is_chat || has_its_own { &[] } else { self.tokenizer.opening() };
        Ok([opening, &self.tokenizer.encode(text)?].concat())
    }

    /// What a text without a question begins with: bos, or else eos.
    fn before_nothing(&self) -> Result<Vec<u32>> {
        let special = self.tokenizer.special();
        let token = special.bos.as_ref().or(special.eos.as_ref()).and_then(|token| token.id);
        token.map(|token| vec![token]).ok_or_else(|| {
            Error::Text(
                "a question is empty, and the tokenizer names no bos and no eos token to begin with"
                    .into(),
            )
        })
    }

    /// The tokens behind `start` scored; of too many tokens the last. What is scored last need not fit
    /// the window: nothing comes after it.
    fn scored(&self, mut tokens: Vec<u32>, start: usize, choice: &str) -> Result<Sequence> {
        let num_scored = tokens.len().saturating_sub(start);
        let most = self.window.saturating_add(1);
        if num_scored == 0 || num_scored >= most {
            return Err(Error::Text(format!(
                "the choice `{choice}` has {num_scored} tokens of its own, expected 1 to {}",
                most - 1
            )));
        }
        let excess = tokens.len().saturating_sub(most);
        tokens.drain(..excess);
        let scored = (tokens.len() - num_scored..tokens.len()).into();
        Ok(Sequence { tokens, scored })
    }
}
