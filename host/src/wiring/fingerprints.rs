//! Everything that a run reads, by the part it plays, and the sha256 of it: what makes a run the run
//! it is, besides its configuration.

use super::{Choosers, sha256};
use iterit_core::config::Config;
use iterit_core::corpus::Corpus;
use iterit_core::identity::{Content, Identity};
use iterit_core::{Error, Result};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};
use toml::Value;

/// A file, and the part it plays: `data.path[0]`, `model.path/config.json`, `plugin ifd`.
pub(crate) type Part = (String, PathBuf);

/// Data, models, plugins, and the files that the options of these plugins name. The template is
/// known by its text, see [`contents`].
pub(crate) fn parts(
    config: &Config,
    choosers: &Choosers,
    read: &BTreeMap<String, String>,
) -> Result<Vec<Part>> {
    let mut parts = data_parts(config, read);
    parts.extend(model_parts(config)?);
    parts.extend(plugin_parts(config, choosers));
    Ok(parts)
}

/// The files of samples; of a folder those among `read`, by path.
pub(crate) fn data_parts(config: &Config, read: &BTreeMap<String, String>) -> Vec<Part> {
    let data = &config.data;
    let keys = [("path", &data.path), ("eval_path", &data.eval_path)];
    let keys = keys.into_iter().chain([("target_path", &data.target_path)]);
    let mut parts = Vec::new();
    for (key, paths) in keys {
        for (index, path) in paths.iter().enumerate() {
            let part = format!("data.{key}[{index}]");
            if !path.is_dir() {
                parts.push((part, path.clone()));
                continue;
            }
            for file in read.keys().map(Path::new) {
                if let Ok(relative) = file.strip_prefix(path) {
                    parts.push((format!("{part}/{}", relative.display()), file.to_owned()));
                }
            }
        }
    }
    parts
}

/// Weights, configuration, tokenizer and templates of the model, of the adapter to begin with, and of the
/// proxy: what lies in their
/// folders, and not below, where trainers keep checkpoints of their own.
pub(crate) fn model_parts(config: &Config) -> Result<Vec<Part>> {
    const KINDS: [&str; 5] = ["safetensors", "json", "jinja", "txt", "model"];
    let is_read =
        |path: &Path| path.extension().is_some_and(|it| KINDS.iter().any(|kind| it == *kind));
    let mut parts = Vec::new();
    whole_folder("model.path", config.model_path()?, &mut parts)?;
    if let Some(adapter) = &config.model.adapter {
        whole_folder("model.adapter", adapter, &mut parts)?;
        let is_read = |part: &str| !part.starts_with("model.adapter") || part.contains("/adapter_");
        parts.retain(|(part, _)| is_read(part));
    }
    if let Some(proxy) = &config.model.proxy {
        whole_folder("model.proxy", proxy, &mut parts)?;
    }
    let is_below = |part: &str| part.matches('/').count() > 1;
    parts.retain(|(part, path)| is_read(path) && !is_below(part));
    Ok(parts)
}

/// The libraries of plugins, and every file that one of their options names.
pub(crate) fn plugin_parts(config: &Config, choosers: &Choosers) -> Vec<Part> {
    let mut parts = Vec::new();
    for (name, library) in choosers.libraries() {
        parts.push((format!("plugin {name}"), library.clone()));
        if let Some(options) = config.plugins.get(name) {
            let options = Value::Table(options.clone());
            files_named(&format!("plugins.{name}"), &options, &mut parts);
        }
    }
    parts
}

/// Every text in a plugin's options that is the path of a file.
pub(crate) fn files_named(key: &str, options: &Value, found: &mut Vec<Part>) {
    match options {
        Value::String(text) if Path::new(text).is_file() => {
            found.push((key.to_owned(), PathBuf::from(text)));
        }
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items.for_each(|(index, item)| files_named(&format!("{key}[{index}]"), item, found));
        }
        Value::Table(table) => {
            table
                .iter()
                .for_each(|(name, value)| files_named(&format!("{key}.{name}"), value, found));
        }
        _ => {}
    }
}

/// The files of a folder and of those in it, by name. Those that tools keep for themselves (`.git`,
/// `.cache`) are no part of it.
fn whole_folder(part: &str, folder: &Path, parts: &mut Vec<Part>) -> Result<()> {
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(Error::io("read", folder))? {
        entries.push(entry.map_err(Error::io("read", folder))?.path());
    }
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let part = format!("{part}/{name}");
        if name.starts_with('.') {
            continue;
        }
        match path.is_dir() {
            true => whole_folder(&part, &path, parts)?,
            false => parts.push((part, path)),
        }
    }
    Ok(())
}

/// The sha256 of files, by path; each is read once, and those of `known` not at all: a pipe could not
/// be, and a file may have changed since.
pub(crate) fn hashes<'a>(
    parts: impl IntoIterator<Item = &'a Part>,
    known: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>> {
    let mut hashes = BTreeMap::new();
    for (_, path) in parts {
        if let Entry::Vacant(hash) = hashes.entry(path.display().to_string()) {
            let known = known.get(hash.key()).cloned();
            hash.insert(known.map_or_else(|| sha256(path), Ok)?);
        }
    }
    Ok(hashes)
}

/// What was read, by the part it plays.
pub(crate) fn contents(
    parts: &[Part],
    hashes: &BTreeMap<String, String>,
    corpus: &Corpus,
) -> BTreeMap<String, Content> {
    let file = |(part, path): &Part| {
        let path = path.display().to_string();
        let sha256 = hashes[&path].clone();
        (part.clone(), Content { path, sha256 })
    };
    let mut contents: BTreeMap<String, Content> = parts.iter().map(file).collect();
    if let Some(encoder) = corpus.encoder() {
        let template = encoder.template();
        let sha256 = super::hexadecimal(&Sha256::digest(template.source()));
        let content = Content { path: template.name().to_owned(), sha256 };
        contents.insert("data.template".to_owned(), content);
    }
    contents
}

/// The configuration of one run and what it reads. Options of plugins that it does not use are no
/// part of it: recipes are shared between runs with different plugins.
pub(crate) fn identity(
    config: &Config,
    choosers: &Choosers,
    contents: BTreeMap<String, Content>,
) -> Identity {
    let names: Vec<String> = choosers.libraries().map(|(name, _)| name.to_owned()).collect();
    Identity { config: of_plugins(config.by_key(), &names), contents }
}

/// The configuration of a run with these plugins, whether they were named by name or by path.
pub(crate) fn of_plugins(
    mut config: BTreeMap<String, serde_json::Value>,
    names: &[String],
) -> BTreeMap<String, serde_json::Value> {
    config.insert("selection.plugins".to_owned(), names.into());
    config.retain(|key, _| match key.strip_prefix("plugins.") {
        Some(rest) => names.iter().any(|name| rest.split('.').next() == Some(name)),
        None => true,
    });
    config
}
