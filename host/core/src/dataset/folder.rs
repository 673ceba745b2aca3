//! Which files a path means: itself, or of a folder those of the wanted split, whether `datasets` saved
//! it, the Hugging Face hub was cloned into it, or somebody keeps files in it.
//!
//! Splits are told apart as `datasets` does: by `dataset_dict.json`, by the `configs` in the head of
//! `README.md`, else by words such as `train` in the names of files and folders.

use super::card::{self, Splits};
use crate::{Error, Result};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What samples are read for, which decides between the splits of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Purpose {
    /// To train on: the split `train`.
    #[default]
    Training,
    /// To measure by: `validation`, or where there is none `test`.
    Measuring,
}

/// The files that a path means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Files {
    /// In the order in which they are read.
    pub(super) paths: Vec<PathBuf>,
    /// What was chosen, for people.
    pub(super) note: Option<String>,
}

/// Words of names that tell a split, as `datasets` knows them.
const WORDS: [(&str, &[&str]); 3] = [
    ("train", &["train", "training"]),
    ("validation", &["validation", "valid", "dev", "val"]),
    ("test", &["test", "testing", "eval", "evaluation"]),
];

/// What data is stored in.
const EXTENSIONS: [&str; 8] =
    ["json", "jsonl", "ndjson", "csv", "tsv", "parquet", "arrow", "feather"];

/// What describes data and holds none.
const DESCRIPTIONS: [&str; 4] =
    ["dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"];

/// The files that a path means.
///
/// # Errors
/// A folder without data or of a model; splits of which none is the wanted one.
pub(super) fn files(path: &Path, purpose: Purpose) -> Result<Files> {
    if !path.is_dir() {
        return match path.exists() {
            true => Ok(Files { paths: vec![path.to_owned()], note: None }),
            false => Err(missing(path)),
        };
    }
    if path.join("dataset_dict.json").is_file() {
        return saved_dict(path, purpose);
    }
    if path.join("state.json").is_file() {
        return Ok(Files { paths: saved(path)?, note: None });
    }
    let mut found = Vec::new();
    gather_data(path, &mut BTreeSet::new(), &mut found)?;
    found.sort();
    if found.is_empty() || path.join("tokenizer.json").is_file() {
        return Err(Error::file(path, nothing_in(path)));
    }
    let splits = match card::splits(path, &found)? {
        Some(splits) => splits,
        None => by_words(path, found),
    };
    let (name, paths) = choose(path, splits.keys().map(String::as_str).collect(), purpose)
        .map(|name| (name.clone(), splits[&name].clone()))?;
    not_twice(path, &paths)?;
    let others: Vec<&str> = splits.keys().map(String::as_str).filter(|it| *it != name).collect();
    let note = (!name.is_empty()).then(|| chosen(&name, &others, paths.len()));
    Ok(Files { paths, note })
}

fn chosen(name: &str, others: &[&str], num_files: usize) -> String {
    let files = if num_files == 1 { "1 file".to_owned() } else { format!("{num_files} files") };
    let others = match others {
        [] => String::new(),
        others => format!("; left out: {}", quoted(others)),
    };
    format!("the split `{name}` is read, {files}{others}")
}

