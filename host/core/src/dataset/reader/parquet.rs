//! The schema in a Parquet file's footer, looked at before its decoder sees it: that one makes room for as
//! many children as a column says it has, and goes down as deep as they nest.
//!
//! The footer is a struct `FileMetaData` in Thrift's compact protocol, whose second field lists the schema's
//! elements in depth-first order, of which the fifth field counts the children
//! (<https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift>,
//! <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>).

use std::io::{self, Read, Seek, SeekFrom};

/// The footer's length and the last magic number.
const TRAILER: u64 = 8;

/// How deep columns may nest: rows of JSON do not nest deeper either.
const DEEPEST: usize = 64;

/// How deep structs may nest in what is passed over.
const DEEPEST_SKIP: usize = 32;

/// Whether the schema is one that a decoder can take; what is no Parquet at all is left to it.
///
/// # Errors
/// What cannot be read. Within: what is wrong with the schema.
pub(super) fn check(file: &mut (impl Read + Seek)) -> io::Result<Result<(), String>> {
    let size = file.seek(SeekFrom::End(0))?;
    let Some(footer_end) = size.checked_sub(TRAILER) else { return Ok(Ok(())) };
    let mut trailer = [0; TRAILER as usize];
    file.seek(SeekFrom::Start(footer_end))?;
    file.read_exact(&mut trailer)?;
    let [a, b, c, d, ..] = trailer;
    let length = u64::from(u32::from_le_bytes([a, b, c, d]));
    let Some(start) = footer_end.checked_sub(length) else { return Ok(Ok(())) };
    let mut footer = Vec::new();
    file.seek(SeekFrom::Start(start))?;
    file.take(length).read_to_end(&mut footer)?;
    let nested = children(&footer).ok_or_else(|| "its footer is damaged".to_owned());
    Ok(nested.and_then(|children| check_nesting(&children)))
}

/// As many children as are there, no deeper than a stack goes.
fn check_nesting(children: &[u64]) -> Result<(), String> {
    let mut open: Vec<u64> = Vec::new();
    for (place, &count) in children.iter().enumerate() {
        let rest = (children.len() - place - 1) as u64;
        if count > rest {
            return Err(format!("a column has {count} parts of which {rest} are there"));
        }
        if let Some(last) = open.last_mut() {
            *last -= 1;
        }
        open.push(count);
        if open.len() > DEEPEST {
            return Err(format!("its columns nest more than {DEEPEST} deep"));
        }
        while open.last() == Some(&0) {
            open.pop();
        }
    }
    Ok(())
}

/// The number of children of each element of the schema.
fn children(footer: &[u8]) -> Option<Vec<u64>> {
    let mut thrift = Thrift { rest: footer };
    let mut id = 0;
    loop {
        let kind = thrift.field(&mut id)?;
        match (id, kind) {
            (_, Kind::Stop) => return Some(Vec::new()),
            (2, Kind::List) => break,
            (_, kind) => thrift.skip(kind, DEEPEST_SKIP)?,
        }
    }
    let (count, kind) = thrift.list()?;
    let mut children = Vec::new();
    for _ in 0..count {
        if kind != Kind::Struct {
            return None;
        }
        children.push(thrift.num_children()?);
    }
    Some(children)
}

/// What is left of a text in Thrift's compact protocol.
struct Thrift<'a> {
    rest: &'a [u8],
}

/// The types of its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Stop,
    /// True or false, which stands in the field's header; one byte in a list.
    Bool,
    Byte,
    Integer,
    Double,
    Binary,
    List,
    Map,
    Struct,
}

impl Kind {
    fn of(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Stop,
            1 | 2 => Self::Bool,
            3 => Self::Byte,
            4..=6 => Self::Integer,
            7 => Self::Double,
            8 => Self::Binary,
            9 | 10 => Self::List,
            11 => Self::Map,
            12 => Self::Struct,
            _ => return None,
        })
    }
}

