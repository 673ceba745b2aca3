//! One file's rows, and all that is to be said of it.

use super::fields::Fields;
use super::{DataFormat, Dataset, Note, ReadOptions, Row, reader, row};
use crate::{Error, Result};
use iterit_sdk::LogLevel;
use serde_json::{Map, Value};
use std::path::Path;

/// Faults shown before the rest is only counted.
const SHOWN_FAULTS: usize = 5;

/// Rows that may be bad, and those that were.
#[derive(Debug)]
pub(super) struct BadRows {
    left: usize,
    skipped: Vec<String>,
}

impl BadRows {
    pub(super) fn allowed(number: usize) -> Self {
        Self { left: number, skipped: Vec::new() }
    }

    /// What is to be said of those that were skipped.
    pub(super) fn note(self) -> Option<Note> {
        let message = format!(
            "{} bad rows are skipped, as `data.skip_bad` allows\n  {}",
            self.skipped.len(),
            self.skipped.join("\n  ")
        );
        (!self.skipped.is_empty()).then_some(Note { level: LogLevel::Warn, message })
    }
}

/// Adds the rows of a file.
///
/// # Errors
/// A file that cannot be read, no row in it, more bad ones than may be.
pub(super) fn load(
    path: &Path,
    options: &ReadOptions,
    bad: &mut BadRows,
    dataset: &mut Dataset,
) -> Result<()> {
    let mut file = FileReader {
        options,
        last: None,
        num_rows: 0,
        num_preferences: 0,
        faults: Faults::keeping(bad.left.max(SHOWN_FAULTS)),
        fields: Fields::default(),
        rows: &mut dataset.rows,
    };
    let read = reader::rows(path, &mut |place, row| file.take(place, row));
    let FileReader { num_rows, num_preferences, faults, fields, .. } = file;
    let account = match read {
        Ok(_) if num_rows == 0 => return Err(Error::file(path, "no sample in it, expected some")),
        Ok(account) if faults.number <= bad.left => account,
        Ok(_) => return Err(bad_rows(path, num_rows, faults, None)),
        Err(reader::Failure::Io(error)) => return Err(Error::io("read", path)(error)),
        Err(reader::Failure::Content(message)) if faults.number == 0 => {
            return Err(Error::file(path, message));
        }
        Err(reader::Failure::Content(message)) => {
            return Err(bad_rows(path, num_rows, faults, Some(message)));
        }
    };
    bad.left -= faults.number;
    bad.skipped
        .extend(faults.kept.into_iter().map(|fault| format!("`{}`: {fault}", path.display())));
    dataset.sha256.insert(path.display().to_string(), account.sha256);
    let notes = account.notes.iter().map(|note| Note::of(LogLevel::Info, path, note));
    dataset.notes.extend(notes);
    if num_preferences > 0 {
        let message = format!(
            "{num_preferences} rows are preferences: the chosen side is learnt, the rejected one is \
             not read"
        );
        dataset.notes.push(Note::of(LogLevel::Warn, path, &message));
    }
    dataset.notes.extend(fields.notes(path));
    Ok(())
}

/// The rows of a file that is no data to train on, each made into what it stands for.
///
/// # Errors
/// A file that cannot be read, no row in it, every row that is not what it should be.
pub fn objects<T>(
    path: &Path,
    mut parse: impl FnMut(Map<String, Value>) -> Result<T, String>,
) -> Result<Vec<T>> {
    let (mut rows, mut faults) = (Vec::new(), Faults::keeping(SHOWN_FAULTS));
    let read = reader::rows(path, &mut |place, row| match row
        .and_then(row::object)
        .and_then(&mut parse)
    {
        Ok(row) => rows.push(row),
        Err(fault) => faults.add(format!("{place}: {fault}")),
    });
    let num_rows = rows.len() + faults.number;
    match read {
        Ok(_) if num_rows == 0 => Err(Error::file(path, "no row in it, expected some")),
        Ok(_) if faults.number == 0 => Ok(rows),
        Ok(_) => Err(bad_rows(path, num_rows, faults, None)),
        Err(reader::Failure::Io(error)) => Err(Error::io("read", path)(error)),
        Err(reader::Failure::Content(message)) if faults.number == 0 => {
            Err(Error::file(path, message))
        }
        Err(reader::Failure::Content(message)) => {
            Err(bad_rows(path, num_rows, faults, Some(message)))
        }
    }
}

fn bad_rows(path: &Path, num_rows: usize, faults: Faults, failure: Option<String>) -> Error {
    let Faults { kept, number: num_faults, .. } = faults;
    let is_of_names = kept.iter().any(|fault| fault.contains(": the fields are "));
    let mut lines: Vec<String> = kept.into_iter().take(SHOWN_FAULTS).collect();
    lines.extend(failure);
    if num_faults > SHOWN_FAULTS {
        lines.push(format!("and {} more", num_faults - SHOWN_FAULTS));
    }
    let hint = match is_of_names {
        true => {
            "\nhint: where fields have other names, --set data.fields.instruction=NAME and --set \
             data.fields.output=NAME say so"
        }
        false => "",
    };
    let total = format!("{num_faults} of {num_rows} rows cannot be read");
    Error::file(path, format!("{total}\n  {}{hint}", lines.join("\n  ")))
}

/// What is wrong with rows: the first ones as they are told, the rest by their number, for a file may be
/// wrong in every row.
struct Faults {
    kept: Vec<String>,
    most: usize,
    number: usize,
}

impl Faults {
    fn keeping(most: usize) -> Self {
        Self { kept: Vec::new(), most, number: 0 }
    }

    fn add(&mut self, fault: String) {
        self.number += 1;
        if self.kept.len() < self.most {
            self.kept.push(fault);
        }
    }
}

/// Gathers the rows of one file.
struct FileReader<'a> {
    options: &'a ReadOptions,
    /// The layout of the row before, which is told of a row that has none of its own.
    last: Option<DataFormat>,
    num_rows: usize,
    num_preferences: usize,
    faults: Faults,
    fields: Fields,
    rows: &'a mut Vec<Row>,
}

impl FileReader<'_> {
    fn take(&mut self, place: &str, row: Result<Value, String>) {
        self.num_rows += 1;
        let row = row
            .and_then(row::object)
            .and_then(|fields| self.options.fields.apply(fields))
            .and_then(|fields| {
                let layout = self.layout(&fields)?;
                self.num_preferences += usize::from(layout == DataFormat::Preference);
                row::row(fields, layout)
            });
        match row {
            Ok(row) => {
                self.fields.see(&row);
                self.rows.push(row);
            }
            Err(fault) => self.faults.add(format!("{place}: {fault}")),
        }
    }

    fn layout(&mut self, fields: &Map<String, Value>) -> Result<DataFormat, String> {
        if self.options.format != DataFormat::Auto {
            return Ok(self.options.format);
        }
        let layout = DataFormat::detect(fields).or_else(|fault| self.last.ok_or(fault))?;
        self.last = Some(layout);
        Ok(layout)
    }
}