fn quoted(names: &[&str]) -> String {
    let name = |name: &&str| match *name {
        "" => "files that belong to no split".to_owned(),
        name => format!("`{name}`"),
    };
    names.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// The split to read: the one for the purpose, or the only one.
fn choose(path: &Path, names: Vec<&str>, purpose: Purpose) -> Result<String> {
    let wanted: &[&str] = match purpose {
        Purpose::Training => &["train"],
        Purpose::Measuring => &["validation", "test"],
    };
    let is_wanted = |name: &&str| wanted.iter().any(|wanted| name.starts_with(wanted));
    let beginning: Vec<&str> = names.iter().copied().filter(is_wanted).collect();
    let exact = wanted.iter().copied().find(|wanted| names.contains(wanted));
    let told = match (exact, &beginning[..], &names[..]) {
        (Some(name), _, _) => Some(name),
        (None, [name], _) => Some(*name),
        // A folder of one split, whatever it is called, unless its name says that it is another's.
        (None, [], [""]) => Some(""),
        (None, [], [name]) if purpose == Purpose::Training && !is_held_out(name) => Some(*name),
        _ => None,
    };
    told.map(str::to_owned).ok_or_else(|| {
        Error::file(
            path,
            format!(
                "its splits are {}, expected {}\nhint: name the split's files or its folder",
                quoted(&names),
                quoted(wanted).replace(", ", " or ")
            ),
        )
    })
}

fn is_held_out(name: &str) -> bool {
    WORDS[1..].iter().any(|(_, words)| pieces(name).any(|piece| words.contains(&piece.as_str())))
}

fn read_json(path: &Path) -> Result<Value> {
    let text = fs::read(path).map_err(Error::io("read", path))?;
    serde_json::from_slice(&text).map_err(|error| Error::file(path, format!("not JSON: {error}")))
}

/// A `DatasetDict` as `save_to_disk` leaves it: a folder a split.
fn saved_dict(path: &Path, purpose: Purpose) -> Result<Files> {
    let dict: Value = read_json(&path.join("dataset_dict.json"))?;
    let names: Vec<&str> =
        dict["splits"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let name = choose(path, names.clone(), purpose)?;
    if !is_plain(&name) {
        let message = format!("its split `{name}` is no name of a folder in it");
        return Err(Error::file(path.join("dataset_dict.json"), message));
    }
    let paths = saved(&path.join(&name))?;
    let others: Vec<&str> = names.into_iter().filter(|it| *it != name).collect();
    let note = Some(chosen(&name, &others, paths.len()));
    Ok(Files { paths, note })
}

/// A `Dataset` as `save_to_disk` leaves it: `state.json` lists its files in order.
fn saved(path: &Path) -> Result<Vec<PathBuf>> {
    let state_path = path.join("state.json");
    let state: Value = read_json(&state_path)?;
    let files = state["_data_files"].as_array().map(Vec::as_slice).unwrap_or_default();
    let plain = |name: &&str| is_plain(name);
    let name = |file: &Value| file["filename"].as_str().filter(plain).map(|name| path.join(name));
    match files.iter().map(name).collect::<Option<Vec<_>>>() {
        Some(paths) if !paths.is_empty() => Ok(paths),
        _ => Err(Error::file(
            &state_path,
            "`_data_files` names no files beside it, expected those that `datasets` saved",
        )),
    }
}

/// A name that does not lead out of its folder.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.contains(['/', '\\']) && !name.starts_with("..")
}

/// Every file of data below a folder; hidden ones and descriptions are none. A folder that links lead to
/// again, or in a circle, is looked into once.
fn gather_data(
    folder: &Path,
    seen: &mut BTreeSet<PathBuf>,
    found: &mut Vec<PathBuf>,
) -> Result<()> {
    if !seen.insert(folder.canonicalize().map_err(Error::io("read", folder))?) {
        return Ok(());
    }
    let entries = fs::read_dir(folder).map_err(Error::io("read", folder))?;
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<_>>()
        .map_err(Error::io("read", folder))?;
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with('.') || DESCRIPTIONS.contains(&name.as_str()) {
            continue;
        }
        match path.is_dir() {
            true => gather_data(&path, seen, found)?,
            false if EXTENSIONS.contains(&extension(&name)) => found.push(path),
            false => {}
        }
    }
    Ok(())
}

/// The extension of a name, packed or not.
fn extension(name: &str) -> &str {
    let plain = name.trim_end_matches(".gz").trim_end_matches(".zst");
    plain.rsplit_once('.').map_or("", |(_, extension)| extension)
}

fn by_words(folder: &Path, files: Vec<PathBuf>) -> Splits {
    let mut splits = Splits::new();
    for file in files {
        let relative = file.strip_prefix(folder).unwrap_or(&file).to_string_lossy().to_lowercase();
        splits.entry(split_of(&relative)).or_default().push(file);
    }
    // Where no name tells a split for training, every file that tells none is one.
    if !splits.contains_key("train")
        && let Some(files) = splits.remove("")
    {
        let name = if splits.is_empty() { "" } else { "train" };
        splits.insert(name.to_owned(), files);
    }
    splits
}

/// The split that the names in a path tell; `NAME-00000-of-00001` is one of its own.
fn split_of(relative: &str) -> String {
    let name = relative.rsplit('/').next().unwrap_or(relative);
    if let Some((split, numbers)) = name.split_once('-')
        && numbers.len() > 14
        && numbers.as_bytes()[5..].starts_with(b"-of-")
    {
        return split.to_owned();
    }
    let is_told = |(_, words): &&(&str, &[&str])| {
        relative.split('/').any(|part| pieces(part).any(|piece| words.contains(&piece.as_str())))
    };
    WORDS.iter().find(is_told).map_or(String::new(), |(split, _)| (*split).to_owned())
}

