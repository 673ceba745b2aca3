//! A file as a stream of rows, each a JSON value: JSON in the shapes people keep it in, CSV,
//! Parquet, and Arrow as Hugging Face's `datasets` saves it; packed by gzip or zstd.
//!
//! What a file is, its first bytes say; its name is asked only for CSV, which begins like anything.
//! It is read once from front to end and hashed on the way, so that the sha256 is that of the rows
//! whatever becomes of the file, and a pipe will do. Nothing here knows what a row's fields mean, but
//! for a lone object, which is a row or holds all of them.

mod bytes;
mod swell;
mod kind;

mod wrapped;
mod json;

mod csv;

mod arrow;
mod parquet;
mod table;

use bytes::{Hashed, Peeked};
use kind::{HEAD, Kind};
use serde_json::Value;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use swell::Unpacked;

/// What is done with a row: where it stands, and its value or why there is none.
pub(super) type Visit<'a> = &'a mut dyn FnMut(&str, Result<Value, String>);

/// Bytes beyond which a row is refused.
const LONGEST_ROW: u64 = 16 << 20;

/// What a file was, besides its rows.
#[derive(Debug)]
pub(super) struct Account {
    /// The sha256 of its bytes, in hexadecimal.
    pub(super) sha256: String,
    /// What was chosen or left out on the way, for people.
    pub(super) notes: Vec<String>,
}

/// Why a file could not be read to its end.
pub(super) enum Failure {
    /// The system says so.
    Io(io::Error),
    /// It is not what it should be.
    Content(String),
}

/// Visits every row of a file.
pub(super) fn rows(path: &Path, visit: Visit<'_>) -> Result<Account, Failure> {
    let mut file = Hashed::new(File::open(path).map_err(Failure::Io)?);
    let count = file.count();
    let peeked = Peeked::new(&mut file, HEAD).map_err(Failure::Io)?;
    let kind = match Kind::promised(path) {
        Some(promised) => promised,
        None => Kind::of(path, &peeked.head).map_err(Failure::Content)?,
    };
    let notes = match kind {
        Kind::Parquet | Kind::ArrowFile => {
            let head = peeked.head;
            seekable(kind, file.whole(head).map_err(Failure::Io)?, visit)?
        }
        Kind::Gzip => {
            let source = flate2::read::MultiGzDecoder::new(peeked.into_read());
            unpacked(path, Unpacked::new(source, count), visit)?
        }
        Kind::Zstd => {
            let source = zstd::Decoder::new(peeked.into_read()).map_err(json::of_io)?;
            unpacked(path, Unpacked::new(source, count), visit)?
        }
        kind => streamed(kind, peeked.into_read(), visit)?,
    };
    Ok(Account { sha256: file.finish().map_err(Failure::Io)?, notes })
}

/// What a packed file holds.
fn unpacked(path: &Path, source: impl Read, visit: Visit<'_>) -> Result<Vec<String>, Failure> {
    let peeked = Peeked::new(source, HEAD).map_err(json::of_io)?;
    let kind = Kind::of(path, &peeked.head).map_err(Failure::Content)?;
    let mut source = peeked.into_read();
    match kind {
        Kind::Gzip | Kind::Zstd => {
            Err(Failure::Content("it is packed twice, expected once\nhint: unpack it".into()))
        }
        Kind::Parquet | Kind::ArrowFile => {
            let mut bytes = Vec::new();
            source.read_to_end(&mut bytes).map_err(json::of_io)?;
            seekable(kind, bytes::Whole::Memory(bytes), visit)
        }
        kind => streamed(kind, source, visit),
    }
}

fn seekable(kind: Kind, file: bytes::Whole, visit: Visit<'_>) -> Result<Vec<String>, Failure> {
    match kind {
        Kind::Parquet => table::parquet(file, visit),
        _ => table::arrow_file(file, visit),
    }
}

fn streamed(kind: Kind, source: impl Read, visit: Visit<'_>) -> Result<Vec<String>, Failure> {
    match kind {
        Kind::JsonArray => json::array(source, visit).map(|()| Vec::new()),
        Kind::JsonObjects => json::objects(source, visit),
        Kind::Csv => csv::rows(source, visit).map(|()| Vec::new()),
        Kind::ArrowStream => table::arrow_stream(source, visit),
        _ => Ok(Vec::new()),
    }
}
