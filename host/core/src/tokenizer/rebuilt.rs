//! A tokenizer as a class with rules of its own rebuilds it, held beside the one that `tokenizer.json`
//! says: what is trained here should be what is served elsewhere.

use super::class::{Class, Rules};
use super::declared::Declared;
use super::folder::Folder;
use crate::guard::guarded;
use crate::{Error, Result};
use serde_json::{Value, json};
use std::collections::HashSet;
use tokenizers::{AddedToken, Tokenizer};

/// A text that the two read differently, and how many tokens each makes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) text: String,
    pub(super) here: usize,
    pub(super) there: usize,
}

/// The first of some telling texts that the class reads differently from `ours`; `None` where it reads
/// all of them alike. A tokenizer that it could not rebuild at all differs in the first.
pub(super) fn difference(
    folder: &Folder,
    class: &Class,
    declared: &Declared,
    ours: &Tokenizer,
) -> Result<Option<Difference>> {
    let rules = class.rules(&folder.tokenizer_config);
    if same(&rules, folder) && keeps_added_tokens(declared, ours) {
        return Ok(None);
    }
    let theirs = rebuild(folder, &rules, declared)?;
    for text in telling_texts(declared) {
        let count = |ids: Option<&[u32]>| ids.map_or(0, <[u32]>::len);
        let here = encode(ours, &text);
        let there = theirs.as_ref().and_then(|theirs| encode(theirs, &text));
        if here != there {
            let (here, there) = (count(here.as_deref()), count(there.as_deref()));
            return Ok(Some(Difference { text, here, there }));
        }
    }
    Ok(None)
}

const TRIM: &str = r#""trim_offsets":true"#;

/// Whether `tokenizer.json` says just what the class does.
fn same(rules: &Rules, folder: &Folder) -> bool {
    let pipeline = &folder.pipeline;
    let blank = |text: &Option<String>| text.as_deref().unwrap_or_default().to_owned();
    let options = |model: &super::folder::ModelOptions| {
        (
            model.kind.clone(),
            blank(&model.unk_token),
            blank(&model.continuing_subword_prefix),
            blank(&model.end_of_word_suffix),
            [model.fuse_unk, model.byte_fallback, model.ignore_merges],
        )
    };
    // Where a blank belongs to, which no id depends on.
    let told_apart = |step: &Value| step.to_string().replace(r#""trim_offsets":false"#, TRIM);
    rules.normalizer == pipeline.normalizer
        && told_apart(&rules.pre_tokenizer) == told_apart(&pipeline.pre_tokenizer)
        && options(&rules.model) == options(&pipeline.model)
}

/// The class knows no added tokens but those that are declared.
fn keeps_added_tokens(declared: &Declared, ours: &Tokenizer) -> bool {
    let known: HashSet<&str> = declared.all().map(|token| token.content.as_str()).collect();
    ours.get_added_vocabulary().get_vocab().keys().all(|text| known.contains(text.as_str()))
}

/// `tokenizer.json` with its vocabulary, the class's rules and the declared tokens; `None` where the
/// vocabulary is of another kind.
fn rebuild(folder: &Folder, rules: &Rules, declared: &Declared) -> Result<Option<Tokenizer>> {
    let path = folder.tokenizer_path();
    let text = std::fs::read(&path).map_err(Error::io("read", &path))?;
    let mut file: Value = serde_json::from_slice(&text)
        .map_err(|error| Error::file(&path, format!("not a tokenizer: {error}")))?;
    if !file["model"]["merges"].is_array() {
        return Ok(None);
    }
    file["normalizer"] = rules.normalizer.clone();
    file["pre_tokenizer"] = rules.pre_tokenizer.clone();
    file["added_tokens"] = json!([]);
    file["post_processor"] = Value::Null;
    let model = &rules.model;
    for (name, value) in [
        ("type", json!("BPE")),
        ("dropout", Value::Null),
        ("unk_token", json!(model.unk_token)),
        ("continuing_subword_prefix", json!(model.continuing_subword_prefix)),
        ("end_of_word_suffix", json!(model.end_of_word_suffix)),
        ("fuse_unk", json!(model.fuse_unk)),
        ("byte_fallback", json!(model.byte_fallback)),
        ("ignore_merges", json!(model.ignore_merges)),
    ] {
        file["model"][name] = value;
    }
    let tokens: Vec<AddedToken> = declared.all().cloned().collect();
    let theirs = guarded(|| {
        let mut theirs = file.to_string().parse::<Tokenizer>().ok()?;
        theirs.add_tokens(&tokens);
        Some(theirs)
    });
    Ok(theirs.ok().flatten())
}

/// Texts in which rules for blanks, words, digits, accents and added tokens show.
fn telling_texts(declared: &Declared) -> impl Iterator<Item = String> {
    let named = |name: &str| {
        let found = declared.named.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, text)| text.as_str())
    };
    let (bos, eos) = (named("bos_token"), named("eos_token"));
    let plain = [
        format!("{bos}Hello, world{eos}\nHello  again{eos}"),
        " Hello  world\n\n\tIt's 1234567, don't you?  ".to_owned(),
        "cafe\u{301} naïve 日本語 ไทย हिन्दी ½ …—🙂\r\n".to_owned(),
    ];
    let around: Vec<String> =
        declared.all().map(|token| format!("a {0} b{0}c", token.content)).collect();
    plain.into_iter().chain(around)
}

fn encode(tokenizer: &Tokenizer, text: &str) -> Option<Vec<u32>> {
    let encoding = guarded(|| tokenizer.encode_fast(text, false)).ok()?;
    Some(encoding.ok()?.get_ids().to_vec())
}
