//! What makes exported weights a Hugging Face folder that talks: the tokenizer's files, the chat
//! template the model was trained under, and a generation configuration that stops where it should.

use crate::span::Encoder;
use crate::{Error, Result, whole_file};
use serde_json::{Map, Value, json};
use std::fs;
use std::path::Path;

/// The files a tokenizer may consist of.
const TOKENIZER_FILES: [&str; 7] = [
    "tokenizer.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "tokenizer.model",
];

/// Adds to a folder of exported weights what else the model's origin has.
///
/// # Errors
/// Files that cannot be read or written.
pub fn complete(origin: &Path, encoder: &Encoder, folder: &Path) -> Result<()> {
    for name in TOKENIZER_FILES.iter().filter(|name| origin.join(name).is_file()) {
        let (from, to) = (origin.join(name), folder.join(name));
        // Not `fs::copy`, which would carry the permissions of the origin over too.
        whole_file::write(&to, &fs::read(&from).map_err(Error::io("read", &from))?)?;
    }
    // The template stands in a file of its own; a second one in the configuration could differ.
    whole_file::write(&folder.join("chat_template.jinja"), encoder.template().source().as_bytes())?;
    let mut tokenizer_config = object(&origin.join("tokenizer_config.json"))?;
    tokenizer_config.shift_remove("chat_template");
    whole_file::write_json(&folder.join("tokenizer_config.json"), &tokenizer_config)?;
    let generation = generation_config(object(&origin.join("generation_config.json"))?, encoder)?;
    whole_file::write_json(&folder.join("generation_config.json"), &generation)
}

/// Generation stops at what the origin named, at what ends a response in training, and at what the
/// template puts behind one.
fn generation_config(mut config: Map<String, Value>, encoder: &Encoder) -> Result<Value> {
    let mut stops: Vec<u32> = encoder.tokenizer().stop_ids().to_vec();
    let end_of_turn = encoder.end_of_turn()?;
    for end in [Some(encoder.target_end()), end_of_turn.as_deref()].into_iter().flatten() {
        // An end of several tokens cannot be named here.
        if let [id] = encoder.tokenizer().encode(end)?[..]
            && !stops.contains(&id)
        {
            stops.push(id);
        }
    }
    let stops = if let [stop] = stops[..] { json!(stop) } else { json!(stops) };
    config.insert("eos_token_id".into(), stops);
    let special = encoder.tokenizer().special();
    for (name, token) in [("bos_token_id", &special.bos), ("pad_token_id", &special.pad)] {
        if let Some(id) = token.as_ref().and_then(|token| token.id) {
            config.entry(name).or_insert(json!(id));
        }
    }
    Ok(Value::Object(config))
}

/// A JSON object of the folder; an empty one where there is no file.
fn object(path: &Path) -> Result<Map<String, Value>> {
    if !path.is_file() {
        return Ok(Map::new());
    }
    crate::run_directory::read_json(path)
}
