//! Arrow's messages, looked at before its decoder sees them: every length is held against what is there,
//! since room is made for what a length says.
//!
//! Format: <https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc>.

use super::bytes::Count;
use super::swell::Swell;
use arrow_ipc::{Block, Message, RecordBatch, root_as_footer, root_as_message};
use std::io::{self, Cursor, Read, Seek, SeekFrom};

/// What a message of today begins with; those of old begin with their length.
const CONTINUATION: [u8; 4] = [0xff; 4];

/// The footer's length and the last magic number.
const TRAILER: u64 = 10;

/// Why there is no next message.
pub(super) enum Fault {
    Io(io::Error),
    Content(String),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Looks at every message of a file, which is then where it was.
///
/// # Errors
/// Lengths that cannot be; what is no file of Arrow's.
pub(super) fn check_file(file: &mut (impl Read + Seek)) -> Result<(), Fault> {
    let size = file.seek(SeekFrom::End(0))?;
    let footer_end = size.checked_sub(TRAILER).ok_or_else(|| damaged("it has no footer"))?;
    let mut trailer = [0; TRAILER as usize];
    file.seek(SeekFrom::Start(footer_end))?;
    file.read_exact(&mut trailer)?;
    let length = u64::from(u32::from_le_bytes([trailer[0], trailer[1], trailer[2], trailer[3]]));
    let start = footer_end.checked_sub(length).ok_or_else(|| damaged("it has no whole footer"))?;
    let footer = read_at(file, start, length)?;
    let footer = root_as_footer(&footer).map_err(|error| damaged(&error.to_string()))?;
    let blocks = footer.dictionaries().into_iter().chain(footer.recordBatches()).flatten();
    let (mut swell, mut total) = (Swell::of(Count::of(size)), 0_u64);
    for block in blocks {
        total = total.saturating_add(check_block(file, block, &mut swell)?);
        // The same block may be listed again and again.
        if total > size {
            return Err(damaged("its blocks are larger than the file"));
        }
    }
    file.seek(SeekFrom::Start(0))?;
    Ok(())
}

/// One block of a file; its length.
fn check_block(
    file: &mut (impl Read + Seek),
    block: &Block,
    swell: &mut Swell,
) -> Result<u64, Fault> {
    let [start, metadata_length, body_length] =
        [block.offset(), block.metaDataLength().into(), block.bodyLength()].map(u64::try_from);
    let (Ok(start), Ok(metadata_length), Ok(body_length)) = (start, metadata_length, body_length)
    else {
        return Err(damaged("a block begins or ends before the file does"));
    };
    let metadata = read_at(file, start, metadata_length)?;
    let prefix = if metadata.starts_with(&CONTINUATION) { 8 } else { 4 };
    let message = metadata.get(prefix..).unwrap_or_default();
    let message = root_as_message(message).map_err(|error| damaged(&error.to_string()))?;
    let body = start.saturating_add(metadata_length);
    let mut length_at = |offset: u64| -> Result<[u8; 8], Fault> {
        let mut length = [0; 8];
        file.seek(SeekFrom::Start(body.saturating_add(offset)))?;
        file.read_exact(&mut length)?;
        Ok(length)
    };
    check_message(&message, body_length, &mut length_at, swell)?;
    Ok(metadata_length.saturating_add(body_length))
}

/// The buffers of a message, as far as their lengths are to be believed. A packed one begins with what it
/// unpacks to.
fn check_message(
    message: &Message<'_>,
    body_length: u64,
    length_at: &mut dyn FnMut(u64) -> Result<[u8; 8], Fault>,
    swell: &mut Swell,
) -> Result<(), Fault> {
    let dictionary = message.header_as_dictionary_batch();
    let batch: Option<RecordBatch<'_>> =
        message.header_as_record_batch().or_else(|| dictionary.and_then(|it| it.data()));
    let Some(batch) = batch else { return Ok(()) };
    let is_packed = batch.compression().is_some();
    for buffer in batch.buffers().into_iter().flatten() {
        let (Ok(offset), Ok(length)) =
            (u64::try_from(buffer.offset()), u64::try_from(buffer.length()))
        else {
            return Err(damaged("a buffer has a negative length"));
        };
        if offset.saturating_add(length) > body_length {
            return Err(damaged("a buffer lies outside its message"));
        }
        if is_packed && length >= 8 {
            // -1 stands for one that is not packed.
            let unpacked = u64::try_from(i64::from_le_bytes(length_at(offset)?)).unwrap_or(length);
            swell.holds(unpacked).map_err(Fault::Content)?;
        }
    }
    Ok(())
}

fn read_at(file: &mut (impl Read + Seek), start: u64, length: u64) -> Result<Vec<u8>, Fault> {
    file.seek(SeekFrom::Start(start))?;
    read_whole(file, length)
}

/// So many bytes, room for which is made as they come.
fn read_whole(source: &mut impl Read, length: u64) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    source.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == length {
        return Ok(bytes);
    }
    Err(damaged(&format!("{length} bytes are promised where {} follow", bytes.len())))
}

fn damaged(why: &str) -> Fault {
    let line = why.lines().next().unwrap_or_default();
    Fault::Content(format!("not Arrow as expected: {line}: the file is damaged or cut off"))
}

/// A stream, of which each message has been looked at before any of it is handed on.
pub(super) struct Checked<R> {
    source: R,
    ready: Cursor<Vec<u8>>,
    count: Count,
    swell: Swell,
}

impl<R: Read> Checked<R> {
    pub(super) fn new(source: R) -> Self {
        let count = Count::default();
        Self { source, ready: Cursor::default(), swell: Swell::of(count.clone()), count }
    }

    /// The bytes of messages that have been read.
    pub(super) fn count(&self) -> Count {
        self.count.clone()
    }

    /// Reads a message; nothing at the end of the stream.
    fn next(&mut self) -> Result<Vec<u8>, Fault> {
        let mut bytes = Vec::new();
        self.source.by_ref().take(4).read_to_end(&mut bytes)?;
        if bytes == CONTINUATION {
            self.source.by_ref().take(4).read_to_end(&mut bytes)?;
        }
        let Some(&[a, b, c, d]) = bytes.last_chunk() else { return Ok(bytes) };
        let length = u32::from_le_bytes([a, b, c, d]);
        if length == 0 || [a, b, c, d] == CONTINUATION {
            return Ok(bytes);
        }
        let metadata = read_whole(&mut self.source, length.into())?;
        let message = root_as_message(&metadata).map_err(|error| damaged(&error.to_string()))?;
        let body_length = u64::try_from(message.bodyLength())
            .map_err(|_| damaged("a message has a negative length"))?;
        let body = read_whole(&mut self.source, body_length)?;
        self.count.add(metadata.len() as u64 + body_length);
        let mut length_at = |offset: u64| {
            let length = body.get(offset as usize..).and_then(|it| it.first_chunk());
            length.copied().ok_or_else(|| damaged("a buffer lies outside its message"))
        };
        check_message(&message, body_length, &mut length_at, &mut self.swell)?;
        bytes.extend_from_slice(&metadata);
        bytes.extend_from_slice(&body);
        Ok(bytes)
    }
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ready.position() == self.ready.get_ref().len() as u64 {
            let next = self.next().map_err(|fault| match fault {
                Fault::Io(error) => error,
                Fault::Content(message) => io::Error::new(io::ErrorKind::InvalidData, message),
            })?;
            self.ready = Cursor::new(next);
        }
        self.ready.read(buffer)
    }
}
