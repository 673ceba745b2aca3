//! One key set from the command line.

use crate::{Error, Result};
use toml::Value;

/// One key and its value, and what set it.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// What a message names: `--set train.epochs`, `--ratio`.
    pub(super) origin: String,
    /// The dotted key.
    pub(super) key: String,
    /// The value as TOML understands it.
    pub(super) value: Value,
    /// The text itself, for keys that take a bare string.
    pub(super) bare: Option<String>,
}

impl Setting {
    /// The argument of `--set`: `key=value`, the right side a TOML value, else a bare string.
    ///
    /// # Errors
    /// Where there is no `=`, or nothing before it.
    pub fn parse(argument: &str) -> Result<Self> {
        match argument.split_once('=') {
            Some((key, text)) if !key.trim().is_empty() => {
                let key = key.trim();
                Ok(Self::text(format!("--set {key}"), key, text))
            }
            _ => Err(Error::config(format!(
                "--set {argument}: no key, expected key=value such as train.epochs=3"
            ))),
        }
    }

    /// The text of a flag such as `--ratio`, read as `--set` reads its right side.
    pub fn flag(flag: &str, key: &str, text: &str) -> Self {
        Self::text(flag.to_owned(), key, text)
    }

    /// The list that a flag such as `--plugins` or `--data` gives.
    pub fn list(flag: &str, key: &str, items: impl IntoIterator<Item = String>) -> Self {
        let value = Value::Array(items.into_iter().map(Value::String).collect());
        Self { origin: flag.to_owned(), key: key.to_owned(), value, bare: None }
    }

    /// The key below a section, and the value, where it stands in that section.
    pub fn within(&self, section: &str) -> Option<(&str, &Value)> {
        let key = self.key.strip_prefix(section)?.strip_prefix('.')?;
        Some((key, &self.value))
    }

    fn text(origin: String, key: &str, text: &str) -> Self {
        let text = text.trim();
        let value = text.parse().unwrap_or_else(|_| Value::String(text.to_owned()));
        Self { origin, key: key.to_owned(), value, bare: Some(text.to_owned()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_side_is_toml_or_else_a_bare_string() {
        let value = |argument: &str| Setting::parse(argument).unwrap().value;
        assert_eq!(value("train.epochs=3"), Value::Integer(3));
        assert_eq!(value("train.schedule = linear"), Value::String("linear".into()));
        assert_eq!(value("data.eos_text=\" x\\n\""), Value::String(" x\n".into()));
        assert_eq!(value("data.template=llama-3.1"), Value::String("llama-3.1".into()));
        assert_eq!(value("data.eos_text=a=b"), Value::String("a=b".into()));
        assert_eq!(value("data.eos_text=1\ntrain.epochs = 2").as_str().map(str::len), Some(18));
        assert!(Setting::parse("train.epochs").is_err());
        assert!(Setting::parse("=3").is_err());
    }
}
