//! Which tokens a folder declares beside `tokenizer.json`, gathered as transformers 5 gathers them.
//!
//! `added_tokens_decoder` of `tokenizer_config.json` settles ids and flags, and where it is there,
//! `special_tokens_map.json` and `added_tokens.json` are not asked. Else they are, and the map overrides
//! the names of `tokenizer_config.json`. Tokens that are only named (`bos_token` and its like, any other
//! `*_token`, `extra_special_tokens`, `additional_special_tokens`) come behind those.

use super::folder::Folder;
use crate::Result;
use crate::error::shown;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap, HashSet};
use tokenizers::AddedToken;

/// The names that every tokenizer knows, in transformers' order.
pub(super) const NAMES: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// Tokens by the ids that a folder says they have.
pub(super) type Listed = BTreeMap<u32, AddedToken>;

/// What a folder declares.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Declared {
    /// Those with an id, to be added in this order.
    pub(super) listed: Listed,
    /// Those without, to be added behind them.
    pub(super) unlisted: Vec<AddedToken>,
    /// Names and texts, in transformers' order.
    pub(super) named: Vec<(String, String)>,
}

impl Declared {
    /// Gathers them. `known` are the added tokens of `tokenizer.json`; `defaults` are the names that the
    /// folder's class gives where the folder gives none.
    ///
    /// # Errors
    /// A declaration that is neither a text nor an object with `content`.
    pub(super) fn gather(
        folder: &Folder,
        known: &Listed,
        defaults: &[(&str, &str)],
    ) -> Result<Self> {
        let (config, map) = (&folder.tokenizer_config, &folder.special_tokens_map);
        let in_config = |fault| folder.fault("tokenizer_config.json", fault);
        let mut names = Names::of_config(config).map_err(in_config)?;
        let listed = match &config["added_tokens_decoder"] {
            Value::Null => {
                let in_map = |fault| folder.fault("special_tokens_map.json", fault);
                names.override_with(map).map_err(in_map)?;
                let in_list = |fault| folder.fault("added_tokens.json", fault);
                let mut listed = older_list(&folder.added_tokens, &names).map_err(in_list)?;
                listed.extend(known.iter().map(|(&id, token)| (id, token.clone())));
                listed
            }
            listed => listed_tokens(listed).map_err(in_config)?,
        };
        for (name, text) in defaults {
            names.default_to(name, text);
        }
        if let Some(pad) = folder.pipeline.padding["pad_token"].as_str() {
            names.default_to("pad_token", pad);
        }
        Ok(Self::new(listed, &names, known))
    }

    /// All tokens, in the order in which they are added.
    pub(super) fn all(&self) -> impl Iterator<Item = &AddedToken> {
        self.listed.values().chain(&self.unlisted)
    }

    /// A token that is named is special; one that is listed, or known already, is not added again.
    fn new(mut listed: Listed, names: &Names, known: &Listed) -> Self {
        let named = names.all();
        let is_named = texts(named.iter().map(|(_, token)| token));
        for token in listed.values_mut() {
            token.special |= is_named.contains(token.content.as_str());
        }
        let mut is_there = texts(known.values().chain(listed.values()));
        let mut unlisted: Vec<AddedToken> = Vec::new();
        for token in named.iter().map(|(_, token)| token).chain(&names.extra) {
            if is_there.insert(&token.content) {
                let special = token.special || is_named.contains(token.content.as_str());
                unlisted.push(AddedToken { special, ..token.clone() });
            }
        }
        let named = named.into_iter().map(|(name, token)| (name, token.content)).collect();
        Self { listed, unlisted, named }
    }
}

/// Tokens by name, and those that have none.
#[derive(Default)]
struct Names {
    /// Those of [`NAMES`]; one that was said to be null has no token, whatever the class's default.
    standard: Vec<(String, Option<AddedToken>)>,
    /// Any other, of `special_tokens_map.json`.
    of_map: Vec<(String, AddedToken)>,
    /// Any other, of `tokenizer_config.json`; where both name one, this wins.
    of_config: Vec<(String, AddedToken)>,
    extra: Vec<AddedToken>,
    /// Whether `tokenizer_config.json` says what is extra, be it nothing.
    has_extra: bool,
}

impl Names {
    fn of_config(config: &Value) -> Result<Self, String> {
        let mut names = Self::default();
        for (name, value) in config.as_object().unwrap_or(&Map::new()) {
            if NAMES.contains(&name.as_str()) {
                names.standard.push((name.clone(), optional(name, value)?));
            } else if is_token(name, value) {
                names.of_config.push((name.clone(), token(name, value)?));
            }
        }
        let (newer, older) = ("extra_special_tokens", "additional_special_tokens");
        names.read_extra(newer, &config[newer])?;
        if names.extra.is_empty() {
            names.read_extra(older, &config[older])?;
        }
        let is_said = |name: &str| config.get(name).is_some();
        names.has_extra = !config[newer].is_object() && (is_said(newer) || is_said(older));
        Ok(names)
    }

