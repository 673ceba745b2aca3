//! What makes exported weights a Hugging Face folder that talks: the tokenizer's files, the chat
//! templates with the one the model was trained under as the default, a generation configuration that
//! stops where it should, and whatever else loading the origin may need.

use crate::not_a_number::as_null;
use crate::span::Encoder;
use crate::{Error, Result, whole_file};
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// Files that are taken over as they are: what a tokenizer may consist of, and what prepares pictures
/// and sounds for a model that knows more than text.
const FILES: [&str; 14] = [
    "tokenizer.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tekken.json",
    "tiktoken.model",
    "preprocessor_config.json",
    "processor_config.json",
    "video_preprocessor_config.json",
];

/// The same by how their names begin or end: vocabularies, code that an `auto_map` names, and the terms
/// that the origin was published under.
const ENDINGS: [&str; 2] = [".tiktoken", ".py"];
const BEGINNINGS: [&str; 3] = ["LICENSE", "NOTICE", "USE_POLICY"];

/// Chat templates besides the default, each a file that bears its name.
const NAMED_TEMPLATES: &str = "additional_chat_templates";

/// Adds to a folder of exported weights what else the model's origin has.
///
/// # Errors
/// Files that cannot be read or written.
pub fn complete(origin: &Path, encoder: &Encoder, folder: &Path) -> Result<()> {
    for name in names(origin)?.iter().filter(|name| is_carried(name)) {
        copy(&origin.join(name), &folder.join(name))?;
    }
    let mut tokenizer_config = object(&origin.join("tokenizer_config.json"))?;
    // Templates stand in files of their own; a second one in the configuration could differ.
    let own = tokenizer_config.shift_remove("chat_template");
    templates(own.as_ref(), origin, encoder, folder)?;
    whole_file::write_json(&folder.join("tokenizer_config.json"), &tokenizer_config)?;
    let generation = generation_config(object(&origin.join("generation_config.json"))?, encoder)?;
    whole_file::write_json(&folder.join("generation_config.json"), &generation)
}

fn is_carried(name: &str) -> bool {
    FILES.contains(&name)
        || ENDINGS.iter().any(|end| name.ends_with(end))
        || BEGINNINGS.iter().any(|start| name.starts_with(start))
}

/// The template of the training as the default, and the origin's others under their names.
fn templates(
    in_config: Option<&Value>,
    origin: &Path,
    encoder: &Encoder,
    folder: &Path,
) -> Result<()> {
    let default = encoder.template().source();
    whole_file::write(&folder.join("chat_template.jinja"), default.as_bytes())?;
    let named = folder.join(NAMED_TEMPLATES);
    for template in in_config.and_then(Value::as_array).into_iter().flatten() {
        let (Some(name), Some(source)) = (template["name"].as_str(), template["template"].as_str())
        else {
            continue;
        };
        if name.contains(['/', '\\']) {
            return Err(Error::file(
                origin.join("tokenizer_config.json"),
                format!("`chat_template`: `{name}` cannot be the name of a file"),
            ));
        }
        if name != "default" {
            whole_file::write(&named.join(format!("{name}.jinja")), source.as_bytes())?;
        }
    }
    // Where both have one of a name, the file counts.
    let files = origin.join(NAMED_TEMPLATES);
    if files.is_dir() {
        for name in names(&files)?.iter().filter(|name| name.ends_with(".jinja")) {
            copy(&files.join(name), &named.join(name))?;
        }
    }
    Ok(())
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
        let is_said = config.get(name).is_some_and(|id| !id.is_null());
        if let Some(id) = token.as_ref().and_then(|token| token.id).filter(|_| !is_said) {
            config.insert(name.into(), json!(id));
        }
    }
    Ok(Value::Object(config))
}

/// The names of a folder's files, sorted.
fn names(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let path: PathBuf = entry.map_err(Error::io("read", folder))?.path();
        if let Some(name) = path.file_name().and_then(|it| it.to_str()).filter(|_| path.is_file()) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// By its contents alone: the origin may be read-only.
fn copy(from: &Path, to: &Path) -> Result<()> {
    whole_file::write(to, &fs::read(from).map_err(Error::io("read", from))?)
}

/// A JSON object of the folder; an empty one where there is no file.
fn object(path: &Path) -> Result<Map<String, Value>> {
    if !path.is_file() {
        return Ok(Map::new());
    }
    let text = fs::read(path).map_err(Error::io("read", path))?;
    serde_json::from_slice(&as_null(&text)).map_err(|error| Error::file(path, error.to_string()))
}
