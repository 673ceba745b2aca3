//! The bytes of a file on their way: hashed as they come, and looked at before they are read.

use sha2::{Digest, Sha256};
use std::cell::Cell;
use std::fs::File;
use std::io::{self, Chain, Cursor, Read};
use std::rc::Rc;

/// A source that remembers what has been read of it as a sha256.
pub(super) struct Hashed<R> {
    source: R,
    hash: Sha256,
    count: Count,
}

/// Bytes that have been read, told to whoever holds a copy.
#[derive(Debug, Clone, Default)]
pub(super) struct Count(Rc<Cell<u64>>);

impl Count {
    /// That of a file of a known length.
    pub(super) fn of(bytes: u64) -> Self {
        Self(Rc::new(Cell::new(bytes)))
    }

    pub(super) fn get(&self) -> u64 {
        self.0.get()
    }

    pub(super) fn add(&self, more: u64) {
        self.0.set(self.0.get() + more);
    }
}

impl<R: Read> Hashed<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, hash: Sha256::new(), count: Count::default() }
    }

    /// How much has been read, from now on too.
    pub(super) fn count(&self) -> Count {
        self.count.clone()
    }

    /// The sha256 of the whole source, in hexadecimal; reads what nobody has asked for.
    pub(super) fn finish(&mut self) -> io::Result<String> {
        let mut buffer = vec![0; 1 << 16];
        while self.read(&mut buffer)? > 0 {}
        let hash = self.hash.clone().finalize();
        Ok(hash.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl Hashed<File> {
    /// The whole file for a reader that goes back and forth in it, after it has been hashed: itself,
    /// or a copy in memory where it can be read only once.
    pub(super) fn whole(&mut self, head: Vec<u8>) -> io::Result<Whole> {
        if self.source.metadata()?.is_file() {
            self.finish()?;
            return Ok(Whole::File(self.source.try_clone()?));
        }
        let mut bytes = head;
        self.read_to_end(&mut bytes)?;
        Ok(Whole::Memory(bytes))
    }
}

/// A file in which one can go back and forth.
pub(super) enum Whole {
    File(File),
    Memory(Vec<u8>),
}

impl Whole {
    pub(super) fn len(&self) -> io::Result<u64> {
        match self {
            Self::File(file) => Ok(file.metadata()?.len()),
            Self::Memory(bytes) => Ok(bytes.len() as u64),
        }
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.hash.update(&buffer[..count]);
        self.count.add(count as u64);
        Ok(count)
    }
}

/// A source whose first bytes are known already, and still to be read.
pub(super) struct Peeked<R> {
    pub(super) head: Vec<u8>,
    source: R,
}

impl<R: Read> Peeked<R> {
    /// Looks at up to `length` bytes.
    pub(super) fn new(mut source: R, length: u64) -> io::Result<Self> {
        let mut head = Vec::new();
        source.by_ref().take(length).read_to_end(&mut head)?;
        Ok(Self { head, source })
    }

    /// The source from its first byte on.
    pub(super) fn into_read(self) -> Chain<Cursor<Vec<u8>>, R> {
        Cursor::new(self.head).chain(self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_of_the_whole_source_whatever_was_read() {
        const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        for length in 0..5 {
            let mut source = Hashed::new(&b"abc"[..]);
            let mut read = Vec::new();
            let peeked = Peeked::new(&mut source, length).unwrap();
            assert_eq!(peeked.head, b"abc"[..3.min(length as usize)]);
            peeked.into_read().take(2).read_to_end(&mut read).unwrap();
            assert_eq!((read.as_slice(), source.finish().unwrap().as_str()), (&b"ab"[..], ABC));
        }
    }
}
