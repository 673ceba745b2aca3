//! Comma-separated values with a header, or with semicolons or tabs, as spreadsheets write them.

use super::json::of_io;
use super::{Failure, LONGEST_ROW, Visit};
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read};

/// Visits the rows; every cell is a text.
pub(super) fn rows(source: impl Read, visit: Visit<'_>) -> Result<(), Failure> {
    let mut source = BufReader::with_capacity(1 << 16, source);
    let header_line = first_line(source.fill_buf().map_err(of_io)?);
    let separator = separator(header_line);
    // Of `\r\n` the reader leaves the second half to the next row.
    let unread_line_feeds = u64::from(header_line.ends_with(b"\r"));
    let mut reader = ::csv::ReaderBuilder::new().delimiter(separator).from_reader(source);
    let names = header(reader.headers().map_err(of_csv)?)?;
    let mut record = ::csv::StringRecord::new();
    for number in 0.. {
        let line = reader.position().line() + unread_line_feeds;
        let place = format!("row {number} (line {line})");
        match reader.read_record(&mut record) {
            Ok(false) => break,
            Ok(true) if record.as_slice().len() as u64 > LONGEST_ROW => {
                let longest = LONGEST_ROW >> 20;
                let message = format!("{place} is longer than {longest} MiB, expected one sample");
                return Err(Failure::Content(message));
            }
            Ok(true) => {
                let cells = record.iter().map(|cell| Value::String(cell.to_owned()));
                let row: Map<String, Value> = names.iter().cloned().zip(cells).collect();
                visit(&place, Ok(Value::Object(row)));
            }
            Err(error) => match error.kind() {
                ::csv::ErrorKind::UnequalLengths { len, expected_len, .. } => {
                    visit(
                        &place,
                        Err(format!(
                            "it has {len} cells, expected {expected_len}, as the header has"
                        )),
                    );
                }
                ::csv::ErrorKind::Utf8 { .. } => {
                    visit(&place, Err("it is not UTF-8, expected UTF-8".into()));
                }
                _ => return Err(of_csv(error)),
            },
        }
    }
    Ok(())
}

fn first_line(start: &[u8]) -> &[u8] {
    start.split(|&byte| byte == b'\n').next().unwrap_or_default()
}

/// The separator that the header has most of.
fn separator(header: &[u8]) -> u8 {
    let count = |separator: u8| header.iter().filter(|&&byte| byte == separator).count();
    // Of equals the last wins.
    [b'\t', b';', b','].into_iter().max_by_key(|&separator| count(separator)).unwrap_or(b',')
}

/// The names of the columns, each once. An index that pandas left without a name is passed over.
fn header(names: &::csv::StringRecord) -> Result<Vec<String>, Failure> {
    let mut found: Vec<String> = Vec::new();
    let mut seen = HashSet::new();
    for (column, name) in names.iter().enumerate() {
        let name = match name.trim_start_matches('\u{feff}').trim() {
            "" => format!("Unnamed: {column}"),
            name => name.to_owned(),
        };
        if !seen.insert(name.clone()) {
            return Err(Failure::Content(format!("its header names the column `{name}` twice")));
        }
        found.push(name);
    }
    Ok(found)
}

fn of_csv(error: ::csv::Error) -> Failure {
    match error.into_kind() {
        ::csv::ErrorKind::Io(error) => of_io(error),
        ::csv::ErrorKind::Utf8 { .. } => Failure::Content("its header is not UTF-8".into()),
        other => Failure::Content(format!("not CSV: {other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let mut found = Vec::new();
        let visit = &mut |place: &str, row: Result<Value, String>| {
            let row = row.map_or_else(|fault| fault, |row| row.to_string());
            found.push(format!("{place}: {row}"));
        };
        let read = rows(text.as_bytes(), visit);
        if let Err(Failure::Content(message)) = read {
            found.push(message);
        }
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn cells_are_texts_whatever_separates_them() {
        let rows = [
            "row 0 (line 2): {\"a\":\"x, \\\"y\\\"\\nz\",\"b\":\"\"}",
            "row 1 (line 4): {\"a\":\"1\",\"b\":\"2\"}",
        ];
        check("a,b\n\"x, \"\"y\"\"\nz\",\n1,2\n", &rows);
        check("\u{feff}a;b\r\n\"x, \"\"y\"\"\nz\";\r\n1;2", &rows);
        check("a\tb\n\"x, \"\"y\"\"\nz\"\t\n1\t2\n", &rows);
        check("a,b\n1\n", &["row 0 (line 2): it has 1 cells, expected 2, as the header has"]);
        check("a,a\n1,2\n", &["its header names the column `a` twice"]);
        check("", &[]);
    }
}
