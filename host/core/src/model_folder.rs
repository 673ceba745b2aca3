//! What a path that should be the folder of a Hugging Face model is instead, and what to do then.

use crate::{Error, Result};
use serde_json::Value;
use std::path::Path;

/// Refuses what is no folder with a `config.json`, and says how to come by one.
///
/// # Errors
/// A path that is no folder; the name of a model on the hub; a folder of an adapter, or of weights in
/// another layout.
pub fn check(path: &Path) -> Result<()> {
    if path.join("config.json").is_file() {
        return Ok(());
    }
    let (found, hint) = if path.is_dir() { in_folder(path) } else { no_folder(path) };
    Err(Error::file(
        path,
        format!("{found}, expected the folder of a Hugging Face model\nhint: {hint}"),
    ))
}

fn no_folder(path: &Path) -> (String, String) {
    let name = path.display().to_string();
    if path.is_file() {
        let hint = match path.extension().is_some_and(|it| it == "gguf") {
            true => "GGUF is not read: name the folder that it was converted from",
            false => "name the folder that the file lies in",
        };
        return ("this is a file".into(), hint.into());
    }
    let hint = match is_hub_name(&name) {
        true => format!(
            "this looks like the name of a model on the hub; nothing is downloaded here: \
             `hf download {name} --local-dir FOLDER` does, and --model FOLDER names it"
        ),
        false => "name a folder with config.json, tokenizer.json and safetensors in it".into(),
    };
    ("no such folder".into(), hint)
}

fn in_folder(path: &Path) -> (String, String) {
    let adapter = std::fs::read(path.join("adapter_config.json")).ok();
    if let Some(text) = adapter {
        let config: Value = serde_json::from_slice(&text).unwrap_or_default();
        let base = config["base_model_name_or_path"].as_str().unwrap_or("its base model");
        let found = format!("an adapter of `{base}` and no `config.json`");
        let hint = "name that model's folder with --model, and this one with \
                    --set model.adapter=FOLDER";
        return (found, hint.into());
    }
    let has = |is: &dyn Fn(&str) -> bool| {
        let entries = std::fs::read_dir(path).into_iter().flatten();
        entries.flatten().any(|entry| is(&entry.file_name().to_string_lossy()))
    };
    let hint = if path.join("snapshots").is_dir() {
        "this is an entry of the hub's cache: the model lies in one of the folders in snapshots/"
    } else if has(&|name| name.ends_with(".gguf")) {
        "GGUF is not read: name the folder that it was converted from"
    } else if has(&|name| name.starts_with("consolidated") || name == "params.json") {
        "these weights are in their maker's own layout: take the ones in Hugging Face's"
    } else {
        "--model takes a folder with config.json, tokenizer.json and safetensors in it"
    };
    ("no `config.json`".into(), hint.into())
}

/// `owner/name`, of the characters that the hub allows.
fn is_hub_name(path: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    let Some((owner, name)) = path.split_once('/') else { return false };
    is_part(owner) && is_part(name) && !Path::new(owner).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_model_folder_gets_a_hint_that_helps() {
        let root = tempfile::tempdir().unwrap();
        let said = |path: &Path| check(path).unwrap_err().to_string();
        let hub = said("meta-llama/Llama-3.2-1B".as_ref());
        assert!(hub.contains("hint: this looks like the name of a model on the hub"), "{hub}");
        for name in ["models/other/tiny", "./owner/name", "tiny", "/gone/tiny"] {
            let said = said(name.as_ref());
            assert!(said.contains("no such folder") && !said.contains("hub;"), "{said}");
        }
        for (file, content, hint) in [
            ("empty/notes", "", "`config.json`, expected the folder of a Hugging Face model"),
            ("gguf/model.Q4.gguf", "", "GGUF is not read"),
            ("cache/snapshots/a1/config.json", "{}", "the folders in snapshots/"),
            ("native/params.json", "{}", "in their maker's own layout"),
            (
                "adapter/adapter_config.json",
                r#"{"base_model_name_or_path": "org/base"}"#,
                "an adapter of `org/base` and no `config.json`",
            ),
        ] {
            let file = root.path().join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, content).unwrap();
            let folder = file.strip_prefix(root.path()).unwrap().components().next().unwrap();
            let said = said(&root.path().join(folder));
            assert!(said.contains(hint) && said.contains("hint: "), "{said}");
        }
        let said = said(&root.path().join("gguf/model.Q4.gguf"));
        assert!(said.contains("this is a file"), "{said}");
        assert!(check(&root.path().join("cache/snapshots/a1")).is_ok());
    }
}
