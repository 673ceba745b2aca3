//! A file as a stream of JSON rows: one array, or one value a line; packed by `.gz` or `.zst`.
//!
//! One row at a time is in memory. A row or a file beyond all reason is refused before it fills the
//! memory, packed or not.

use serde::Deserializer as _;
use serde::de::{SeqAccess, Visitor};
use serde_json::Value;
use serde_json::error::Category;
use std::cell::Cell;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// What is done with a row: where it stands, and its value or why there is none.
pub(super) type Visit<'a> = &'a mut dyn FnMut(&str, Result<Value, String>);

/// Why a file could not be read to its end.
pub(super) enum Failure {
    /// The system says so.
    Io(io::Error),
    /// It is not what it should be.
    Content(String),
}

/// Bytes beyond which a file is refused, unpacked.
#[derive(Clone, Copy)]
struct Limits {
    row: u64,
    file: u64,
}

const LIMITS: Limits = Limits { row: 16 << 20, file: 4 << 30 };

/// Visits every row of a file.
pub(super) fn rows(path: &Path, visit: Visit<'_>) -> Result<(), Failure> {
    let file = File::open(path).map_err(Failure::Io)?;
    let unpacked: Box<dyn Read> = match path.extension().and_then(|suffix| suffix.to_str()) {
        Some("gz") => Box::new(flate2::read::MultiGzDecoder::new(file)),
        Some("zst") => Box::new(zstd::Decoder::new(file).map_err(Failure::Io)?),
        _ => Box::new(file),
    };
    read(unpacked, LIMITS, visit)
}

fn read(source: impl Read, limits: Limits, visit: Visit<'_>) -> Result<(), Failure> {
    let meter = Meter { limits, row: Cell::new(0), file: Cell::new(0) };
    let mut reader = BufReader::with_capacity(1 << 16, Metered { source, meter: &meter });
    match first_byte(&mut reader).map_err(|error| meter.failure(error))? {
        None => Ok(()),
        Some(b'[') => array(reader, &meter, visit),
        Some(b'{') => lines(reader, &meter, visit),
        Some(byte) => Err(Failure::Content(format!(
            "it begins with `{}`, expected a JSON array, or one JSON object a line",
            char::from(byte).escape_default()
        ))),
    }
}

/// The first byte behind a byte order mark and white space, left in place.
fn first_byte(reader: &mut impl BufRead) -> io::Result<Option<u8>> {
    if reader.fill_buf()?.starts_with("\u{feff}".as_bytes()) {
        reader.consume(3);
    }
    loop {
        match reader.fill_buf()?.first() {
            Some(byte) if byte.is_ascii_whitespace() => reader.consume(1),
            first => return Ok(first.copied()),
        }
    }
}

fn array(reader: impl BufRead, meter: &Meter, visit: Visit<'_>) -> Result<(), Failure> {
    let mut num_rows = 0;
    let mut deserializer = serde_json::Deserializer::from_reader(reader);
    let read = deserializer
        .deserialize_seq(Rows { meter, num_rows: &mut num_rows, visit })
        .and_then(|()| deserializer.end());
    read.map_err(|error| {
        let (line, column) = (error.line(), error.column());
        match error.classify() {
            Category::Io => meter.failure(error.into()),
            Category::Eof => Failure::Content(format!(
                "it ends within row {num_rows}, at line {line}, expected the array to be closed: \
                 the file is cut off"
            )),
            _ => {
                let reason = without_place(&error);
                let place = format!("near row {num_rows}, line {line}, column {column}");
                Failure::Content(format!("not JSON {place}: {reason}"))
            }
        }
    })
}

/// Visits an array's elements as they are parsed.
struct Rows<'a> {
    meter: &'a Meter,
    num_rows: &'a mut usize,
    visit: Visit<'a>,
}

impl<'de> Visitor<'de> for Rows<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        while let Some(row) = rows.next_element()? {
            (self.visit)(&format!("row {}", self.num_rows), Ok(row));
            *self.num_rows += 1;
            self.meter.row.set(0);
        }
        Ok(())
    }
}

