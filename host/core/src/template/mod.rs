//! Chat templates: conversations become text, to the character as transformers renders them.

mod builtin;
mod folder;
mod messages;

pub use iterit_jinja::Rendering;

use crate::conversation::Message;
use crate::nearest::nearest;
use crate::tokenizer::SpecialTokens;
use crate::{Error, Result};
use folder::Source;
use iterit_jinja::{ErrorKind, Template};
use iterit_sdk::Turn;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
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
    template: Template,
}

/// All texts on lines of their own but what the assistant says last.
const NONE: &str = r#"{%- for message in messages -%}
    {{- message.content ~ ("" if loop.last and message.role == "assistant" else "\n") -}}
{%- endfor -%}"#;

/// What follows the last turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Nothing: the conversation is whole.
    Closed,
    /// The opening of a turn that the assistant will write.
    GenerationPrompt,
}

impl ChatTemplate {
    /// The template of `data.template`: a built-in name, a file, or with `name:` one of those that
    /// the model brings along; unset, the model's own.
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
        if let Some(name) = choice.strip_prefix("name:") {
            return Self::named(name, model);
        }
        match Self::builtin(choice) {
            Some(template) => Ok(template),
            None if Path::new(choice).is_file() => Self::from_file(Path::new(choice)),
            None => Err(Error::Text(format!(
                "`data.template` is `{choice}`, neither a file nor a built-in name{}\nhint: the \
                 names are {}; `name:NAME` is one of the model's own",
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

    /// What shows a conversation where there is to be no template: its texts, one a line.
    pub fn none() -> Self {
        Self::new("none", NONE).expect("it is valid Jinja")
    }

    /// A template from a file of its own.
    ///
    /// # Errors
    /// A file that cannot be read or is no Jinja.
    pub fn from_file(path: &Path) -> Result<Self> {
        let source = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
        Self::new(path.display().to_string(), source)
    }

    /// The template that a model folder brings along, of several the one named `default`.
    ///
    /// # Errors
    /// A file that cannot be read or does not hold a template; several of which none is the default.
    pub fn of_model(folder: &Path) -> Result<Option<Self>> {
        let mut templates = folder::templates(folder)?;
        if templates.is_empty() {
            return Ok(None);
        }
        match templates.remove(folder::DEFAULT) {
            Some(Source { place, source }) => Self::new(place, source).map(Some),
            None => Err(Error::Text(format!(
                "the model `{}` has several chat templates and none named `default`\nhint: choose \
                 one with --set data.template=name:NAME, of {}",
                folder.display(),
                templates.into_keys().collect::<Vec<_>>().join(", "),
            ))),
        }
    }

    /// The template of this name that a model folder brings along.
    ///
    /// # Errors
    /// Where there is none of that name, naming those there are.
    pub fn named(name: &str, folder: &Path) -> Result<Self> {
        let mut templates = folder::templates(folder)?;
        if let Some(Source { place, source }) = templates.remove(name) {
            return Self::new(place, source);
        }
        let names: Vec<String> = templates.into_keys().collect();
        let known = match &names[..] {
            [] => "it has none".to_owned(),
            names => format!("its names are {}", names.join(", ")),
        };
        Err(Error::Text(format!(
            "the model `{}` has no chat template named `{name}`{}\nhint: {known}",
            folder.display(),
            nearest(name, names.iter().map(String::as_str))
                .map(|name| format!(", the nearest is `{name}`"))
                .unwrap_or_default(),
        )))
    }

    /// The sources of all templates that a model folder brings along, by name.
    ///
    /// # Errors
    /// A file that cannot be read or does not hold templates.
    pub fn all_of_model(folder: &Path) -> Result<BTreeMap<String, String>> {
        let templates = folder::templates(folder)?;
        Ok(templates.into_iter().map(|(name, template)| (name, template.source)).collect())
    }

    /// A template from its source; `name` is what messages call it.
    ///
    /// # Errors
    /// A source that is no Jinja, with the line.
    pub fn new(name: impl Into<String>, source: impl Into<String>) -> Result<Self> {
        let (name, source) = (name.into(), source.into());
        let template = Template::parse(&source).map_err(|error| failed(&name, &error))?;
        Ok(Self { name, source, template })
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
        messages: &[impl Serialize],
        tools: Option<&Value>,
        ending: Ending,
        special: &SpecialTokens,
    ) -> Result<String> {
        self.render_marked(messages, tools, ending, special).map(Rendering::into_text)
    }

    /// The text of whole messages, and which of it the template marks as the assistant's with
    /// `{% generation %}`.
    ///
    /// # Errors
    /// Where the template refuses the conversation.
    pub fn render_marked(
        &self,
        messages: &[impl Serialize],
        tools: Option<&Value>,
        ending: Ending,
        special: &SpecialTokens,
    ) -> Result<Rendering> {
        let mut variables = Map::new();
        for (name, text) in special.texts() {
            variables.insert(name.into(), text.into());
        }
        let messages = messages.iter().map(|message| {
            let message = serde_json::to_value(message).expect("a message is JSON");
            messages::as_transformers_has_it(message)
        });
        variables.insert("messages".into(), Value::Array(messages.collect()));
        variables.insert("tools".into(), tools.cloned().unwrap_or(Value::Null));
        variables.insert("documents".into(), Value::Null);
        let asks = ending == Ending::GenerationPrompt;
        variables.insert("add_generation_prompt".into(), asks.into());
        self.template.render(&variables).map_err(|error| failed(&self.name, &error))
    }
}

fn failed(name: &str, error: &iterit_jinja::Error) -> Error {
    let line = error.line().map(|line| format!(", line {line}")).unwrap_or_default();
    let (what, hint) = match error.kind() {
        ErrorKind::Syntax => ("not a Jinja template", ""),
        ErrorKind::Raised => ("refused", ""),
        ErrorKind::Limit => {
            ("stopped", "\nhint: a chat template needs far less; look at what this one does")
        }
        ErrorKind::Unsupported => ("not supported", ""),
        _ => ("failed", ""),
    };
    Error::Text(format!("template `{name}`{line}: {what}: {}{hint}", error.message()))
}
