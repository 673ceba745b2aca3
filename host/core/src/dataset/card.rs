//! The head of a data set's `README.md` on the Hugging Face hub, as far as it says which files make
//! which split (<https://huggingface.co/docs/hub/datasets-manual-configuration>).

use crate::{Error, Result};
use glob::{MatchOptions, Pattern};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use yaml_rust2::parser::{Event, Parser};
use yaml_rust2::{Yaml, YamlLoader};

/// Files of a split, by its name; an empty name where nothing tells which split it is.
pub(super) type Splits = BTreeMap<String, Vec<PathBuf>>;

/// What a head may be, in bytes, in levels, and in uses of what it has named before: each of these may
/// double what it holds.
const LONGEST: usize = 1 << 20;
const DEEPEST: usize = 64;
const MOST_ALIASES: usize = 8;

/// `*` stays within a folder, as the shell has it.
const MATCH: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// The splits of the default configuration, of the files found; nothing where the card names none.
///
/// # Errors
/// A head that is no YAML, several configurations without a default, patterns that match nothing.
pub(super) fn splits(folder: &Path, found: &[PathBuf]) -> Result<Option<Splits>> {
    let path = folder.join("README.md");
    let Ok(text) = std::fs::read_to_string(&path) else { return Ok(None) };
    let Some(head) = head(&text).filter(|head| head.contains("configs")) else { return Ok(None) };
    let head = load(head).map_err(|told| Error::file(&path, told))?;
    let Some(configs) = head.first().and_then(|head| head["configs"].as_vec()) else {
        return Ok(None);
    };
    let config = default(configs).map_err(|told| Error::file(&path, told))?;
    let base = config["data_dir"].as_str().map_or(folder.to_owned(), |it| folder.join(it));
    let mut splits = Splits::new();
    for (split, pattern) in patterns(&config["data_files"]) {
        let files = matching(&base, &pattern, found);
        if files.is_empty() {
            return Err(Error::file(
                &path,
                format!(
                    "no file matches `{pattern}` of the split `{split}`\nhint: download the whole data set"
                ),
            ));
        }
        splits.entry(split).or_default().extend(files);
    }
    Ok((!splits.is_empty()).then_some(splits))
}

/// What stands between the first two lines of three dashes.
fn head(text: &str) -> Option<&str> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let rest = text.strip_prefix("---")?.trim_start_matches('\r').strip_prefix('\n')?;
    rest.find("\n---").map(|end| &rest[..end + 1])
}

/// Every document of a head that stays within bounds, which its parser knows none of.
fn load(head: &str) -> Result<Vec<Yaml>, String> {
    if head.len() > LONGEST {
        return Err(format!("its head is longer than {} KiB", LONGEST >> 10));
    }
    let not_yaml = |error| format!("its head is not YAML: {error}");
    let mut events = Parser::new_from_str(head);
    let (mut depth, mut aliases) = (0_usize, 0);
    loop {
        match events.next_token().map_err(not_yaml)?.0 {
            Event::SequenceStart(..) | Event::MappingStart(..) => depth += 1,
            Event::SequenceEnd | Event::MappingEnd => depth = depth.saturating_sub(1),
            Event::Alias(_) => aliases += 1,
            Event::StreamEnd => break,
            _ => {}
        }
        if depth > DEEPEST || aliases > MOST_ALIASES {
            return Err(format!(
                "its head nests more than {DEEPEST} deep or has more than {MOST_ALIASES} aliases"
            ));
        }
    }
    YamlLoader::load_from_str(head).map_err(not_yaml)
}

/// The only configuration, or the default one.
fn default(configs: &[Yaml]) -> Result<&Yaml, String> {
    let is_default = |config: &&Yaml| {
        config["default"].as_bool() == Some(true)
            || config["config_name"].as_str() == Some("default")
    };
    if let [one] = configs {
        return Ok(one);
    }
    configs.iter().find(is_default).ok_or_else(|| {
        let names: Vec<&str> = configs.iter().filter_map(|it| it["config_name"].as_str()).collect();
        format!(
            "it has the configurations `{}`, expected one, or one that is the default\n\
             hint: name the files or the folder of one",
            names.join("`, `")
        )
    })
}

/// Pairs of split and pattern: of a text or a list of them, which are for training, or a list of
/// `{split, path}`.
fn patterns(files: &Yaml) -> Vec<(String, String)> {
    let of_split = |split: &str, path: &Yaml| -> Vec<(String, String)> {
        let paths = match path {
            Yaml::Array(paths) => paths.iter().filter_map(Yaml::as_str).collect(),
            path => Vec::from_iter(path.as_str()),
        };
        paths.into_iter().map(|path| (split.to_owned(), path.to_owned())).collect()
    };
    let Yaml::Array(items) = files else { return of_split("train", files) };
    let of_item = |item: &Yaml| match item["split"].as_str() {
        Some(split) => of_split(split, &item["path"]),
        None => of_split("train", item),
    };
    items.iter().flat_map(of_item).collect()
}

fn matching(base: &Path, pattern: &str, found: &[PathBuf]) -> Vec<PathBuf> {
    let Ok(compiled) = Pattern::new(pattern.trim_start_matches("./")) else { return Vec::new() };
    let matches = |file: &&PathBuf| {
        let relative = file.strip_prefix(base);
        relative.is_ok_and(|relative| {
            // A pattern may be a folder, too.
            relative.starts_with(pattern) || compiled.matches_path_with(relative, MATCH)
        })
    };
    found.iter().filter(matches).cloned().collect()
}
