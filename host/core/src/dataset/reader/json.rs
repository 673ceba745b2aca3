//! JSON as a stream of rows: one array; objects one after the other, a line each or not; or one object
//! that holds all rows.
//!
//! One row at a time is in memory, but for an object that holds all, which is parsed whole.

use super::{Failure, LONGEST_ROW, Visit, wrapped};
use crate::not_a_number::{AsNull, as_null};
use serde::Deserializer as _;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::{Deserializer, Value};
use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read};

/// Bytes beyond which an object that holds all rows is refused.
const LONGEST_WRAPPER: u64 = 1 << 30;

/// Bytes that may be read once more, in all, because an object was not closed behind its line either.
const MOST_IN_VAIN: u64 = 256 << 20;

/// Visits the elements of an array.
pub(super) fn array(source: impl Read, visit: Visit<'_>) -> Result<(), Failure> {
    array_within(LONGEST_ROW, source, visit)
}

fn array_within(longest: u64, source: impl Read, visit: Visit<'_>) -> Result<(), Failure> {
    let row = Cell::new(0);
    let mut num_rows = 0;
    let metered = Metered { source: AsNull::new(without_mark(source)?), longest, row: &row };
    let mut deserializer = Deserializer::from_reader(BufReader::with_capacity(1 << 16, metered));
    let read = deserializer
        .deserialize_seq(Elements { row: &row, num_rows: &mut num_rows, visit })
        .and_then(|()| deserializer.end());
    read.map_err(|error| {
        let (line, column) = (error.line(), error.column());
        match error.classify() {
            Category::Io if row.get() > longest => too_long(longest),
            Category::Io => of_io(error.into()),
            Category::Eof => Failure::Content(format!(
                "it ends within row {num_rows}, at line {line}, expected the array to be closed: \
                 the file is cut off"
            )),
            _ => {
                let reason = without_place(&error);
                let hint = if reason.contains("unicode code point") { NOT_UTF_8 } else { "" };
                let place = format!("near row {num_rows}, line {line}, column {column}");
                Failure::Content(format!("not JSON {place}: {reason}{hint}"))
            }
        }
    })
}

const NOT_UTF_8: &str = "\nhint: JSON is UTF-8; iconv -f CP1252 -t UTF-8 FILE > NEW turns Latin-1 \
                         and Windows' alphabet into it";

/// Visits an array's elements as they are parsed.
struct Elements<'a> {
    row: &'a Cell<u64>,
    num_rows: &'a mut usize,
    visit: Visit<'a>,
}

impl<'de> Visitor<'de> for Elements<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        while let Some(row) = rows.next_element()? {
            (self.visit)(&format!("row {}", self.num_rows), Ok(row));
            *self.num_rows += 1;
            self.row.set(0);
        }
        Ok(())
    }
}

/// A source that counts the bytes since the last row, and fails beyond a limit.
struct Metered<'a, R> {
    source: R,
    longest: u64,
    row: &'a Cell<u64>,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.row.set(self.row.get() + count as u64);
        let is_over = self.row.get() > self.longest;
        if is_over { Err(io::Error::other("over the limit")) } else { Ok(count) }
    }
}

/// Visits objects that stand one after the other, or the rows in one that holds them all; what is to
/// be said of such a one.
pub(super) fn objects(source: impl Read, visit: Visit<'_>) -> Result<Vec<String>, Failure> {
    let lines = Lines::new(source);
    let mut rows = Rows { visit, num_rows: 0, alone: None };
    Objects { lines, in_vain: 0 }.read(&mut rows)?;
    rows.end()
}

/// Counts rows, and holds back the first until a second shows that it is none that holds all others.
struct Rows<'a> {
    visit: Visit<'a>,
    num_rows: usize,
    alone: Option<(String, Value)>,
}

impl Rows<'_> {
    fn take(&mut self, line: usize, row: Result<Value, String>) {
        let place = format!("row {} (line {line})", self.num_rows);
        self.num_rows += 1;
        match (self.num_rows, row) {
            (1, Ok(row)) => self.alone = Some((place, row)),
            (_, row) => {
                self.release();
                (self.visit)(&place, row);
            }
        }
    }

    fn release(&mut self) {
        if let Some((place, row)) = self.alone.take() {
            (self.visit)(&place, Ok(row));
        }
    }

    fn end(mut self) -> Result<Vec<String>, Failure> {
        match self.alone.take() {
            Some((place, Value::Object(object))) => {
                wrapped::visit(object, &place, self.visit).map_err(Failure::Content)
            }
            alone => {
                self.alone = alone;
                self.release();
                Ok(Vec::new())
            }
        }
    }
}

