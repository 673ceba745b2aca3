//! Files of JSON that this program has written itself: one value, or one a line. A fault names the file and the
//! place in it. Knows nothing of what the values mean.

use crate::{Error, Result};
use serde::de::DeserializeOwned;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;

/// Reads one JSON value; a fault names the file and the place in it.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read(path).map_err(Error::io("read", path))?;
    let mut deserializer = serde_json::Deserializer::from_slice(&text);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| json_fault(path, &error))
}

/// Reads one JSON value a line; a missing file has none.
pub fn read_json_lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let mut rows = Vec::new();
    each_json_line(path, |_, row| {
        rows.push(row);
        Ok(())
    })?;
    Ok(rows)
}

/// Reads one JSON value a line and hands each on, with the number of its line; a missing file has none.
pub fn each_json_line<T: DeserializeOwned>(
    path: &Path,
    mut take: impl FnMut(usize, T) -> Result<()>,
) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let file = File::open(path).map_err(Error::io("read", path))?;
    for (number, line) in BufReader::new(file).lines().enumerate() {
        let line = line.map_err(Error::io("read", path))?;
        let mut deserializer = serde_json::Deserializer::from_str(&line);
        let row = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
            Error::file(path, format!("line {}: {}", number + 1, fault(&error)))
        })?;
        take(number + 1, row)?;
    }
    Ok(())
}

fn json_fault(path: &Path, error: &serde_path_to_error::Error<serde_json::Error>) -> Error {
    Error::file(path, fault(error))
}

fn fault(error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    match error.path().to_string() {
        path if path == "." => error.inner().to_string(),
        path => format!("`{path}`: {}", error.inner()),
    }
}
