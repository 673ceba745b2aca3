//! Which texts need not be made again: those of many samples are kept as tokens beside the run, by a hash of everything
//! they come from.

use super::{hexadecimal, sha256};
use iterit_core::config::Config;
use iterit_core::corpus::KeptTexts;
use iterit_core::dataset::Row;
use iterit_core::span::Encoder;
use iterit_core::{Error, Result};
use sha2::{Digest, Sha256};
use std::fmt::{self, Write as _};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

/// The texts of fewer samples are made in a moment.
const FEWEST: usize = 10_000;

/// The folder beside those of runs.
const FOLDER: &str = ".texts";

/// What a template asks the time by; what it prints lasts an hour at least.
const CLOCK: &str = "strftime_now";
const HOUR: Duration = Duration::from_secs(60 * 60);

/// Where the tokens of these rows are kept, if there are many and the run has a folder to keep them beside.
pub(super) fn kept(
    config: &Config,
    encoder: &Encoder,
    rows: [&[Row]; 2],
) -> Result<Option<KeptTexts>> {
    let Some(out) = config.output.path.as_ref().filter(|_| config.output.keep_texts) else {
        return Ok(None);
    };
    if rows.map(<[Row]>::len).iter().sum::<usize>() < FEWEST {
        return Ok(None);
    }
    let name = name(config.model_path()?, encoder, rows)?;
    let folder = out.parent().unwrap_or(Path::new("")).join(FOLDER);
    Ok(Some(KeptTexts::new(&folder, &name)))
}

/// A hash of rows, tokenizer, template, rules and this very program.
fn name(model: &Path, encoder: &Encoder, rows: [&[Row]; 2]) -> Result<String> {
    let mut hash = Hash(Sha256::new());
    let program = std::env::current_exe().and_then(fs::metadata);
    let built = program.and_then(|it| Ok((it.len(), it.modified()?)));
    let template = encoder.template().source();
    let hour = UNIX_EPOCH.elapsed().unwrap_or_default().as_secs() / HOUR.as_secs();
    let hour = template.contains(CLOCK).then_some(hour);
    hash.add(format_args!("{built:?} {template:?} {hour:?} {:?}", encoder.options()));
    for file in texts_of(model)? {
        hash.add(format_args!("{:?} {}", file.file_name(), sha256(&file)?));
    }
    for rows in rows {
        hash.add(format_args!("{} rows", rows.len()));
        rows.iter().for_each(|row| hash.add(format_args!("{:?}", row.conversation)));
    }
    Ok(hexadecimal(&hash.0.finalize()[..16]))
}

/// Everything in a model's folder but weights, by name.
fn texts_of(model: &Path) -> Result<Vec<PathBuf>> {
    const KINDS: [&str; 4] = ["json", "jinja", "txt", "model"];
    let mut files = Vec::new();
    for entry in fs::read_dir(model).map_err(Error::io("read", model))? {
        let path = entry.map_err(Error::io("read", model))?.path();
        let is_text = path.extension().is_some_and(|it| KINDS.iter().any(|kind| it == *kind));
        if is_text && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

struct Hash(Sha256);

impl Hash {
    /// Adds a text, and that it ends there.
    fn add(&mut self, text: fmt::Arguments<'_>) {
        self.write_fmt(text).expect("a hash takes everything");
        self.0.update([0]);
    }
}

impl fmt::Write for Hash {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text);
        Ok(())
    }
}