/// Cuts lines into objects.
struct Objects<R> {
    lines: Lines<R>,
    /// Bytes of lines that were put together in vain.
    in_vain: u64,
}

/// What a text of JSON holds.
enum Parsed {
    Whole(Vec<Value>),
    /// The values before the last, which is not closed, and what a message says of that.
    Unclosed(Vec<Value>, usize, String),
    Broken(Vec<Value>, Fault),
}

struct Fault {
    line: usize,
    column: usize,
    reason: String,
}

impl<R: Read> Objects<R> {
    fn read(mut self, rows: &mut Rows<'_>) -> Result<(), Failure> {
        while let Some((number, line)) = self.lines.next()? {
            match parse(&line) {
                Parsed::Whole(values) => {
                    values.into_iter().for_each(|it| rows.take(number, Ok(it)))
                }
                Parsed::Broken(values, Fault { reason, .. }) => {
                    values.into_iter().for_each(|it| rows.take(number, Ok(it)));
                    rows.take(number, Err(not_on_the_line(&reason)));
                }
                Parsed::Unclosed(values, start, reason) => {
                    values.into_iter().for_each(|it| rows.take(number, Ok(it)));
                    self.over_several_lines(number, &line[start..], &reason, rows)?;
                }
            }
        }
        Ok(())
    }

    /// An object that its first line does not close. Where the lines behind do not close it either, and
    /// it is not printed prettily, the first line alone is at fault: it was cut off.
    fn over_several_lines(
        &mut self,
        number: usize,
        first: &[u8],
        reason: &str,
        rows: &mut Rows<'_>,
    ) -> Result<(), Failure> {
        let is_pretty = first.trim_ascii() == b"{";
        let longest = if rows.num_rows == 0 { LONGEST_WRAPPER } else { LONGEST_ROW };
        let (mut text, mut more) = (first.to_vec(), Vec::new());
        let (mut depth, mut next_try) = (Depth::default(), 2 * first.len());
        depth.take(first);
        let fault = loop {
            let Some((_, line)) = self.lines.next_raw()? else { break None };
            depth.take(&line);
            text.extend_from_slice(&line);
            more.push(line);
            if text.len() as u64 > longest {
                return Err(too_long(longest));
            }
            if depth.levels > 0 && text.len() < next_try {
                continue;
            }
            next_try = 2 * text.len();
            if let Err(fault) = could_go_on(&text) {
                break Some(fault);
            }
            if depth.levels > 0 {
                continue;
            }
            match parse(&text) {
                Parsed::Whole(values) => {
                    values.into_iter().for_each(|it| rows.take(number, Ok(it)));
                    return Ok(());
                }
                Parsed::Unclosed(..) => {}
                Parsed::Broken(_, fault) => break Some(fault),
            }
        };
        match fault {
            None if is_pretty => Err(Failure::Content(format!(
                "it ends within row {}, which begins at line {number}, expected the object to be \
                 closed: the file is cut off",
                rows.num_rows
            ))),
            Some(Fault { line, column, reason }) if is_pretty => {
                let line = number + line - 1;
                rows.take(number, Err(format!("line {line}, column {column}: {reason}")));
                let next =
                    more.iter().skip(line - number).position(|it| it.trim_ascii_end() == b"{");
                let skipped = next.map_or(more.len(), |next| line - number + next);
                self.lines.put_back(number + 1 + skipped, more.split_off(skipped));
                self.lines.skip_to_object()
            }
            _ => {
                rows.take(number, Err(not_on_the_line(reason)));
                self.lines.put_back(number + 1, more);
                // Where every line opens what none closes, each would read all others.
                self.in_vain += text.len() as u64;
                match self.in_vain > MOST_IN_VAIN {
                    true => Err(Failure::Content(format!(
                        "row after row is not closed, the last at line {number}: the file is damaged"
                    ))),
                    false => Ok(()),
                }
            }
        }
    }
}

fn not_on_the_line(reason: &str) -> String {
    format!("{reason}, expected one whole JSON object on the line")
}