impl Thrift<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    fn pass(&mut self, length: u64) -> Option<()> {
        self.rest = self.rest.get(usize::try_from(length).ok()?..)?;
        Some(())
    }

    /// Seven bits a byte, the lowest first.
    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    /// 0, -1, 1, -2, … as 0, 1, 2, 3, …
    fn zigzag(&mut self) -> Option<i64> {
        let number = self.varint()?;
        Some((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    /// A field's header: its number, as the distance from the one before or in full, and its type.
    fn field(&mut self, id: &mut i64) -> Option<Kind> {
        let header = self.byte()?;
        let kind = Kind::of(header & 0xf)?;
        if kind != Kind::Stop {
            *id = match header >> 4 {
                0 => self.zigzag()?,
                distance => id.checked_add(distance.into())?,
            };
        }
        Some(kind)
    }

    /// A list's header: how many items, and their type.
    fn list(&mut self) -> Option<(u64, Kind)> {
        let header = self.byte()?;
        let count = match header >> 4 {
            15 => self.varint()?,
            count => count.into(),
        };
        Some((count, Kind::of(header & 0xf)?))
    }

    fn skip(&mut self, kind: Kind, depth: usize) -> Option<()> {
        let deeper = depth.checked_sub(1)?;
        match kind {
            Kind::Stop | Kind::Bool => Some(()),
            Kind::Byte => self.pass(1),
            Kind::Integer => self.varint().map(drop),
            Kind::Double => self.pass(8),
            Kind::Binary => {
                let length = self.varint()?;
                self.pass(length)
            }
            Kind::List => {
                let (count, kind) = self.list()?;
                (0..count).try_for_each(|_| self.skip_item(kind, deeper))
            }
            Kind::Map => {
                let count = self.varint()?;
                let kinds = if count > 0 { self.byte()? } else { 0 };
                let (key, value) = (Kind::of(kinds >> 4)?, Kind::of(kinds & 0xf)?);
                (0..count).try_for_each(|_| {
                    self.skip_item(key, deeper)?;
                    self.skip_item(value, deeper)
                })
            }
            Kind::Struct => {
                let mut id = 0;
                loop {
                    match self.field(&mut id)? {
                        Kind::Stop => return Some(()),
                        kind => self.skip(kind, deeper)?,
                    }
                }
            }
        }
    }

    /// An item takes a byte at least, so that a count beyond what is there comes to an end.
    fn skip_item(&mut self, kind: Kind, depth: usize) -> Option<()> {
        match kind {
            Kind::Stop => None,
            Kind::Bool => self.pass(1),
            kind => self.skip(kind, depth),
        }
    }

    /// The fifth field of an element of the schema, 0 where there is none.
    fn num_children(&mut self) -> Option<u64> {
        let (mut id, mut children) = (0, 0);
        loop {
            match (self.field(&mut id)?, id) {
                (Kind::Stop, _) => return Some(children),
                (Kind::Integer, 5) => children = u64::try_from(self.zigzag()?).ok()?,
                (kind, _) => self.skip(kind, DEEPEST_SKIP)?,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    /// A file that is nothing but the footer's beginning: a version, and elements with so many children.
    fn file(children: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x15, 2, 0x19, 0xfc, children.len() as u8];
        for count in children {
            // A name of one letter, and then the count of children, twice it in zigzag.
            bytes.extend([0x48, 1, b'x', 0x15, 2 * count, 0]);
        }
        let length = bytes.len() as u32;
        bytes.extend(length.to_le_bytes());
        bytes.extend(b"PAR1");
        bytes
    }

    fn check_of(bytes: Vec<u8>) -> Result<(), String> {
        check(&mut Cursor::new(bytes)).unwrap()
    }

    #[test]
    fn a_schema_has_the_parts_it_says_and_nests_so_deep() {
        assert_eq!(check_of(file(&[2, 0, 1, 0])), Ok(()));
        let told = check_of(file(&[60, 0])).unwrap_err();
        assert_eq!(told, "a column has 60 parts of which 1 are there");
        let deep = |levels: usize| {
            let mut children = vec![1; levels];
            children.push(0);
            check_of(file(&children))
        };
        assert_eq!(deep(DEEPEST - 1), Ok(()));
        assert_eq!(deep(DEEPEST).unwrap_err(), "its columns nest more than 64 deep");
        // Many columns beside each other are none within each other.
        let mut wide = vec![50];
        wide.extend([0; 50]);
        assert_eq!(check_of(file(&wide)), Ok(()));
    }

    #[test]
    fn a_footer_that_ends_anywhere_is_damaged_or_left_alone() {
        let whole = file(&[2, 0, 1, 0]);
        for cut in 0..whole.len() - 8 {
            let mut bytes = whole[..cut].to_vec();
            bytes.extend((cut as u32).to_le_bytes());
            bytes.extend(b"PAR1");
            assert_eq!(check_of(bytes), Err("its footer is damaged".into()), "{cut} bytes");
        }
        assert_eq!(check_of(b"PAR1".to_vec()), Ok(()));
        // Lists in lists without end.
        let mut lists = vec![0x19; 100];
        lists.extend(100_u32.to_le_bytes());
        lists.extend(b"PAR1");
        assert!(check_of(lists).is_err());
    }
}
