//! A model folder's tokenizer: `tokenizer.json`, the tokens that the files beside it declare, and what
//! they say about the end of a text and the longest one.
//!
//! Nothing is ever added on encoding: chat templates print the special tokens themselves.

mod folder;
mod class;
mod declared;
mod rebuilt;
mod special;
mod tokens;

pub use special::{SpecialToken, SpecialTokens};
pub use tokens::Tokens;

use crate::guard::guarded;
use crate::{Error, Result, model_folder};
use class::Class;
use declared::{Declared, Listed};
use folder::Folder;
use rebuilt::Difference;
use serde_json::Value;
use std::path::Path;
use tokenizers::{AddedToken, ModelWrapper};

/// Text to tokens and back.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    special: SpecialTokens,
    stop_ids: Vec<u32>,
    opening: Vec<u32>,
    model_max_length: Option<usize>,
    warnings: Vec<String>,
}

impl Tokenizer {
    /// Opens the tokenizer of a Hugging Face model folder, with the special tokens that any of its files
    /// declares, as transformers 5 does.
    ///
    /// # Errors
    /// A folder without `tokenizer.json`, or a file in it that does not say what it should.
    pub fn open(path: &Path) -> Result<Self> {
        let file = path.join("tokenizer.json");
        if !file.is_file() {
            model_folder::check(path)?;
            return Err(Error::file(path, NO_TOKENIZER));
        }
        let not_one = |why: String| Error::file(&file, format!("not a tokenizer: {why}"));
        let mut inner = guarded(|| tokenizers::Tokenizer::from_file(&file))
            .map_err(not_one)?
            .map_err(|error| not_one(error.to_string()))?;
        // The file may ask for both; the window is ours to keep, and masks go by length.
        inner.with_padding(None);
        let opening = opening(&inner);
        // What it would add is not wanted, and it takes blanks out of the offsets of their tokens.
        inner.with_post_processor(None::<tokenizers::PostProcessorWrapper>);
        inner.with_truncation(None).map_err(|error| Error::file(&file, error.to_string()))?;
        let had_dropout = take_dropout(&mut inner);

        let folder = Folder::read(path)?;
        let class = Class::of(&folder);
        let declared = declared(&folder, &inner, class)?;
        let mut warnings = add(&mut inner, &folder, &declared)?;
        if let Some(class) = class {
            let difference = rebuilt::difference(&folder, class, &declared, &inner)?;
            warnings.extend(difference.map(|difference| other_tokens(class, &difference)));
        }
        warnings.extend(unusual(&folder.tokenizer_config));
        warnings.extend(had_dropout.then(|| NO_DROPOUT.to_owned()));
        // Last, since telling texts hold special tokens.
        inner.set_encode_special_tokens(folder.tokenizer_config["split_special_tokens"] == true);

        let special = SpecialTokens::new(declared.named, |text| inner.token_to_id(text));
        let stop_ids =
            [&folder.generation_config["eos_token_id"], folder.model_field("eos_token_id")]
                .into_iter()
                .map(token_ids)
                .find(|ids| !ids.is_empty())
                .unwrap_or_else(|| special.eos.iter().filter_map(|eos| eos.id).collect());
        let config = &folder.tokenizer_config;
        Ok(Self {
            inner,
            special,
            stop_ids,
            opening,
            model_max_length: limit(&config["model_max_length"]).or(limit(&config["max_len"])),
            warnings,
        })
    }

    /// The tokens of a text, nothing added.
    ///
    /// # Errors
    /// Text the tokenizer cannot take.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let encoding = asked(|| self.inner.encode_fast(text, false))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The tokens of a text, nothing added, and the bytes of it that each stands for.
    ///
    /// # Errors
    /// Text the tokenizer cannot take.
    pub fn encode_with_offsets(&self, text: &str) -> Result<Tokens> {
        let encoding = asked(|| self.inner.encode(text, false))?;
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
        asked(|| self.inner.decode(tokens, false))
    }

    /// The text of some tokens, without special ones.
    ///
    /// # Errors
    /// Ids the vocabulary does not have.
    pub fn plain_text(&self, tokens: &[u32]) -> Result<String> {
        asked(|| self.inner.decode(tokens, true))
    }

    /// What tokenizer.json would put before a text that no chat template has written: a bos token, or
    /// nothing. It is never put there unasked.
    pub fn opening(&self) -> &[u32] {
        &self.opening
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

    /// One more than the largest token id.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab(true).values().max().map_or(0, |&id| id as usize + 1)
    }

