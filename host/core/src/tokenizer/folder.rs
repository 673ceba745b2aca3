//! The files of a model folder that say something about its tokenizer, read and not yet interpreted.

use crate::error::shown;
use crate::not_a_number::as_null;
use crate::{Error, Result};
use serde::Deserialize;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The files beside `tokenizer.json`, null where there is none, so that every look-up in it finds
/// nothing; and what `tokenizer.json` says besides its vocabulary.
pub(super) struct Folder {
    path: PathBuf,
    pub(super) tokenizer_config: Value,
    pub(super) special_tokens_map: Value,
    pub(super) added_tokens: Value,
    pub(super) generation_config: Value,
    pub(super) config: Value,
    pub(super) pipeline: Pipeline,
}

/// `tokenizer.json` without its vocabulary.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Pipeline {
    #[serde(default)]
    pub(super) normalizer: Value,
    #[serde(default)]
    pub(super) pre_tokenizer: Value,
    #[serde(default)]
    post_processor: Value,
    #[serde(default)]
    decoder: Value,
    #[serde(default)]
    pub(super) padding: Value,
    #[serde(default)]
    pub(super) model: ModelOptions,
}

/// The tokenization algorithm without its vocabulary.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct ModelOptions {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) unk_token: Option<String>,
    pub(super) continuing_subword_prefix: Option<String>,
    pub(super) end_of_word_suffix: Option<String>,
    pub(super) fuse_unk: bool,
    pub(super) byte_fallback: bool,
    pub(super) ignore_merges: bool,
}

impl Folder {
    /// Reads what there is.
    ///
    /// # Errors
    /// A file that is no JSON object.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let file = |name: &str| read_object(&path.join(name));
        Ok(Self {
            path: path.to_owned(),
            tokenizer_config: file("tokenizer_config.json")?,
            special_tokens_map: file("special_tokens_map.json")?,
            added_tokens: file("added_tokens.json")?,
            generation_config: file("generation_config.json")?,
            config: file("config.json")?,
            pipeline: read_pipeline(&path.join("tokenizer.json"))?,
        })
    }

    /// The path of `tokenizer.json`.
    pub(super) fn tokenizer_path(&self) -> PathBuf {
        self.path.join("tokenizer.json")
    }

    /// A fault in one of the files, by its name.
    pub(super) fn fault(&self, file: &str, fault: String) -> Error {
        Error::file(self.path.join(file), fault)
    }

    /// The file that lists tokens with ids.
    pub(super) fn list(&self) -> &'static str {
        match self.tokenizer_config["added_tokens_decoder"].is_null() {
            true => "added_tokens.json",
            false => "tokenizer_config.json",
        }
    }

    /// A field of `config.json`; a model that wraps a language model keeps it in `text_config`.
    pub(super) fn model_field(&self, name: &str) -> &Value {
        match &self.config[name] {
            Value::Null => &self.config["text_config"][name],
            value => value,
        }
    }
}

impl Pipeline {
    /// Whether any step works on bytes, written as characters.
    pub(super) fn has_byte_level(&self) -> bool {
        [&self.normalizer, &self.pre_tokenizer, &self.post_processor, &self.decoder]
            .into_iter()
            .any(|step| step.to_string().contains("\"ByteLevel\""))
    }
}

fn read_object(path: &Path) -> Result<Value> {
    if !path.is_file() {
        return Ok(Value::Null);
    }
    let text = std::fs::read(path).map_err(Error::io("read", path))?;
    let value: Value = serde_json::from_slice(&as_null(&text))
        .map_err(|error| Error::file(path, format!("not JSON: {error}")))?;
    match value {
        Value::Object(_) => Ok(value),
        other => {
            Err(Error::file(path, format!("expected a JSON object, found `{}`", shown(&other))))
        }
    }
}

fn read_pipeline(path: &Path) -> Result<Pipeline> {
    let text = std::fs::read(path).map_err(Error::io("read", path))?;
    serde_json::from_slice(&text)
        .map_err(|error| Error::file(path, format!("not a tokenizer: {error}")))
}
