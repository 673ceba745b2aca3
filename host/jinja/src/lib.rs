//! Jinja2 as transformers sets it up for chat templates, so that a conversation becomes the same
//! text here and there.
//!
//! What a template sees are Python's values: `{{ ['a', none] }}` prints `['a', None]`, `7 and 0` is
//! `0`, `'日本x'.find('x')` counts characters. The sandbox is transformers': nothing changes a list
//! or dict, names that begin with `_` stay hidden. What Python would do and this crate does not is
//! refused by name. A template is a stranger's program, so its steps, its memory and its nesting
//! are bounded.
//!
//! The crate knows nothing of tokens, models or files. Grammar and meaning are those of the Jinja
//! documentation (<https://jinja.palletsprojects.com/en/stable/templates/>, version 3.1) and of
//! Python 3; `tests/golden/jinja.py` makes the texts that it is held against.
//!
//! ```
//! let template = iterit_jinja::Template::parse("{{ messages[0]['content'] | upper }}!")?;
//! let variables = serde_json::json!({"messages": [{"content": "hi"}]});
//! let rendering = template.render(variables.as_object().unwrap())?;
//! assert_eq!(rendering.text(), "HI!");
//! # Ok::<(), iterit_jinja::Error>(())
//! ```

#![forbid(unsafe_code)]

mod error;
mod budget;
mod characters;
mod text;
mod html;
mod clock;
mod names;

mod value;
mod write;

mod ast;
mod lexer;
mod parser;
mod operators;
mod render;

pub use error::{Error, ErrorKind, Result};

use serde_json::{Map, Value};
use std::ops::Range;

/// A parsed template.
pub struct Template {
    parsed: parser::Parsed,
}

/// What a template made of its variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendering {
    text: String,
    generated: Vec<Range<usize>>,
}

impl Template {
    /// Parses a template's source.
    ///
    /// # Errors
    /// What is no Jinja, with the line.
    pub fn parse(source: &str) -> Result<Self> {
        Ok(Self { parsed: parser::parse(source)? })
    }

    /// Renders it with variables.
    ///
    /// # Errors
    /// Where the template refuses, does what Python would not, or asks for too much.
    pub fn render(&self, variables: &Map<String, Value>) -> Result<Rendering> {
        let render::Rendered { text, generated } = render::render(&self.parsed, variables)?;
        Ok(Rendering { text, generated })
    }
}

impl Rendering {
    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text itself.
    pub fn into_text(self) -> String {
        self.text
    }

    /// What `{% generation %}` marks as the assistant's, in bytes of the text. Marks within a
    /// macro or another captured text are not among them.
    pub fn generated(&self) -> &[Range<usize>] {
        &self.generated
    }
}
