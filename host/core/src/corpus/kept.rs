//! The tokens of samples in a file, so that whoever would make the same of the same rows need not make them again. Under
//! what name, and when they are the same, is decided by who asks.
//!
//! A line that says what it is, how many samples there are, each behind its length, and at the end the sha256 of all
//! before: a file that is not whole is as good as none.

use crate::span::EncodedSample;
use crate::{Error, Result, whole_file};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How a file begins; another number is another layout.
const BEGINNING: &[u8; 15] = b"iterit texts 1\n";

/// How many files of this kind a folder keeps, the newest.
const FILES: usize = 4;

/// What a killed write has left is nobody's any more after this long.
const LEFT: Duration = Duration::from_secs(60 * 60);

/// What their names end with.
const EXTENSION: &str = "texts";

/// A file of tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptTexts {
    path: PathBuf,
}

impl KeptTexts {
    /// Of this name in a folder; neither need be there.
    pub fn new(folder: &Path, name: &str) -> Self {
        Self { path: folder.join(name).with_extension(EXTENSION) }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was written; `None` where there is nothing, or nothing whole of so many samples.
    pub fn read(&self, count: usize) -> Option<Vec<EncodedSample>> {
        let mut file =
            Hashed { inner: BufReader::new(File::open(&self.path).ok()?), hash: Sha256::new() };
        let mut beginning = [0; BEGINNING.len()];
        file.read_exact(&mut beginning).ok()?;
        if &beginning != BEGINNING || number(&mut file)? != count as u64 {
            return None;
        }
        let mut samples = Vec::with_capacity(count);
        let mut bytes = Vec::new();
        for _ in 0..count {
            let length = number(&mut file)?;
            bytes.clear();
            // What a broken length asks for is no more than the file has.
            if (&mut file).take(length).read_to_end(&mut bytes).ok()? as u64 != length {
                return None;
            }
            samples.push(postcard::from_bytes(&bytes).ok()?);
        }
        let Hashed { mut inner, hash } = file;
        let mut sha256 = Vec::new();
        inner.read_to_end(&mut sha256).ok()?;
        (sha256 == hash.finalize().as_slice()).then_some(samples)
    }

    /// Writes them, whole or not at all, and removes the oldest of many and what killed writes have left.
    ///
    /// # Errors
    /// A folder that cannot be written to.
    pub fn write(&self, samples: &[EncodedSample]) -> Result<()> {
        whole_file::write_with(&self.path, |out| {
            let mut out = Hashed { inner: out, hash: Sha256::new() };
            out.write_all(BEGINNING)?;
            out.write_all(&(samples.len() as u64).to_le_bytes())?;
            for sample in samples {
                let bytes = postcard::to_stdvec(sample).map_err(io::Error::other)?;
                out.write_all(&(bytes.len() as u64).to_le_bytes())?;
                out.write_all(&bytes)?;
            }
            let Hashed { inner, hash } = out;
            inner.write_all(&hash.finalize())
        })?;
        tidy(self.path.parent().unwrap_or(Path::new(".")))
    }
}

/// Other runs may write there at the same time, and remove files.
fn tidy(folder: &Path) -> Result<()> {
    let mut files: Vec<(SystemTime, PathBuf)> = Vec::new();
    let mut doomed = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let entry = entry.map_err(Error::io("read", folder))?;
        let (name, path) = (entry.file_name(), entry.path());
        // One that another run has just removed has no time.
        let Ok(time) = entry.metadata().and_then(|it| it.modified()) else { continue };
        if path.extension().is_some_and(|it| it == EXTENSION) {
            files.push((time, path));
        } else if whole_file::is_left_over(&name.to_string_lossy())
            && time.elapsed().is_ok_and(|age| age > LEFT)
        {
            doomed.push(path);
        }
    }
    files.sort();
    doomed.extend(files.into_iter().rev().skip(FILES).map(|(_, path)| path));
    for path in doomed {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::io("remove", &path)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

fn number(file: &mut impl Read) -> Option<u64> {
    let mut bytes = [0; 8];
    file.read_exact(&mut bytes).ok()?;
    Some(u64::from_le_bytes(bytes))
}

/// Hashes all that passes.
struct Hashed<T> {
    inner: T,
    hash: Sha256,
}

impl<T: Read> Read for Hashed<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.hash.update(&buffer[..length]);
        Ok(length)
    }
}

impl<T: Write> Write for Hashed<T> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let length = self.inner.write(buffer)?;
        self.hash.update(&buffer[..length]);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learner::{Scored, Sequence};

    fn samples(count: u32) -> Vec<EncodedSample> {
        let sequence = |first: u32| Sequence {
            tokens: (first..first + 300).collect(),
            scored: Scored::new([2..3, 7..290]),
        };
        let sample = |index: u32| EncodedSample {
            conditional: vec![sequence(index)],
            unconditional: index.is_multiple_of(2).then(|| vec![sequence(7), sequence(index)]),
            training: vec![sequence(70_000 + index)],
            is_empty: index == 1,
            last_response: index as usize,
            ..EncodedSample::default()
        };
        (0..count).map(sample).collect()
    }

    #[test]
    fn what_was_written_is_read_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let kept = KeptTexts::new(&folder.path().join("texts"), "one");
        assert_eq!(kept.read(5), None);
        kept.write(&samples(5)).unwrap();
        assert_eq!(kept.read(5), Some(samples(5)));
        assert_eq!(kept.read(4), None, "of another number of samples");
        let whole = fs::read(kept.path()).unwrap();
        for at in [3, 16, 24, 40, whole.len() / 2, whole.len() - 1] {
            let mut broken = whole.clone();
            broken[at] ^= 1;
            fs::write(kept.path(), &broken).unwrap();
            assert_eq!(kept.read(5), None, "byte {at}");
            fs::write(kept.path(), &whole[..at]).unwrap();
            assert_eq!(kept.read(5), None, "cut at {at}");
        }
        fs::write(kept.path(), [&whole[..], b"more"].concat()).unwrap();
        assert_eq!(kept.read(5), None);
    }

    #[test]
    fn a_folder_keeps_the_newest_and_nothing_that_a_killed_write_has_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let aged = |path: &Path, age: Duration| {
            let file = File::options().write(true).open(path).unwrap();
            file.set_modified(SystemTime::now() - age).unwrap();
        };
        fs::write(path("notes.txt"), "mine").unwrap();
        for (name, age) in [(".partial-aB3dE9", 2 * LEFT), (".partial-aB3dE8", Duration::ZERO)] {
            fs::write(path(name), "half").unwrap();
            aged(&path(name), age);
        }
        for name in ["a", "b", "c", "d", "e", "f"] {
            let kept = KeptTexts::new(folder.path(), name);
            kept.write(&samples(1)).unwrap();
            aged(kept.path(), Duration::from_secs(u64::from(b'z' - name.as_bytes()[0])));
        }
        let is_there = |name: &str| KeptTexts::new(folder.path(), name).path().exists();
        assert_eq!(["a", "b", "c", "f"].map(is_there), [false, false, true, true]);
        // The younger one may be another run's, which is still writing.
        let left = [".partial-aB3dE9", ".partial-aB3dE8", "notes.txt"];
        assert_eq!(left.map(|name| path(name).exists()), [false, true, true]);
    }
}
