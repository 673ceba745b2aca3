//! Chat templates: conversations become text, to the character as transformers renders them.

mod builtin;
mod environment;

use crate::conversation::Message;
use crate::nearest::nearest;
use crate::tokenizer::SpecialTokens;
use crate::{Error, Result};
use iterit_sdk::Turn;
use minijinja::{Environment, ErrorKind, context};
use serde_json::Value;
use std::path::Path;

/// A Jinja chat template.
///
/// ```
/// use iterit_core::template::{ChatTemplate, Ending};
/// use iterit_core::{Role, Turn, tokenizer::SpecialTokens};
/// let template = ChatTemplate::builtin("chatml").unwrap();
/// let turns = [Turn::new(Role::User, "Hi")];
/// assert_eq!(
///     template.render(&turns, Ending::GenerationPrompt, &SpecialTokens::default())?,
///     "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
/// );
/// # Ok::<(), iterit_core::Error>(())
/// ```
pub struct ChatTemplate {
    name: String,
    source: String,
    environment: Environment<'static>,
}

/// What follows the last turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Nothing: the conversation is whole.
    Closed,
    /// The opening of a turn that the assistant will write.
    GenerationPrompt,
}

impl ChatTemplate {
    /// The template of `data.template`: a built-in name or a file; unset, the model's own.
    ///
    /// # Errors
    /// Where there is none, naming those there are.
    pub fn choose(choice: Option<&str>, model: &Path) -> Result<Self> {
        let Some(choice) = choice else {
            return Self::of_model(model)?.ok_or_else(|| {
                Error::Text(format!(
                    "the model `{}` has no chat template\nhint: choose one with \
                     --set data.template=NAME, one of {}, or the path of a file",
                    model.display(),
                    Self::names().collect::<Vec<_>>().join(", "),
                ))
            });
        };
        match Self::builtin(choice) {
            Some(template) => Ok(template),
            None if Path::new(choice).is_file() => Self::from_file(Path::new(choice)),
            None => Err(Error::Text(format!(
                "`data.template` is `{choice}`, neither a file nor a built-in name{}\nhint: the \
                 names are {}",
                nearest(choice, Self::names())
                    .map(|name| format!(", the nearest is `{name}`"))
                    .unwrap_or_default(),
                Self::names().collect::<Vec<_>>().join(", "),
            ))),
        }
    }

    /// The names of the built-in templates.
    pub fn names() -> impl Iterator<Item = &'static str> {
        builtin::BUILTIN.iter().map(|(name, _)| *name)
    }

    /// A built-in template.
    pub fn builtin(name: &str) -> Option<Self> {
        let (name, source) = builtin::BUILTIN.iter().find(|(known, _)| *known == name)?;
        Some(Self::new(*name, *source).expect("a built-in template is valid Jinja"))
    }

    /// A template from a file of its own.
    ///
    /// # Errors
    /// A file that cannot be read or is no Jinja.
    pub fn from_file(path: &Path) -> Result<Self> {
        let source = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
        Self::new(path.display().to_string(), source)
    }

    /// The template that a model folder brings along: `chat_template.jinja`, else the field of
    /// `tokenizer_config.json`, where a list of templates means its `default`.
    ///
    /// # Errors
    /// A file that cannot be read or does not hold a template.
    pub fn of_model(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join("chat_template.jinja");
        if path.is_file() {
            return Self::from_file(&path).map(Some);
        }
        let path = folder.join("tokenizer_config.json");
        if !path.is_file() {
            return Ok(None);
        }
        let text = std::fs::read_to_string(&path).map_err(Error::io("read", &path))?;
        let config: Value = serde_json::from_str(&text)
            .map_err(|error| Error::file(&path, format!("not JSON: {error}")))?;
        let source = match &config["chat_template"] {
            Value::Null => return Ok(None),
            Value::Array(templates) => templates
                .iter()
                .find(|template| template["name"] == "default")
                .map_or(&Value::Null, |template| &template["template"]),
            template => template,
        };
        match source.as_str() {
            Some(source) => Self::new(path.display().to_string(), source).map(Some),
            None => Err(Error::file(
                &path,
                "`chat_template` is neither a text nor a list with a template named `default`",
            )),
        }
    }

    /// A template from its source; `name` is what messages call it.
    ///
    /// # Errors
    /// A source that is no Jinja, with the line.
    pub fn new(name: impl Into<String>, source: impl Into<String>) -> Result<Self> {
        let (name, source) = (name.into(), source.into());
        let mut environment = environment::environment();
        environment
            .add_template_owned("chat", environment::without_generation_marks(&source))
            .map_err(|error| failed(&name, &error))?;
        Ok(Self { name, source, environment })
    }

    /// Its name or file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its Jinja source, as it stood.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The text of a conversation.
    ///
    /// # Errors
    /// Where the template refuses the conversation.
    pub fn render(
        &self,
        turns: &[Turn],
        ending: Ending,
        special: &SpecialTokens,
    ) -> Result<String> {
        let messages: Vec<Message> = turns.iter().map(Message::from).collect();
        self.render_messages(&messages, None, ending, special)
    }

    /// The text of whole messages, and of the tools that may be called: every field reaches the
    /// template, as from transformers.
    ///
    /// # Errors
    /// Where the template refuses the conversation.
    pub fn render_messages(
        &self,
        messages: &[Message],
        tools: Option<&Value>,
        ending: Ending,
        special: &SpecialTokens,
    ) -> Result<String> {
        let special: minijinja::Value = special.texts().collect();
        let variables = context! {
            messages => minijinja::Value::from_serialize(messages),
            add_generation_prompt => ending == Ending::GenerationPrompt,
            tools => minijinja::Value::from_serialize(tools),
            documents => (),
            ..special
        };
        self.environment
            .get_template("chat")
            .and_then(|template| template.render(variables))
            .map_err(|error| failed(&self.name, &error))
    }
}

fn failed(name: &str, error: &minijinja::Error) -> Error {
    let line = error.line().map(|line| format!(", line {line}")).unwrap_or_default();
    let message = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    let what =
        if error.kind() == ErrorKind::SyntaxError { "not a Jinja template" } else { "refused" };
    Error::Text(format!("template `{name}`{line}: {what}: {message}"))
}
