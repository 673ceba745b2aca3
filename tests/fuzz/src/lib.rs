//! What the targets share: a folder in memory for what is read from files, and the one expectation. An
//! error must say something, in a line, and not write to the terminal; anything else that goes wrong shows
//! by itself, as a panic, a time limit or a memory limit.

use std::path::PathBuf;
use std::sync::LazyLock;
use tempfile::TempDir;

/// Where memory is a folder, where there is such a place.
const IN_MEMORY: &str = "/dev/shm";

static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
    tempfile::tempdir_in(IN_MEMORY).or_else(|_| tempfile::tempdir()).expect("a folder of our own")
});

/// A file of this name with these bytes; what it held before is gone.
pub fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = FOLDER.path().join(name);
    std::fs::write(&path, bytes).expect("a file of our own");
    path
}

/// The folder of all such files.
pub fn folder() -> PathBuf {
    FOLDER.path().to_owned()
}

/// Holds an outcome against what every fault promises.
pub fn expect_words<T, E: ToString>(outcome: Result<T, E>) -> Option<T> {
    match outcome {
        Ok(value) => Some(value),
        Err(error) => {
            let message = error.to_string();
            assert!(!message.trim().is_empty(), "an error without a word");
            None
        }
    }
}

/// The parts of an input, which a line of three dashes parts; as many as asked for, empty ones last.
pub fn parts<const N: usize>(bytes: &[u8]) -> [&[u8]; N] {
    const LINE: &[u8] = b"\n---\n";
    let mut rest = bytes;
    std::array::from_fn(|place| {
        let end = match place + 1 < N {
            true => rest.windows(LINE.len()).position(|it| it == LINE),
            false => None,
        };
        let (part, behind) = rest.split_at(end.unwrap_or(rest.len()));
        rest = behind.strip_prefix(LINE).unwrap_or(behind);
        part
    })
}
