//! How much a file may hold beyond its bytes. Packing and columns shrink text ten or twenty times; a
//! file of some kilobytes that unpacks to hundreds of gigabytes is a trap, or damaged.

use super::bytes::Count;
use std::io::{self, Read};

/// What any file may hold: a GiB.
const FREE: u64 = 1 << 30;

/// Bytes that a byte may become beyond that.
const MOST: u64 = 1000;

/// What has been read of a file by now, and what it turned out to hold.
#[derive(Debug)]
pub(super) struct Swell {
    bytes: Count,
    held: u64,
}

impl Swell {
    /// Of a file of which so many bytes have been read.
    pub(super) fn of(bytes: Count) -> Self {
        Self { bytes, held: 0 }
    }

    /// It holds so many more.
    ///
    /// # Errors
    /// More than it may, in the words of a message.
    pub(super) fn holds(&mut self, more: u64) -> Result<(), String> {
        self.held = self.held.saturating_add(more);
        if self.held <= FREE.saturating_add(self.bytes.get().saturating_mul(MOST)) {
            return Ok(());
        }
        Err(format!(
            "it would unpack to more than {MOST} times its size, and more than {} MiB\n\
             hint: a file of data packs ten or twenty times; what packs so well is damaged, or made to \
             fill the memory",
            FREE >> 20
        ))
    }
}

/// What a packed file unpacks to, as long as that is in proportion.
pub(super) struct Unpacked<R> {
    source: R,
    swell: Swell,
}

impl<R: Read> Unpacked<R> {
    /// `packed` counts what `source` has read.
    pub(super) fn new(source: R, packed: Count) -> Self {
        Self { source, swell: Swell::of(packed) }
    }
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.swell.holds(count as u64).map_err(io::Error::other)?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_holds_so_much_and_no_more() {
        let bytes = Count::of(2);
        let mut swell = Swell::of(bytes.clone());
        assert!(swell.holds(FREE).is_ok() && swell.holds(2 * MOST).is_ok());
        assert!(swell.holds(1).unwrap_err().starts_with("it would unpack to more than 1000 times"));
        bytes.add(1);
        assert!(swell.holds(1).is_ok() && swell.holds(u64::MAX).is_err());
    }

    #[test]
    fn what_unpacks_without_end_is_cut_off() {
        let packed = Count::default();
        let mut zeros = Unpacked::new(io::repeat(0), packed.clone());
        let mut sink = io::sink();
        let error = io::copy(&mut zeros, &mut sink).unwrap_err();
        assert!(error.to_string().starts_with("it would unpack"), "{error}");
        packed.add(1 << 20);
        let mut zeros = Unpacked::new(io::repeat(0).take(FREE + (1 << 20)), packed);
        assert_eq!(io::copy(&mut zeros, &mut sink).unwrap(), FREE + (1 << 20));
    }
}
