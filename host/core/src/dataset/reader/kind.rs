//! What a file is, by its first bytes, and what to say of one that is nothing to read rows from.

use std::path::Path;

/// Bytes of a file that are looked at.
pub(super) const HEAD: u64 = 512;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Something packed by gzip.
    Gzip,
    /// Something packed by zstd.
    Zstd,
    /// A JSON array of rows.
    JsonArray,
    /// JSON objects one after the other, or one that holds all rows.
    JsonObjects,
    /// Comma-separated values, or another separator.
    Csv,
    /// Apache Parquet.
    Parquet,
    /// Arrow's file format, Feather version 2 among it.
    ArrowFile,
    /// Arrow's stream format, in which `datasets` saves.
    ArrowStream,
    /// Nothing, or white space.
    Empty,
}

/// First bytes of what people take for data by mistake, and what it is.
const OTHERS: &[(&[u8], &str)] = &[
    (
        b"\xff\xfe\0\0",
        "it is UTF-32 text, expected UTF-8\nhint: iconv -f UTF-32 -t UTF-8 FILE > NEW",
    ),
    (
        b"\0\0\xfe\xff",
        "it is UTF-32 text, expected UTF-8\nhint: iconv -f UTF-32 -t UTF-8 FILE > NEW",
    ),
    (b"\xff\xfe", UTF_16),
    (b"\xfe\xff", UTF_16),
    (b"[\0", UTF_16_LE),
    (b"{\0", UTF_16_LE),
    (b"\0[", UTF_16_BE),
    (b"\0{", UTF_16_BE),
    (
        b"PK\x03\x04",
        "it is a zip archive or a spreadsheet, expected data\nhint: unpack it, or save it as CSV",
    ),
    (b"BZh", "it is packed by bzip2, expected gzip, zstd or nothing\nhint: bunzip2 FILE"),
    (b"\xfd7zXZ\0", "it is packed by xz, expected gzip, zstd or nothing\nhint: unxz FILE"),
    (b"\x89HDF", "it is HDF5, expected JSON, CSV, Parquet or Arrow"),
    (b"SQLite format 3", "it is an SQLite database, expected JSON, CSV, Parquet or Arrow"),
    (b"FEA1", "it is Feather version 1, expected version 2, which pandas writes by default"),
    (b"\x80\x04", PICKLE),
    (b"\x80\x05", PICKLE),
    (b"%PDF", "it is a PDF, expected JSON, CSV, Parquet or Arrow"),
    (
        b"version https://git-lfs",
        "it is a pointer of Git LFS, not the file itself\nhint: git lfs pull fetches it",
    ),
    (
        b"<",
        "it is HTML or XML, expected data\nhint: download the file itself, not the page about it",
    ),
];

const UTF_16: &str = "it is UTF-16 text, expected UTF-8\nhint: iconv -f UTF-16 -t UTF-8 FILE > NEW";
const UTF_16_LE: &str =
    "it is UTF-16 text, expected UTF-8\nhint: iconv -f UTF-16LE -t UTF-8 FILE > NEW";
const UTF_16_BE: &str =
    "it is UTF-16 text, expected UTF-8\nhint: iconv -f UTF-16BE -t UTF-8 FILE > NEW";
const PICKLE: &str = "it is a Python pickle, which is a program, expected data";

impl Kind {
    /// What a file with this name and these first bytes is.
    ///
    /// # Errors
    /// What it is instead of data, in the words of a message.
    pub(super) fn of(path: &Path, head: &[u8]) -> Result<Self, String> {
        let text = head.strip_prefix("\u{feff}".as_bytes()).unwrap_or(head).trim_ascii_start();
        match (head, text.first()) {
            ([0x1f, 0x8b, ..], _) => Ok(Self::Gzip),
            ([0x28, 0xb5, 0x2f, 0xfd, ..], _) => Ok(Self::Zstd),
            ([b'P', b'A', b'R', b'1', ..], _) => Ok(Self::Parquet),
            ([b'A', b'R', b'R', b'O', b'W', b'1', ..], _) => Ok(Self::ArrowFile),
            ([0xff, 0xff, 0xff, 0xff, ..], _) => Ok(Self::ArrowStream),
            _ if let Some((_, told)) = OTHERS.iter().find(|(first, _)| head.starts_with(first)) => {
                Err((*told).to_owned())
            }
            (_, None) => Ok(Self::Empty),
            _ if is_csv(path) => Ok(Self::Csv),
            (_, Some(b'[')) => Ok(Self::JsonArray),
            (_, Some(b'{')) => Ok(Self::JsonObjects),
            (_, Some(byte)) => Err(format!(
                "it begins with `{}`, expected a JSON array, or one JSON object a line\n\
                 hint: comma-separated values are known by their name, FILE.csv",
                char::from(*byte).escape_default()
            )),
        }
    }

    /// The packing that a file's name promises.
    pub(super) fn promised(path: &Path) -> Option<Self> {
        match path.extension().and_then(|suffix| suffix.to_str()) {
            Some("gz") => Some(Self::Gzip),
            Some("zst") => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// A text that no byte can tell from another: the name says `.csv` or `.tsv`, packed or not.
fn is_csv(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let name = name.trim_end_matches(".gz").trim_end_matches(".zst");
    name.ends_with(".csv") || name.ends_with(".tsv")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, head: &[u8], expected: Result<Kind, &str>) {
        match (Kind::of(Path::new(name), head), expected) {
            (Ok(found), expected) => assert_eq!(Ok(found), expected, "{name}"),
            (Err(told), expected) => {
                let words = expected.expect_err("it is no data");
                assert!(told.contains(words), "{told}");
            }
        }
    }

    #[test]
    fn files_are_known_by_their_first_bytes() {
        check("a.json", b" \n[1]", Ok(Kind::JsonArray));
        check("a", b"\xef\xbb\xbf{}", Ok(Kind::JsonObjects));
        check("a.CSV.gz", b"{a},b", Ok(Kind::Csv));
        check("a.json", b"\x1f\x8b\x08", Ok(Kind::Gzip));
        check("a.json", b"PAR1", Ok(Kind::Parquet));
        check("a.json", b" \n", Ok(Kind::Empty));
        check("a.json", b"\xff\xfe[\0", Err("UTF-16 text, expected UTF-8\nhint: iconv -f UTF-16 "));
        check("a.json", b"[\0{\0", Err("UTF-16LE"));
        check("a.json", b"version https://git-lfs.github.com/spec/v1\n", Err("git lfs pull"));
        check("a.json", b"id,text", Err("it begins with `i`"));
    }
}