fn pieces(name: &str) -> impl Iterator<Item = String> {
    name.split(|it: char| "-._ ".contains(it) || it.is_ascii_digit()).map(str::to_owned)
}

/// The same rows in two formats would be trained on twice.
fn not_twice(folder: &Path, files: &[PathBuf]) -> Result<()> {
    let mut seen = BTreeMap::<PathBuf, &Path>::new();
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let stem = name.trim_end_matches(".gz").trim_end_matches(".zst");
        let stem = file.with_file_name(stem.rsplit_once('.').map_or(stem, |(stem, _)| stem));
        if let Some(other) = seen.insert(stem, file) {
            let name =
                |path: &Path| path.strip_prefix(folder).unwrap_or(path).display().to_string();
            return Err(Error::file(
                folder,
                format!(
                    "`{}` and `{}` are the same but for their format, expected one of them\n\
                     hint: name the files to read",
                    name(other),
                    name(file)
                ),
            ));
        }
    }
    Ok(())
}

fn nothing_in(folder: &Path) -> String {
    let is_model = folder.join("tokenizer.json").is_file();
    let what = if is_model { "it is a model's folder" } else { "no file of data in it" };
    format!("{what}, expected files of .{}", EXTENSIONS.join(", ."))
}

/// Nothing at a path; a name on the hub is a common cause.
fn missing(path: &Path) -> Error {
    let text = path.to_string_lossy();
    let is_name = text.split('/').filter(|part| !part.is_empty()).count() == 2
        && !text.starts_with(['/', '.'])
        && path.extension().is_none();
    if !is_name {
        return Error::io("read", path)(std::io::Error::from_raw_os_error(NO_SUCH_FILE));
    }
    Error::file(
        path,
        format!(
            "no such file or folder\nhint: a data set of the Hugging Face hub is fetched first: \
             hf download --repo-type dataset {text} --local-dir FOLDER"
        ),
    )
}

