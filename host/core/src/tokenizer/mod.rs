//! A model folder's tokenizer: `tokenizer.json`, and what the files beside it say about the end of
//! a text and the longest one.
//!
//! Nothing is ever added on encoding: chat templates print the special tokens themselves.

mod special;
mod tokens;

pub use special::{SpecialToken, SpecialTokens};
pub use tokens::Tokens;

use crate::{Error, Result};
use serde_json::Value;
use std::path::Path;
use tokenizers::AddedToken;

/// Text to tokens and back.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    special: SpecialTokens,
    stop_ids: Vec<u32>,
    model_max_length: Option<usize>,
    max_position_embeddings: Option<usize>,
}

impl Tokenizer {
    /// Opens the tokenizer of a Hugging Face model folder.
    ///
    /// # Errors
    /// A folder without `tokenizer.json`, or a file in it that does not say what it should.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join("tokenizer.json");
        if !folder.is_dir() {
            return Err(Error::file(
                folder,
                "no such folder, expected the folder of a Hugging Face model",
            ));
        }
        if !path.is_file() {
            return Err(Error::file(
                folder,
                "no `tokenizer.json`, expected the folder of a Hugging Face model\nhint: an older \
                 tokenizer becomes one with transformers' \
                 AutoTokenizer.from_pretrained(…).save_pretrained(…)",
            ));
        }
        let mut inner = tokenizers::Tokenizer::from_file(&path)
            .map_err(|error| Error::file(&path, format!("not a tokenizer: {error}")))?;
        // The file may ask for both; the window is ours to keep, and masks go by length.
        inner.with_padding(None);
        // What it would add is not wanted, and it takes blanks out of the offsets of their tokens.
        inner.with_post_processor(None::<tokenizers::PostProcessorWrapper>);
        inner.with_truncation(None).map_err(|error| Error::file(&path, error.to_string()))?;

        let tokenizer_config = read_json(&folder.join("tokenizer_config.json"))?;
        let special_tokens_map = read_json(&folder.join("special_tokens_map.json"))?;
        let generation_config = read_json(&folder.join("generation_config.json"))?;
        let config = read_json(&folder.join("config.json"))?;
        add_tokens(&mut inner, &tokenizer_config)
            .map_err(|error| Error::file(folder.join("tokenizer_config.json"), error))?;

        let special = SpecialTokens::read(&tokenizer_config, &special_tokens_map, |text| {
            inner.token_to_id(text)
        });
        let stop_ids = [&generation_config, &config]
            .into_iter()
            .map(|file| token_ids(&file["eos_token_id"]))
            .find(|ids| !ids.is_empty())
            .unwrap_or_else(|| special.eos.iter().filter_map(|eos| eos.id).collect());
        Ok(Self {
            inner,
            special,
            stop_ids,
            model_max_length: limit(&tokenizer_config["model_max_length"]),
            max_position_embeddings: limit(&config["max_position_embeddings"]),
        })
    }

    /// The tokens of a text, nothing added.
    ///
    /// # Errors
    /// Text the tokenizer cannot take.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let encoding = self
            .inner
            .encode_fast(text, false)
            .map_err(|error| Error::Text(format!("the tokenizer failed: {error}")))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The tokens of a text, nothing added, and the bytes of it that each stands for.
    ///
    /// # Errors
    /// Text the tokenizer cannot take.
    pub fn encode_with_offsets(&self, text: &str) -> Result<Tokens> {
        let encoding = self
            .inner
            .encode(text, false)
            .map_err(|error| Error::Text(format!("the tokenizer failed: {error}")))?;
        let offsets = encoding.get_offsets().iter().map(|&(start, end)| start..end).collect();
        Ok(Tokens { ids: encoding.get_ids().to_vec(), offsets })
    }

    /// Whether the last token of a text is a special one.
    ///
    /// # Errors
    /// Text the tokenizer cannot take.
    pub fn ends_in_special(&self, text: &str) -> Result<bool> {
        let last = self.encode(text)?.last().copied();
        let added = self.inner.get_added_tokens_decoder();
        Ok(last.is_some_and(|id| {
            self.stop_ids.contains(&id) || added.get(&id).is_some_and(|token| token.special)
        }))
    }

    /// The text of some tokens, special ones included.
    ///
    /// # Errors
    /// Ids the vocabulary does not have.
    pub fn decode(&self, tokens: &[u32]) -> Result<String> {
        self.inner
            .decode(tokens, false)
            .map_err(|error| Error::Text(format!("the tokenizer failed: {error}")))
    }

    /// The named special tokens.
    pub fn special(&self) -> &SpecialTokens {
        &self.special
    }

    /// Tokens at which generation stops: `eos_token_id` of the generation or model configuration.
    pub fn stop_ids(&self) -> &[u32] {
        &self.stop_ids
    }

    /// `model_max_length`: the longest text the tokenizer is meant for.
    pub fn model_max_length(&self) -> Option<usize> {
        self.model_max_length
    }

    /// `max_position_embeddings`: the longest sequence the model was made for.
    pub fn max_position_embeddings(&self) -> Option<usize> {
        self.max_position_embeddings
    }

    /// One more than the largest token id.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab(true).values().max().map_or(0, |&id| id as usize + 1)
    }
}

/// A JSON file of the folder; null where there is none, so that every look-up in it finds nothing.
fn read_json(path: &Path) -> Result<Value> {
    if !path.exists() {
        return Ok(Value::Null);
    }
    let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
    serde_json::from_str(&text).map_err(|error| Error::file(path, format!("not JSON: {error}")))
}

/// transformers adds the tokens of `added_tokens_decoder` that `tokenizer.json` does not know.
fn add_tokens(tokenizer: &mut tokenizers::Tokenizer, config: &Value) -> Result<(), String> {
    let Some(declared) = config["added_tokens_decoder"].as_object() else { return Ok(()) };
    let mut missing = Vec::new();
    for (id, token) in declared {
        let id: u32 = id.parse().map_err(|_| format!("`added_tokens_decoder`: `{id}` is no id"))?;
        let content = token["content"].as_str().unwrap_or_default();
        if tokenizer.token_to_id(content).is_none() {
            let is = |field: &str| token[field].as_bool().unwrap_or(false);
            let added = AddedToken::from(content, is("special"))
                .single_word(is("single_word"))
                .lstrip(is("lstrip"))
                .rstrip(is("rstrip"))
                .normalized(is("normalized"));
            missing.push((id, added));
        }
    }
    missing.sort_by_key(|(id, _)| *id);
    for (id, token) in missing {
        let content = token.content.clone();
        tokenizer.add_tokens(&[token]);
        let found = tokenizer.token_to_id(&content);
        if found != Some(id) {
            return Err(format!(
                "token `{content}` has id {id} here, but {found:?} behind those of tokenizer.json"
            ));
        }
    }
    Ok(())
}

/// One id, or a list of them.
fn token_ids(value: &Value) -> Vec<u32> {
    let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    match value {
        Value::Array(ids) => ids.iter().filter_map(id).collect(),
        value => id(value).into_iter().collect(),
    }
}

/// A number of tokens; tokenizers without a limit say 1e30.
fn limit(value: &Value) -> Option<usize> {
    let limit = value.as_f64()?;
    (1.0..=1e9).contains(&limit).then_some(limit as usize)
}
