//! Files of instruction data become rows, whatever holds them and in the layouts people keep such data
//! in.
//!
//! A row that cannot be read is an error that names the file, the row (counted from 0, as sample ids
//! are) and the field; several are reported at once, those of several files too. No row is skipped
//! but those that the user allows to be bad, and these are told.

mod drawn;
mod near_duplicates;

mod card;
mod folder;

mod field_names;
mod format;

mod reader;

mod fault;
mod turns;

mod row;

mod fields;
mod file;
mod hold_out;
mod source;

pub use drawn::Drawn;
pub(crate) use fault::{fault, kind};
pub use field_names::FieldNames;
pub use file::objects;
pub use folder::Purpose;
pub use format::DataFormat;
pub use hold_out::{EvalSplit, hold_out};
pub use near_duplicates::{Repeat, repeats};
pub use row::Row;
pub use source::{SOURCE_FIELDS, Source};
pub(crate) use turns::read as read_turns;

use crate::{Error, Result};
use iterit_sdk::{LogLevel, Sample};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How files are read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReadOptions {
    /// What a row looks like.
    pub format: DataFormat,
    /// What the rows are for.
    pub purpose: Purpose,
    /// What the files call the fields of that layout.
    pub fields: FieldNames,
    /// Rows that may be bad before reading fails, in all files together.
    pub skip_bad: usize,
    /// By source, how many of its rows are kept: up to 1 a share of them, above 1 a count.
    pub sources: BTreeMap<String, f64>,
}

impl From<DataFormat> for ReadOptions {
    fn from(format: DataFormat) -> Self {
        Self { format, ..Self::default() }
    }
}

/// What some files hold.
#[derive(Debug, Clone, Default)]
pub struct Dataset {
    /// The rows of all files, in order; their positions are the ids of samples.
    pub rows: Vec<Row>,
    /// What is to be said of the files.
    pub notes: Vec<Note>,
    /// Where the rows came from, in order.
    pub sources: Vec<Source>,
    /// The sha256 of the bytes that were read, by path.
    pub sha256: BTreeMap<String, String>,
}

/// Something a person should know of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// How much it matters.
    pub level: LogLevel,
    /// In a sentence that names the file.
    pub message: String,
}

impl Note {
    fn of(level: LogLevel, path: &Path, message: &str) -> Self {
        Self { level, message: format!("`{}`: {message}", path.display()) }
    }
}

impl Dataset {
    /// The rows as plugins and pages see them.
    pub fn samples(&self) -> Vec<Sample> {
        (0..).zip(&self.rows).map(|(id, row)| row.sample(id)).collect()
    }
}

/// The rows of some files and folders, in order; ids run through all of them.
///
/// # Errors
/// No path, one that cannot be read, one without samples, rows that are not what they should be; those
/// of all paths together.
pub fn load(paths: &[PathBuf], options: impl Into<ReadOptions>) -> Result<Dataset> {
    let options = options.into();
    if paths.is_empty() {
        return Err(Error::config(
            "`data.path` is not set\nhint: give it with --data FILE or in the configuration",
        ));
    }
    let names = source::names(paths);
    source::check_known(&names, &options)?;
    let mut dataset = Dataset::default();
    let mut bad = file::BadRows::allowed(options.skip_bad);
    let mut faults = Vec::new();
    for (path, name) in paths.iter().zip(&names) {
        let before = dataset.rows.len();
        match load_path(path, &options, &mut bad, &mut dataset) {
            Ok(()) => source::end(name, before, paths.len(), &options, &mut dataset),
            Err(error) => faults.push(error),
        }
    }
    match faults.len() {
        0 => {}
        1 => return Err(faults.remove(0)),
        _ => return Err(Error::Several(faults)),
    }
    dataset.notes.extend(bad.note());
    Ok(dataset)
}

fn load_path(
    path: &Path,
    options: &ReadOptions,
    bad: &mut file::BadRows,
    dataset: &mut Dataset,
) -> Result<()> {
    let files = folder::files(path, options.purpose)?;
    let note = files.note.as_deref().map(|note| Note::of(LogLevel::Info, path, note));
    dataset.notes.extend(note);
    files.paths.iter().try_for_each(|file| file::load(file, options, bad, dataset))
}
