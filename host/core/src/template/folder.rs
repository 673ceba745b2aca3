//! The chat templates of a model folder: one, or several with names, wherever Hugging Face's
//! formats keep them.

use crate::not_a_number::as_null;
use crate::{Error, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The name of the template that is meant where none is named.
pub(super) const DEFAULT: &str = "default";
/// The file of the default template.
const FILE: &str = "chat_template.jinja";
/// The folder of templates with other names.
const FOLDER: &str = "additional_chat_templates";

/// A template's source, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) place: String,
    pub(super) source: String,
}

/// All templates of a folder by name. Files go before `tokenizer_config.json`, as in transformers:
/// where there is one, its field `chat_template` is not looked at.
///
/// # Errors
/// Files that cannot be read, or hold something else than templates.
pub(super) fn templates(folder: &Path) -> Result<BTreeMap<String, Source>> {
    let mut found = BTreeMap::new();
    let file = folder.join(FILE);
    if file.is_file() {
        found.insert(DEFAULT.to_owned(), read(&file)?);
    }
    let more = folder.join(FOLDER);
    if more.is_dir() {
        for entry in fs::read_dir(&more).map_err(Error::io("read", &more))? {
            let path = entry.map_err(Error::io("read", &more))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if let Some(name) = name.strip_suffix(".jinja") {
                found.insert(name.to_owned(), read(&path)?);
            }
        }
    }
    if found.is_empty() {
        of_tokenizer_config(&folder.join("tokenizer_config.json"))
    } else {
        Ok(found)
    }
}

fn read(path: &Path) -> Result<Source> {
    let source = fs::read_to_string(path).map_err(Error::io("read", path))?;
    Ok(Source { place: path.display().to_string(), source })
}

/// The field `chat_template`: one text, or a list of `{"name", "template"}`.
fn of_tokenizer_config(path: &Path) -> Result<BTreeMap<String, Source>> {
    if !path.is_file() {
        return Ok(BTreeMap::new());
    }
    let text = fs::read(path).map_err(Error::io("read", path))?;
    let config: Value = serde_json::from_slice(&as_null(&text))
        .map_err(|error| Error::file(path, format!("not JSON: {error}")))?;
    let named = |name: &str, source: &str| {
        let place = match name {
            DEFAULT => path.display().to_string(),
            _ => format!("{} ({name})", path.display()),
        };
        (name.to_owned(), Source { place, source: source.to_owned() })
    };
    let refused = || {
        Error::file(
            path,
            "`chat_template` is neither a text nor a list of {\"name\": …, \"template\": …}",
        )
    };
    match &config["chat_template"] {
        Value::Null => Ok(BTreeMap::new()),
        Value::String(source) => Ok(BTreeMap::from([named(DEFAULT, source)])),
        Value::Array(templates) => templates
            .iter()
            .map(|template| match (&template["name"], &template["template"]) {
                (Value::String(name), Value::String(source)) => Ok(named(name, source)),
                _ => Err(refused()),
            })
            .collect(),
        _ => Err(refused()),
    }
}
