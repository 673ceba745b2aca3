//! A child's pipes, each on a thread of its own, so that no full pipe can hold up the caller. What
//! waits in them is bounded whatever the child writes: a line of stdout, the number of lines not yet
//! asked for, and what is kept of stderr.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Bytes of the longest answer.
pub const LONGEST_ANSWER: u64 = 64 << 20;
/// Bytes of stderr that make a line even where it does not end.
const LONGEST_COMPLAINT: u64 = 4 << 10;
/// Lines of stderr that are kept until they are asked for; older ones give way.
const MOST_COMPLAINTS: usize = 1000;

/// What came from stdout.
#[derive(Debug, PartialEq)]
pub enum Answer {
    /// A line, without its end.
    Line(String),
    /// The beginning of a line longer than [`LONGEST_ANSWER`], after which nothing more is read.
    Endless(String),
}

/// Writes lines to a child. One may wait while another is being written.
pub fn write_lines(mut pipe: impl Write + Send + 'static) -> SyncSender<String> {
    let (sender, lines) = sync_channel::<String>(1);
    thread::spawn(move || {
        for line in lines {
            if writeln!(pipe, "{line}").and_then(|()| pipe.flush()).is_err() {
                return; // the child no longer reads; its silence is reported
            }
        }
    });
    sender
}

/// Reads lines from a child, one ahead of who asks for them.
pub fn read_answers(pipe: impl Read + Send + 'static) -> Receiver<Answer> {
    let (answers, receiver) = sync_channel(1);
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        while let Some(line) = read_line(&mut pipe, LONGEST_ANSWER) {
            let is_endless = line.len() as u64 > LONGEST_ANSWER && !line.ends_with(b"\n");
            let text = String::from_utf8_lossy(&line);
            let answer = match is_endless {
                true => Answer::Endless(shortened(&text)),
                false => Answer::Line(text.trim_end().to_owned()),
            };
            if answers.send(answer).is_err() || is_endless {
                return;
            }
        }
    });
    receiver
}

/// A line with its end, cut where it is longer than `longest`; `None` at the end.
fn read_line(pipe: &mut impl BufRead, longest: u64) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    let read = pipe.take(longest + 1).read_until(b'\n', &mut line);
    (read.is_ok_and(|bytes| bytes > 0)).then_some(line)
}

/// The last lines that a child wrote to stderr.
#[derive(Debug, Clone, Default)]
pub struct Complaints(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    kept: Mutex<Kept>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<String>,
    left_out: u64,
    ended: bool,
}

impl Complaints {
    /// Reads a child's stderr until it ends.
    pub fn of(pipe: impl Read + Send + 'static) -> Self {
        let complaints = Self::default();
        let reader = complaints.clone();
        thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            while let Some(line) = read_line(&mut pipe, LONGEST_COMPLAINT) {
                reader.kept().add(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            reader.kept().ended = true;
            reader.0.ended.notify_all();
        });
        complaints
    }

    /// Waits until the child has closed its stderr, at most this long.
    pub fn wait_for_the_end(&self, most: Duration) {
        let until_then = self.0.ended.wait_timeout_while(self.kept(), most, |kept| !kept.ended);
        drop(until_then.unwrap_or_else(PoisonError::into_inner));
    }

    /// What came since this was last asked, and how many lines before that were not kept.
    pub fn take(&self) -> (u64, Vec<String>) {
        let mut kept = self.kept();
        (std::mem::take(&mut kept.left_out), kept.lines.drain(..).collect())
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn add(&mut self, line: String) {
        if self.lines.len() == MOST_COMPLAINTS {
            self.lines.pop_front();
            self.left_out += 1;
        }
        self.lines.push_back(line);
    }
}

/// The beginning of a text, to be quoted.
pub fn shortened(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives the same bytes for ever.
    struct Flood(&'static [u8]);

    impl Read for Flood {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let bytes = self.0.iter().cycle();
            buffer.iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
            Ok(buffer.len())
        }
    }

    #[test]
    fn of_a_flood_of_lines_only_a_few_are_read() {
        let answers = read_answers(Flood(b"0123456789abcde\n"));
        assert!(matches!(answers.recv().unwrap(), Answer::Line(line) if line.ends_with("abcde")));
    }

    #[test]
    fn a_line_without_an_end_is_given_up() {
        let answers = read_answers(Flood(b"x"));
        assert_eq!(answers.recv().unwrap(), Answer::Endless("x".repeat(80) + "…"));
        assert!(answers.recv().is_err(), "nothing more is read");
    }

    #[test]
    fn of_stderr_the_last_lines_are_kept() {
        let text: String = (0..1500).map(|line| format!("line {line}\n")).collect();
        let complaints = Complaints::of(std::io::Cursor::new(text));
        complaints.wait_for_the_end(Duration::from_secs(60));
        let (left_out, lines) = complaints.take();
        assert_eq!((left_out, lines.len()), (500, 1000));
        assert_eq!((lines[0].as_str(), lines[999].as_str()), ("line 500", "line 1499"));
        assert_eq!(complaints.take(), (0, Vec::new()));
    }

    #[test]
    fn of_a_flood_on_stderr_a_bounded_part_is_kept() {
        let complaints = Complaints::of(Flood(b"x").take(100 << 20));
        complaints.wait_for_the_end(Duration::from_secs(600));
        let (left_out, lines) = complaints.take();
        assert!(left_out > 20_000);
        assert!(lines.iter().map(String::len).sum::<usize>() <= 1000 * 4097);
    }
}