/// `ENOENT`
const NO_SUCH_FILE: i32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    /// The files of a folder that are read for a purpose, or what is said; the note last.
    fn check(names: &[&str], purpose: Purpose, expected: &[&str]) {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let (name, content) = name.split_once('=').unwrap_or((name, ""));
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let at = format!("{}/", folder.path().display());
        let found = match files(folder.path(), purpose) {
            Ok(Files { paths, note }) => {
                let paths = paths.iter().map(|path| path.display().to_string().replace(&at, ""));
                paths.chain(note).collect()
            }
            Err(error) => vec![error.to_string().replace(at.trim_end_matches('/'), "DIR")],
        };
        assert_eq!(found, expected, "{names:?}");
    }

    #[test]
    fn a_folder_means_the_files_of_a_split() {
        let training =
            |names: &[&str], expected: &[&str]| check(names, Purpose::Training, expected);
        training(&["b.json", "a.jsonl.gz", "README.md", ".x.json"], &["a.jsonl.gz", "b.json"]);
        training(
            &[
                "data/train-00000-of-00002.parquet",
                "data/train-00001-of-00002.parquet",
                "data/test-00000-of-00001.parquet",
            ],
            &[
                "data/train-00000-of-00002.parquet",
                "data/train-00001-of-00002.parquet",
                "the split `train` is read, 2 files; left out: `test`",
            ],
        );
        training(
            &["my_train.csv", "dev.csv"],
            &["my_train.csv", "the split `train` is read, 1 file; left out: `validation`"],
        );
        training(
            &["all.csv", "test.csv"],
            &["all.csv", "the split `train` is read, 1 file; left out: `test`"],
        );
        training(
            &["train_sft-00000-of-00001.parquet", "test_sft-00000-of-00001.parquet"],
            &[
                "train_sft-00000-of-00001.parquet",
                "the split `train_sft` is read, 1 file; left out: `test_sft`",
            ],
        );
        training(
            &["train_sft-00000-of-00001.parquet", "train_gen-00000-of-00001.parquet"],
            &[
                "`DIR`: its splits are `train_gen`, `train_sft`, expected `train`\nhint: name the split's files or its folder",
            ],
        );
        training(
            &["train.json", "train.csv"],
            &[
                "`DIR`: `train.csv` and `train.json` are the same but for their format, expected one of them\nhint: name the files to read",
            ],
        );
        training(
            &["test.json"],
            &[
                "`DIR`: its splits are `test`, expected `train`\nhint: name the split's files or its folder",
            ],
        );
        training(
            &["config.json", "tokenizer.json"],
            &[
                "`DIR`: it is a model's folder, expected files of .json, .jsonl, .ndjson, .csv, .tsv, .parquet, .arrow, .feather",
            ],
        );
        training(
            &["notes.txt"],
            &[
                "`DIR`: no file of data in it, expected files of .json, .jsonl, .ndjson, .csv, .tsv, .parquet, .arrow, .feather",
            ],
        );
        check(
            &["train.json", "validation.json", "test.json"],
            Purpose::Measuring,
            &[
                "validation.json",
                "the split `validation` is read, 1 file; left out: `test`, `train`",
            ],
        );
        check(
            &["train.json"],
            Purpose::Measuring,
            &[
                "`DIR`: its splits are `train`, expected `validation` or `test`\nhint: name the split's files or its folder",
            ],
        );
    }

    #[test]
    fn what_datasets_saved_lists_its_files() {
        let state = r#"train/state.json={"_data_files": [{"filename": "b.arrow"}, {"filename": "a.arrow"}]}"#;
        check(
            &[
                r#"dataset_dict.json={"splits": ["test", "train"]}"#,
                state,
                "train/a.arrow",
                "train/b.arrow",
            ],
            Purpose::Training,
            &[
                "train/b.arrow",
                "train/a.arrow",
                "the split `train` is read, 2 files; left out: `test`",
            ],
        );
        check(&[&state["train/".len()..]], Purpose::Training, &["b.arrow", "a.arrow"]);
        for name in ["../secret.arrow", "/etc/secret.arrow"] {
            check(
                &[&format!(r#"state.json={{"_data_files": [{{"filename": "{name}"}}]}}"#)],
                Purpose::Training,
                &[
                    "`DIR/state.json`: `_data_files` names no files beside it, expected those that `datasets` saved",
                ],
            );
        }
        check(
            &[r#"dataset_dict.json={"splits": ["train/../../other"]}"#],
            Purpose::Training,
            &[
                "`DIR/dataset_dict.json`: its split `train/../../other` is no name of a folder in it",
            ],
        );
    }

    #[test]
    fn links_in_a_circle_are_followed_once() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).unwrap();
        fs::write(inner.join("a.json"), "").unwrap();
        for name in ["b", "c", "d"] {
            std::os::unix::fs::symlink(folder.path(), inner.join(name)).unwrap();
        }
        let found = files(folder.path(), Purpose::Training).unwrap();
        assert_eq!(found.paths, [inner.join("a.json")]);
    }

    #[test]
    fn a_card_made_to_fill_the_memory_is_refused() {
        let laughs: String = (1..30).fold("configs: &a0 [x, x]\n".to_owned(), |head, level| {
            let before = level - 1;
            head + &format!("b{level}: &a{level} [*a{before}, *a{before}]\n")
        });
        let told = "`DIR/README.md`: its head nests more than 64 deep or has more than 8 aliases";
        for head in [laughs, format!("configs:\n{}x", "- ".repeat(100_000))] {
            let card = format!("README.md=---\n{head}\n---\n");
            check(&[&card, "a.json"], Purpose::Training, &[told]);
        }
    }

    #[test]
    fn the_card_of_a_data_set_tells_its_splits() {
        let card = "README.md=---\nlicense: mit\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: \"data/big-*\"\n  - split: test\n    path: data/x.json\n---\n# Hello\n";
        check(
            &[card, "data/big-1.json", "data/big-2.json", "data/x.json", "y.json"],
            Purpose::Training,
            &[
                "data/big-1.json",
                "data/big-2.json",
                "the split `train` is read, 2 files; left out: `test`",
            ],
        );
        let several = "README.md=---\nconfigs:\n- config_name: a\n  data_files: a/*\n- config_name: b\n  data_files: b/*\n---\n";
        check(
            &[several, "a/x.json", "b/x.json"],
            Purpose::Training,
            &[
                "`DIR/README.md`: it has the configurations `a`, `b`, expected one, or one that is the default\nhint: name the files or the folder of one",
            ],
        );
    }
}