    /// As `special_tokens_map.json` says, whose tokens are all special.
    fn override_with(&mut self, map: &Value) -> Result<(), String> {
        for (name, value) in map.as_object().unwrap_or(&Map::new()) {
            let special = |token: AddedToken| AddedToken { special: true, ..token };
            if name == "extra_special_tokens" {
                self.read_extra(name, value)?;
            } else if name == "additional_special_tokens" && !self.has_extra {
                self.extra.clear();
                self.read_extra(name, value)?;
            } else if NAMES.contains(&name.as_str()) {
                let token = optional(name, value)?.map(special);
                self.standard.retain(|(known, _)| known != name);
                self.standard.push((name.clone(), token));
            } else if is_token(name, value) {
                self.of_map.push((name.clone(), special(token(name, value)?)));
            }
        }
        Ok(())
    }

    /// A list of tokens without names, or an object of tokens with names.
    fn read_extra(&mut self, field: &str, tokens: &Value) -> Result<(), String> {
        match tokens {
            Value::Null => {}
            Value::Array(tokens) => {
                let mut seen: HashSet<String> =
                    self.extra.iter().map(|token| token.content.clone()).collect();
                for value in tokens {
                    let token = token(field, value)?;
                    if seen.insert(token.content.clone()) {
                        self.extra.push(token);
                    }
                }
            }
            Value::Object(named) => {
                for (name, value) in named {
                    self.of_config.push((name.clone(), token(name, value)?));
                }
            }
            other => {
                let found = shown(other);
                return Err(format!("`{field}`: expected a list of tokens, found `{found}`"));
            }
        }
        Ok(())
    }

    fn default_to(&mut self, name: &str, text: &str) {
        if !self.standard.iter().any(|(known, _)| known == name) {
            self.standard.push((name.to_owned(), Some(AddedToken::from(text, true))));
        }
    }

    /// Every name once, in transformers' order.
    fn all(&self) -> Vec<(String, AddedToken)> {
        let mut all = Vec::new();
        for name in NAMES {
            let said = self.standard.iter().find(|(known, _)| known == name);
            all.extend(said.and_then(|(_, token)| Some((name.to_owned(), token.clone()?))));
        }
        let mut places: HashMap<String, usize> =
            all.iter().zip(0..).map(|((name, _), place)| (name.clone(), place)).collect();
        for (name, token) in self.of_map.iter().chain(&self.of_config) {
            match places.get(name) {
                Some(&place) => all[place].1.clone_from(token),
                None => {
                    places.insert(name.clone(), all.len());
                    all.push((name.clone(), token.clone()));
                }
            }
        }
        all.retain(|(_, token)| !token.content.is_empty());
        all
    }
}

/// The texts of tokens; some files declare many thousands.
fn texts<'t>(tokens: impl Iterator<Item = &'t AddedToken>) -> HashSet<&'t str> {
    tokens.map(|token| token.content.as_str()).collect()
}

/// `added_tokens_decoder`: tokens by id.
fn listed_tokens(listed: &Value) -> Result<Listed, String> {
    let listed = listed.as_object().ok_or_else(|| {
        let found = shown(listed);
        format!("`added_tokens_decoder`: expected an object of tokens by id, found `{found}`")
    })?;
    let read = |(id, value): (&String, &Value)| {
        let parsed = id.parse().map_err(|_| format!("`added_tokens_decoder`: `{id}` is no id"))?;
        let field = format!("added_tokens_decoder.{id}");
        if !value.is_object() {
            let found = shown(value);
            return Err(format!("`{field}`: expected an object with `content`, found `{found}`"));
        }
        Ok((parsed, token(&field, value)?))
    };
    listed.iter().map(read).collect()
}

/// `added_tokens.json`: ids by text. Special are those that have a name or are listed as extra.
fn older_list(ids: &Value, names: &Names) -> Result<Listed, String> {
    let named = names.all();
    let special = texts(named.iter().map(|(_, token)| token).chain(&names.extra));
    let read = |(text, id): (&String, &Value)| {
        let parsed = id.as_u64().and_then(|id| u32::try_from(id).ok());
        let parsed =
            parsed.ok_or_else(|| format!("`{text}`: expected an id, found `{}`", shown(id)))?;
        Ok((parsed, AddedToken::from(text.clone(), special.contains(text.as_str()))))
    };
    ids.as_object().unwrap_or(&Map::new()).iter().map(read).collect()
}

/// Whether a field names a token of a model's own; `add_bos_token` and its like hold no text.
fn is_token(name: &str, value: &Value) -> bool {
    name.ends_with("_token") && (value.is_string() || value["content"].is_string())
}

fn optional(field: &str, value: &Value) -> Result<Option<AddedToken>, String> {
    if value.is_null() { Ok(None) } else { token(field, value).map(Some) }
}

/// A token is written as its text, which makes it special, or as an object that holds text and flags.
fn token(field: &str, value: &Value) -> Result<AddedToken, String> {
    let Some(content) = value["content"].as_str() else {
        return match value.as_str() {
            Some(text) => Ok(AddedToken::from(text, true)),
            None => Err(format!(
                "`{field}`: expected a token, as a text or an object with `content`, found `{}`",
                shown(value)
            )),
        };
    };
    let flag = |name: &str| value[name].as_bool();
    let token = AddedToken::from(content, flag("special").unwrap_or(false));
    let normalized = flag("normalized").unwrap_or(token.normalized);
    Ok(token
        .single_word(flag("single_word").unwrap_or(false))
        .lstrip(flag("lstrip").unwrap_or(false))
        .rstrip(flag("rstrip").unwrap_or(false))
        .normalized(normalized))
}