    /// What the user should know of the folder: that others read it otherwise, say.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

const NO_TOKENIZER: &str = "no `tokenizer.json`, expected the folder of a Hugging Face model\nhint: an \
    older tokenizer becomes one with transformers' AutoTokenizer.from_pretrained(…).save_pretrained(…)";

const NO_DROPOUT: &str = "`dropout` in tokenizer.json, by which a text has other tokens each time it is \
    read, is not applied: a response has to have the same ones wherever it is asked";

/// Lets every merge of a BPE happen; whether some were left out by chance.
fn take_dropout(tokenizer: &mut tokenizers::Tokenizer) -> bool {
    let ModelWrapper::BPE(model) = tokenizer.get_model() else { return false };
    if model.dropout.is_none_or(|part| part == 0.0) {
        return false;
    }
    let mut model = model.clone();
    model.dropout = None;
    tokenizer.with_model(model);
    true
}

/// What stands before the tokens of a letter.
fn opening(tokenizer: &tokenizers::Tokenizer) -> Vec<u32> {
    let ids =
        |special| asked(|| tokenizer.encode_fast("a", special)).map(|it| it.get_ids().to_vec());
    let (Ok(plain), Ok(whole)) = (ids(false), ids(true)) else { return Vec::new() };
    let place = whole.windows(plain.len().max(1)).position(|window| window == plain);
    place.map_or_else(Vec::new, |place| whole[..place].to_vec())
}

/// What the tokenizer answers. Its parts are a stranger's too: an expression that backtracks for ever ends
/// in a panic.
fn asked<T>(question: impl FnOnce() -> tokenizers::Result<T>) -> Result<T> {
    let failed = |why: String| Error::Text(format!("the tokenizer failed: {why}"));
    guarded(question).map_err(failed)?.map_err(|error| failed(error.to_string()))
}

fn declared(
    folder: &Folder,
    tokenizer: &tokenizers::Tokenizer,
    class: Option<&Class>,
) -> Result<Declared> {
    let known: Listed = tokenizer.get_added_tokens_decoder().into_iter().collect();
    let defaults = class.map_or(&[][..], |class| class.defaults);
    // A class may name a token that this vocabulary does not have; it is not made up here.
    let defaults: Vec<_> = defaults
        .iter()
        .copied()
        .filter(|(_, text)| tokenizer.token_to_id(text).is_some())
        .collect();
    Declared::gather(folder, &known, &defaults)
}

/// Adds the declared tokens, or gives those that are there already the declared flags.
fn add(
    tokenizer: &mut tokenizers::Tokenizer,
    folder: &Folder,
    declared: &Declared,
) -> Result<Vec<String>> {
    let is_new = |token: &AddedToken| tokenizer.token_to_id(&token.content).is_none();
    let new: Vec<bool> = declared.listed.values().map(is_new).collect();
    let tokens: Vec<AddedToken> = declared.all().cloned().collect();
    guarded(|| tokenizer.add_tokens(&tokens))
        .map_err(|why| folder.fault("tokenizer.json", format!("takes no more tokens: {why}")))?;
    let mut warnings = Vec::new();
    for ((&id, AddedToken { content, .. }), is_new) in declared.listed.iter().zip(new) {
        match tokenizer.token_to_id(content) {
            Some(found) if found == id => {}
            Some(found) if !is_new => warnings.push(format!(
                "token `{content}` has id {found} in tokenizer.json and {id} in the files beside it; \
                 it is read as {found}, as transformers does"
            )),
            found => {
                let found = found.map_or("none".into(), |id| id.to_string());
                let fault = format!(
                    "token `{content}` has id {id} here, and {found} behind those of \
                     tokenizer.json, where transformers puts it\nhint: save the folder again with \
                     the tokenizer it was trained with"
                );
                return Err(folder.fault(folder.list(), fault));
            }
        }
    }
    Ok(warnings)
}

fn other_tokens(class: &Class, difference: &Difference) -> String {
    let Difference { text, here, there } = difference;
    format!(
        "transformers 5 opens this tokenizer as `{}`, which splits text by rules of its own instead \
         of those in tokenizer.json: {text:?} becomes {here} tokens here and {there} there, so a \
         model trained here reads other tokens when it is served there\nhint: open it there with \
         PreTrainedTokenizerFast.from_pretrained(…)",
        class.name
    )
}

/// Wishes that are followed, or not, otherwise than one might think.
fn unusual(tokenizer_config: &Value) -> Vec<String> {
    let mut warnings = Vec::new();
    if tokenizer_config["split_special_tokens"] == true {
        warnings.push(
            "`split_special_tokens` in tokenizer_config.json: special tokens that the chat template \
             prints are read as plain text, as transformers does"
                .into(),
        );
    }
    let auto_map = &tokenizer_config["auto_map"];
    if auto_map.is_array() || !auto_map["AutoTokenizer"].is_null() {
        warnings.push(
            "`auto_map` in tokenizer_config.json: the tokenizer's own code is not run; tokens are \
             those of tokenizer.json"
                .into(),
        );
    }
    warnings
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