/// Every value of a text.
fn parse(text: &[u8]) -> Parsed {
    match parse_strictly(text) {
        Parsed::Whole(values) => Parsed::Whole(values),
        other => match as_null(text) {
            std::borrow::Cow::Owned(text) => parse_strictly(&text),
            std::borrow::Cow::Borrowed(_) => other,
        },
    }
}

fn parse_strictly(text: &[u8]) -> Parsed {
    let mut stream = Deserializer::from_slice(text).into_iter();
    let mut values = Vec::new();
    let mut start = 0;
    loop {
        match stream.next() {
            None => return Parsed::Whole(values),
            Some(Ok(value)) => values.push(value),
            Some(Err(error)) if error.classify() == Category::Eof => {
                return Parsed::Unclosed(values, start, without_place(&error));
            }
            Some(Err(error)) => return Parsed::Broken(values, fault(text, &error)),
        }
        start = stream.byte_offset();
    }
}

/// Refuses the beginning of objects that no end can mend.
fn could_go_on(text: &[u8]) -> Result<(), Fault> {
    let text = as_null(text);
    let mut objects = Deserializer::from_slice(&text).into_iter::<IgnoredAny>();
    match objects.find_map(Result::err) {
        Some(error) if error.classify() == Category::Syntax => Err(fault(&text, &error)),
        _ => Ok(()),
    }
}

fn fault(text: &[u8], error: &serde_json::Error) -> Fault {
    let reason = match std::str::from_utf8(text) {
        Ok(_) => without_place(error),
        Err(error) => format!(
            "byte {} is `\\x{:02x}`, which is not UTF-8",
            error.valid_up_to() + 1,
            text[error.valid_up_to()]
        ),
    };
    Fault { line: error.line(), column: error.column(), reason }
}

/// How many brackets a text has left open.
#[derive(Default)]
struct Depth {
    levels: usize,
    is_string: bool,
    is_escaped: bool,
}

impl Depth {
    fn take(&mut self, text: &[u8]) {
        for &byte in text {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = self.is_string,
                b'"' => self.is_string = !self.is_string,
                _ if self.is_string => {}
                b'{' | b'[' => self.levels += 1,
                b'}' | b']' => self.levels = self.levels.saturating_sub(1),
                _ => {}
            }
        }
    }
}

/// Numbered lines, some of which may have been put back.
struct Lines<R> {
    source: BufReader<R>,
    number: usize,
    back: VecDeque<(usize, Vec<u8>)>,
}

impl<R: Read> Lines<R> {
    fn new(source: R) -> Self {
        let source = BufReader::with_capacity(1 << 16, source);
        Self { source, number: 0, back: VecDeque::new() }
    }

    /// The next line that holds anything, without a byte order mark.
    fn next(&mut self) -> Result<Option<(usize, Vec<u8>)>, Failure> {
        while let Some((number, mut line)) = self.next_raw()? {
            if line.starts_with("\u{feff}".as_bytes()) {
                line.drain(..3);
            }
            if !line.trim_ascii().is_empty() {
                return Ok(Some((number, line)));
            }
        }
        Ok(None)
    }

    fn next_raw(&mut self) -> Result<Option<(usize, Vec<u8>)>, Failure> {
        if let Some(line) = self.back.pop_front() {
            return Ok(Some(line));
        }
        self.number += 1;
        let mut line = Vec::new();
        // An object that holds all rows may stand on one line.
        let longest = if self.number == 1 { LONGEST_WRAPPER } else { LONGEST_ROW };
        let mut limited = self.source.by_ref().take(longest + 1);
        let count = limited.read_until(b'\n', &mut line).map_err(of_io)?;
        if count as u64 > longest {
            return Err(too_long(longest));
        }
        Ok((count > 0).then_some((self.number, line)))
    }

    fn put_back(&mut self, first: usize, lines: Vec<Vec<u8>>) {
        for (place, line) in lines.into_iter().enumerate().rev() {
            self.back.push_front((first + place, line));
        }
    }

    /// Passes over what is left of a broken object.
    fn skip_to_object(&mut self) -> Result<(), Failure> {
        while let Some((number, line)) = self.next_raw()? {
            if line.trim_ascii_end() == b"{" {
                self.put_back(number, vec![line]);
                return Ok(());
            }
        }
        Ok(())
    }
}

