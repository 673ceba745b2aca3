//! Files of instruction data become rows: JSON arrays and JSON Lines, plain or packed, in the
//! layouts people keep such data in.
//!
//! A row that cannot be read is an error that names the file, the row (counted from 0, as sample ids
//! are) and the field; several are reported at once. No row is skipped.

mod drawn;
mod fields;
mod format;
mod reader;
mod row;
mod turns;

pub use drawn::Drawn;
pub use format::DataFormat;
pub use row::Row;

use crate::{Error, Result};
use fields::Fields;
use iterit_sdk::{LogLevel, Sample};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Faults shown before the rest is only counted.
const SHOWN_FAULTS: usize = 5;

/// What some files hold.
#[derive(Debug, Clone, Default)]
pub struct Dataset {
    /// The rows of all files, in order; their positions are the ids of samples.
    pub rows: Vec<Row>,
    /// What is to be said of the files.
    pub notes: Vec<Note>,
}

/// Something a person should know of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// How much it matters.
    pub level: LogLevel,
    /// In a sentence that names the file.
    pub message: String,
}

impl Dataset {
    /// The rows as plugins and pages see them.
    pub fn samples(&self) -> Vec<Sample> {
        (0..).zip(&self.rows).map(|(id, row)| row.sample(id)).collect()
    }
}

/// The rows of some files, in order; ids run through all of them.
///
/// # Errors
/// No file, one that cannot be read, one without samples, or rows that are not what they should be.
pub fn load(paths: &[PathBuf], format: DataFormat) -> Result<Dataset> {
    if paths.is_empty() {
        return Err(Error::config(
            "`data.path` is not set\nhint: give it with --data FILE or in the configuration",
        ));
    }
    let mut dataset = Dataset::default();
    for path in paths {
        load_file(path, format, &mut dataset)?;
    }
    Ok(dataset)
}

/// Parts the last rows from those before them, for evaluation: ⌊n · `fraction`⌋ of them, at
/// least one. The last ones, so that the ids of the others stay their positions in the input.
///
/// # Errors
/// Where nothing would be left to train on.
pub fn hold_out(mut rows: Vec<Row>, fraction: f64) -> Result<(Vec<Row>, Vec<Row>)> {
    let num_held = ((rows.len() as f64 * fraction) as usize).max(1);
    if num_held >= rows.len() {
        return Err(Error::config(format!(
            "`data.eval_fraction` is {fraction}: {num_held} of {} samples, expected to leave some \
             to train on",
            rows.len()
        )));
    }
    let held = rows.split_off(rows.len() - num_held);
    Ok((rows, held))
}

fn load_file(path: &Path, format: DataFormat, dataset: &mut Dataset) -> Result<()> {
    let mut file = FileReader {
        format,
        num_rows: 0,
        faults: Vec::new(),
        num_faults: 0,
        fields: Fields::default(),
        rows: &mut dataset.rows,
    };
    let read = reader::rows(path, &mut |place, row| file.take(place, row));
    let FileReader { num_rows, faults, num_faults, fields, .. } = file;
    dataset.notes.extend(fields.notes(path));
    let mut lines = faults;
    match read {
        Ok(()) if num_rows == 0 => return Err(Error::file(path, "no sample in it, expected some")),
        Ok(()) if num_faults == 0 => return Ok(()),
        Ok(()) => {}
        Err(reader::Failure::Io(error)) => return Err(Error::io("read", path)(error)),
        Err(reader::Failure::Content(message)) if num_faults == 0 => {
            return Err(Error::file(path, message));
        }
        Err(reader::Failure::Content(message)) => lines.push(message),
    }
    if num_faults > SHOWN_FAULTS {
        lines.push(format!("and {} more", num_faults - SHOWN_FAULTS));
    }
    let total = format!("{num_faults} of {num_rows} rows cannot be read");
    Err(Error::file(path, format!("{total}\n  {}", lines.join("\n  "))))
}

/// Gathers the rows of one file.
struct FileReader<'a> {
    format: DataFormat,
    num_rows: usize,
    faults: Vec<String>,
    num_faults: usize,
    fields: Fields,
    rows: &'a mut Vec<Row>,
}

impl FileReader<'_> {
    fn take(&mut self, place: &str, row: Result<Value, String>) {
        self.num_rows += 1;
        let row = row.and_then(row::object).and_then(|fields| {
            if self.format == DataFormat::Auto {
                self.format = DataFormat::detect(&fields)?;
            }
            row::row(fields, self.format)
        });
        match row {
            Ok(row) => {
                self.fields.see(&row);
                self.rows.push(row);
            }
            Err(fault) => {
                self.num_faults += 1;
                if self.num_faults <= SHOWN_FAULTS {
                    self.faults.push(format!("{place}: {fault}"));
                }
            }
        }
    }
}