fn lines(mut reader: impl BufRead, meter: &Meter, visit: Visit<'_>) -> Result<(), Failure> {
    let (mut line, mut num_rows) = (Vec::new(), 0);
    for number in 1.. {
        line.clear();
        meter.row.set(0);
        if reader.read_until(b'\n', &mut line).map_err(|error| meter.failure(error))? == 0 {
            break;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let row = serde_json::from_slice(&line).map_err(|error| {
            format!("{}, expected one whole JSON object on the line", without_place(&error))
        });
        visit(&format!("row {num_rows} (line {number})"), row);
        num_rows += 1;
    }
    Ok(())
}

/// serde_json's message without the line and column, which are told in our own words.
fn without_place(error: &serde_json::Error) -> String {
    let message = error.to_string();
    message.split(" at line ").next().unwrap_or(&message).to_owned()
}

/// Bytes read since the last row and in all.
struct Meter {
    limits: Limits,
    row: Cell<u64>,
    file: Cell<u64>,
}

impl Meter {
    fn is_over(&self) -> bool {
        self.row.get() > self.limits.row || self.file.get() > self.limits.file
    }

    /// Tells the limit's own error from the system's.
    fn failure(&self, error: io::Error) -> Failure {
        if self.file.get() > self.limits.file {
            Failure::Content(format!(
                "it holds more than {} MiB of text, expected less\nhint: split it, `data.path` \
                 takes a list of files",
                self.limits.file >> 20
            ))
        } else if self.row.get() > self.limits.row {
            Failure::Content(format!(
                "a row is longer than {} MiB, expected one sample",
                self.limits.row >> 20
            ))
        } else if matches!(error.kind(), io::ErrorKind::UnexpectedEof) {
            Failure::Content("it ends too early: the packed file is cut off".into())
        } else {
            Failure::Io(error)
        }
    }
}

/// A source that counts, and fails beyond the limits.
struct Metered<'a, R> {
    source: R,
    meter: &'a Meter,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.meter.row.set(self.meter.row.get() + count as u64);
        self.meter.file.set(self.meter.file.get() + count as u64);
        if self.meter.is_over() { Err(io::Error::other("over the limit")) } else { Ok(count) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str, limits: Limits) -> Result<Vec<String>, String> {
        let mut rows = Vec::new();
        let visit = &mut |place: &str, row: Result<Value, String>| {
            let row = row.map_or_else(|fault| fault, |row| row.to_string());
            rows.push(format!("{place}: {row}"));
        };
        match read(text.as_bytes(), limits, visit) {
            Ok(()) => Ok(rows),
            Err(Failure::Content(message)) => Err(message),
            Err(Failure::Io(error)) => Err(error.to_string()),
        }
    }

    #[test]
    fn arrays_and_lines_give_the_same_rows() {
        let expected = ["{\"a\":1}", "{\"b\":2}"];
        let array = all(" \u{20}[ {\"a\":1},\n{\"b\":2} ]\n", LIMITS).unwrap();
        let lines = all("\u{feff}{\"a\":1}\n\n{\"b\":2}", LIMITS).unwrap();
        assert_eq!(array, [0, 1].map(|i| format!("row {i}: {}", expected[i])));
        assert_eq!(lines, [0, 1].map(|i| format!("row {i} (line {}): {}", 2 * i + 1, expected[i])));
    }

    #[test]
    fn a_row_or_a_file_beyond_reason_is_refused() {
        // The reader takes 64 KiB at a time, so limits bite at that grain.
        let long = "x".repeat(200_000);
        let limits = Limits { row: 1 << 17, file: 1 << 30 };
        let row = all(&format!("[{{\"a\":\"{long}\"}}]"), limits).unwrap_err();
        assert!(row.starts_with("a row is longer than"), "{row}");
        let line = all(&format!("{{\"a\":\"{long}\"}}"), limits).unwrap_err();
        assert!(line.starts_with("a row is longer than"), "{line}");

        let many = "{\"a\":1}\n".repeat(40_000);
        assert_eq!(all(&many, limits).unwrap().len(), 40_000);
        let file = all(&many, Limits { row: 1 << 17, file: 1 << 17 }).unwrap_err();
        assert!(file.starts_with("it holds more than"), "{file}");
    }
}