/// A source behind its byte order mark.
fn without_mark(source: impl Read) -> Result<impl Read, Failure> {
    let peeked = super::Peeked::new(source, 3).map_err(of_io)?;
    let is_mark = peeked.head == "\u{feff}".as_bytes();
    let mut source = peeked.into_read();
    if is_mark {
        source.read_exact(&mut [0; 3]).map_err(of_io)?;
    }
    Ok(source)
}

fn too_long(longest: u64) -> Failure {
    Failure::Content(format!("a row is longer than {} MiB, expected one sample", longest >> 20))
}

/// The system's own error, or a packed file's that ends too early.
pub(super) fn of_io(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            Failure::Content("it ends too early: the packed file is cut off".into())
        }
        _ => Failure::Io(error),
    }
}

/// serde_json's message without the line and column, which are told in our own words.
fn without_place(error: &serde_json::Error) -> String {
    let message = error.to_string();
    message.split(" at line ").next().unwrap_or(&message).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Read<'a> = dyn Fn(&[u8], Visit<'_>) -> Result<(), Failure> + 'a;

    fn all(read: &Read<'_>, text: &str) -> Result<Vec<String>, String> {
        let mut rows = Vec::new();
        let visit = &mut |place: &str, row: Result<Value, String>| {
            let row = row.map_or_else(|fault| fault, |row| row.to_string());
            rows.push(format!("{place}: {row}"));
        };
        match read(text.as_bytes(), visit) {
            Ok(()) => Ok(rows),
            Err(Failure::Content(message)) => Err(message),
            Err(Failure::Io(error)) => Err(error.to_string()),
        }
    }

    fn check(text: &str, expected: &[&str]) {
        let read: &Read<'_> = if text.trim_start().starts_with('[') {
            &|text, visit| array(text, visit)
        } else {
            &|text, visit| objects(text, visit).map(drop)
        };
        assert_eq!(all(read, text).unwrap(), expected, "{text}");
    }

    #[test]
    fn rows_stand_in_an_array_or_one_after_the_other() {
        check(" [ {\"a\":1},\n{\"b\":NaN} ]\n", &["row 0: {\"a\":1}", "row 1: {\"b\":null}"]);
        let (a, b) = ("row 0 (line 1): {\"a\":1}", "row 1 (line 3): {\"b\":2}");
        check("\u{feff}{\"a\":1}\n\n{\"b\":2}", &[a, b]);
        check("{\"a\":1}{\"b\":NaN}", &[a, "row 1 (line 1): {\"b\":null}"]);
        check("{\"a\":\n1}\n{\n \"b\":2\n}\n\n", &[a, "row 1 (line 3): {\"b\":2}"]);
        check("{\"a\":\n1} {\n\"b\":2}", &[a, "row 1 (line 1): {\"b\":2}"]);
    }

    #[test]
    fn a_line_that_is_cut_off_costs_itself_alone() {
        let cut = "EOF while parsing an object, expected one whole JSON object on the line";
        check(
            "{\"a\":1\n{\"b\":2}\n{\"c\":\n{\"d\":4}",
            &[
                &format!("row 0 (line 1): {cut}"),
                "row 1 (line 2): {\"b\":2}",
                "row 2 (line 3): EOF while parsing a value, expected one whole JSON object on the line",
                "row 3 (line 4): {\"d\":4}",
            ],
        );
        check(
            "{\n\"a\": 1\n\"b\": 2\n}\n{\n\"c\": 3\n}",
            &["row 0 (line 1): line 3, column 1: expected `,` or `}`", "row 1 (line 5): {\"c\":3}"],
        );
        let read: &Read<'_> = &|text, visit| objects(text, visit).map(drop);
        let cut = all(read, "{\n\"a\": 1\n}\n{\n\"b\": 2\n").unwrap_err();
        assert!(cut.starts_with("it ends within row 1, which begins at line 4"), "{cut}");
    }

    #[test]
    fn a_row_beyond_reason_is_refused() {
        // The reader takes 64 KiB at a time, so the limit bites at that grain.
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(200_000));
        let read: &Read<'_> = &|text, visit| array_within(1 << 17, text, visit);
        let row = all(read, &format!("[{long}]")).unwrap_err();
        assert!(row.starts_with("a row is longer than"), "{row}");
        let many = format!("[{}1]", "1,".repeat(200_000));
        assert_eq!(all(read, &many).unwrap().len(), 200_001);
    }
}
