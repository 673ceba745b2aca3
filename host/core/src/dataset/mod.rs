//! Files of instruction data become samples: JSON arrays and JSON Lines, plain or packed, in the
//! layouts people keep such data in.
//!
//! A row that cannot be read is an error that names the file, the row (counted from 0, as sample ids
//! are) and the field; several are reported at once. No row is skipped.

mod card;
mod folder;
mod format;
mod reader;
mod row;

pub use folder::Purpose;
pub use format::DataFormat;

use crate::{Error, Result};
use iterit_sdk::{Sample, SampleId};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// Faults shown before the rest is only counted.
const SHOWN_FAULTS: usize = 5;

/// The samples of some files, in order; ids run through all of them.
///
/// # Errors
/// No file, one that cannot be read, one without samples, or rows that are not what they should be.
pub fn load(paths: &[PathBuf], format: DataFormat) -> Result<Vec<Sample>> {
    if paths.is_empty() {
        return Err(Error::config(
            "`data.path` is not set\nhint: give it with --data FILE or in the configuration",
        ));
    }
    let mut samples = Vec::new();
    for path in paths {
        for file in folder::files(path, Purpose::Training)?.paths {
            load_file(&file, format, &mut samples)?;
        }
    }
    Ok(samples)
}

/// Parts the last samples from those before them, for evaluation: ⌊n · `fraction`⌋ of them, at
/// least one. The last ones, so that the ids of the others stay their positions in the input.
///
/// # Errors
/// Where nothing would be left to train on.
pub fn hold_out(mut samples: Vec<Sample>, fraction: f64) -> Result<(Vec<Sample>, Vec<Sample>)> {
    let num_held = ((samples.len() as f64 * fraction) as usize).max(1);
    if num_held >= samples.len() {
        return Err(Error::config(format!(
            "`data.eval_fraction` is {fraction}: {num_held} of {} samples, expected to leave some \
             to train on",
            samples.len()
        )));
    }
    let held = samples.split_off(samples.len() - num_held);
    Ok((samples, held))
}

fn load_file(path: &Path, format: DataFormat, samples: &mut Vec<Sample>) -> Result<()> {
    let mut file = FileReader {
        format,
        last: None,
        num_rows: 0,
        faults: Vec::new(),
        num_faults: 0,
        samples,
    };
    let read = reader::rows(path, &mut |place, row| file.take(place, row));
    let FileReader { num_rows, faults, num_faults, .. } = file;
    let mut lines = faults;
    match read {
        Ok(_) if num_rows == 0 => return Err(Error::file(path, "no sample in it, expected some")),
        Ok(_) if num_faults == 0 => return Ok(()),
        Ok(_) => {}
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
    /// The layout of the row before, which is told of a row that has none of its own.
    last: Option<DataFormat>,
    num_rows: usize,
    faults: Vec<String>,
    num_faults: usize,
    samples: &'a mut Vec<Sample>,
}

impl FileReader<'_> {
    fn take(&mut self, place: &str, row: Result<Value, String>) {
        self.num_rows += 1;
        let sample = row.and_then(row::object).and_then(|fields| {
            let layout = self.layout(&fields)?;
            row::sample(self.samples.len() as SampleId, fields, layout)
        });
        match sample {
            Ok(sample) => self.samples.push(sample),
            Err(fault) => {
                self.num_faults += 1;
                if self.num_faults <= SHOWN_FAULTS {
                    self.faults.push(format!("{place}: {fault}"));
                }
            }
        }
    }

    fn layout(&mut self, fields: &Map<String, Value>) -> Result<DataFormat, String> {
        if self.format != DataFormat::Auto {
            return Ok(self.format);
        }
        let layout = DataFormat::detect(fields).or_else(|fault| self.last.ok_or(fault))?;
        self.last = Some(layout);
        Ok(layout)
    }
}
