//! A program that is written to and never waited for: lines go through a bounded queue to a thread of its
//! own, and a line that finds no room is left out. It knows nothing of what the lines say.
//!
//! It leads a process group of its own, so that a Ctrl-C in the terminal reaches the trainer alone, and
//! what it started ends with it.

use iterit_core::config::words;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// Lines that may wait for it.
const ROOM: usize = 1024;
/// What it may take after the last line.
const LAST_MINUTE: Duration = Duration::from_secs(60);
/// How often somebody who waits for its end looks up.
const PATIENCE: Duration = Duration::from_millis(20);
/// How much of the end of its log a message quotes.
const LAST_WORDS: usize = 600;

/// A running program. It is killed when dropped, and all that it started.
pub(super) struct Program {
    command: String,
    log: PathBuf,
    child: Child,
    /// None once nothing more is to be told.
    lines: Option<SyncSender<String>>,
    left_out: u64,
    /// By when it has to end, once it was told the end.
    deadline: Option<Instant>,
    ended: Option<ExitStatus>,
}

impl Program {
    /// Starts a command; what it prints goes to the end of `log`.
    ///
    /// # Errors
    /// Why it cannot be started, for a person.
    pub(super) fn start(command: &str, log: &Path) -> Result<Self, String> {
        let failed = |why: String| format!("observer `{command}` cannot be started: {why}");
        let words = words(command).ok_or_else(|| failed("it is no command".into()))?;
        let printed = open(log).map_err(|error| failed(format!("`{}`: {error}", log.display())))?;
        let copy = printed.try_clone().map_err(|error| failed(error.to_string()))?;
        let mut child = Command::new(&words[0])
            .args(&words[1..])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(copy)
            .stderr(printed)
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        let lines = write_lines(child.stdin.take().expect("stdin is a pipe"));
        Ok(Self {
            command: command.to_owned(),
            log: log.to_owned(),
            child,
            lines: Some(lines),
            left_out: 0,
            deadline: None,
            ended: None,
        })
    }

    /// Puts a line into the queue, or leaves it out; returns what a person is to be told of it, which is
    /// the first line left out, and an end before its time.
    pub(super) fn tell(&mut self, line: String) -> Option<String> {
        if self.lines.is_some() && self.has_ended() {
            self.lines = None;
            return Some(format!("{}; the run goes on without it", self.how_it_ended()));
        }
        let lines = self.lines.as_ref()?;
        // A thread that is gone means a child that is, or does not read; either is noticed at its end.
        if let Err(TrySendError::Full(_)) = lines.try_send(line) {
            self.left_out += 1;
            return (self.left_out == 1).then(|| {
                format!(
                    "observer `{}` is {ROOM} records behind, so records are left out for it",
                    self.command
                )
            });
        }
        None
    }

    /// The last line, and no more. From now on it has a minute.
    pub(super) fn tell_the_end(&mut self, line: String) {
        let deadline = *self.deadline.get_or_insert_with(|| Instant::now() + LAST_MINUTE);
        let Some(lines) = self.lines.take() else { return };
        let mut line = Some(line);
        // It may be far behind; then the end waits for room, in this minute.
        thread::spawn(move || {
            while let Some(unsent) = line.take().filter(|_| Instant::now() < deadline) {
                if let Err(TrySendError::Full(unsent)) = lines.try_send(unsent) {
                    line = Some(unsent);
                    thread::sleep(PATIENCE);
                }
            }
        });
    }

    /// Waits for its end, at most until the minute is over; returns what a person is to be told.
    pub(super) fn end(mut self) -> Vec<String> {
        if self.ended.is_some() {
            return Vec::new(); // told before
        }
        let deadline = self.deadline.unwrap_or_else(Instant::now);
        while !self.has_ended() && Instant::now() < deadline {
            thread::sleep(PATIENCE);
        }
        let mut said = Vec::new();
        if !self.has_ended() {
            said.push(format!(
                "observer `{}` did not end within {} s after the last record, and was ended",
                self.command,
                LAST_MINUTE.as_secs()
            ));
        } else if self.ended.is_some_and(|status| !status.success()) {
            said.push(self.how_it_ended());
        }
        if self.left_out > 0 {
            said.push(format!(
                "observer `{}` kept too little pace: {} records were left out for it",
                self.command, self.left_out
            ));
        }
        said
    }

    /// Whether it has ended by itself; then what it started is ended too.
    fn has_ended(&mut self) -> bool {
        // Not yet waited for, so that its process group keeps its number.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        let child = WaitId::Pid(Pid::from_child(&self.child));
        if self.ended.is_none() && waitid(child, options).is_ok_and(|ended| ended.is_some()) {
            self.kill();
        }
        self.ended.is_some()
    }

    fn kill(&mut self) {
        if self.ended.is_none() {
            // Fails only where all of them are gone already.
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
            self.ended = self.child.wait().ok();
        }
    }

    fn how_it_ended(&self) -> String {
        let status = self.ended.map_or_else(String::new, |status| format!(" ({status})"));
        let log = fs::read(&self.log).unwrap_or_default();
        let words = String::from_utf8_lossy(&log[log.len().saturating_sub(LAST_WORDS)..]);
        let words = words.trim().replace('\n', "\n  ");
        let words = match words.is_empty() {
            true => String::new(),
            false => format!("; the end of `{}`:\n  {words}\n", self.log.display()),
        };
        format!("observer `{}` ended{status}{}", self.command, words.trim_end())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

fn open(log: &Path) -> std::io::Result<File> {
    if let Some(folder) = log.parent() {
        fs::create_dir_all(folder)?;
    }
    OpenOptions::new().create(true).append(true).open(log)
}

/// Ends, and closes the pipe, when nobody sends any more or the child does not read any more.
fn write_lines(mut pipe: ChildStdin) -> SyncSender<String> {
    let (sender, lines) = sync_channel::<String>(ROOM);
    thread::spawn(move || {
        for line in lines {
            if writeln!(pipe, "{line}").and_then(|()| pipe.flush()).is_err() {
                return;
            }
        }
    });
    sender
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(script: &str) -> (tempfile::TempDir, Program) {
        let folder = tempfile::tempdir().unwrap();
        let program = Program::start(&format!("sh -c '{script}'"), &folder.path().join("0.log"));
        (folder, program.unwrap())
    }

    fn printed(folder: &tempfile::TempDir) -> String {
        fs::read_to_string(folder.path().join("0.log")).unwrap()
    }

    fn wait_for_the_end(program: &mut Program) {
        while !program.has_ended() {
            thread::sleep(PATIENCE);
        }
    }

    #[test]
    fn lines_arrive_in_order_and_the_end_comes_last() {
        let (folder, mut program) = start("cat; echo closed >&2");
        for line in 0..100 {
            assert_eq!(program.tell(line.to_string()), None);
        }
        program.tell_the_end("end".into());
        assert_eq!(program.end(), [""; 0]);
        let expected: String = (0..100).map(|line| format!("{line}\n")).collect();
        assert_eq!(printed(&folder), expected + "end\nclosed\n");
    }

    #[test]
    fn one_that_does_not_read_costs_nothing_and_is_told_of_once() {
        let (_folder, mut program) = start("sleep 1000 & wait");
        let line = "x".repeat(1 << 12);
        let clock = Instant::now();
        let said: Vec<String> = (0..5000).filter_map(|_| program.tell(line.clone())).collect();
        assert!(clock.elapsed() < Duration::from_secs(10));
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains("1024 records behind"), "{said:?}");
        // The pipe holds a few lines, the queue a thousand.
        assert!(program.left_out > 3000, "{}", program.left_out);
        program.deadline = Some(Instant::now());
        program.tell_the_end("end".into());
        let said = program.end();
        assert!(said[0].contains("did not end within 60 s"), "{said:?}");
        assert!(said[1].contains("records were left out"), "{said:?}");
    }

    #[test]
    fn one_that_dies_is_told_of_once_with_its_last_words() {
        let (_folder, mut program) = start("echo cannot go on >&2; exit 7");
        wait_for_the_end(&mut program);
        let said = program.tell("one".into()).unwrap();
        assert!(said.contains("ended (exit status: 7)") && said.contains("cannot go on"), "{said}");
        assert_eq!(program.tell("two".into()), None);
        program.tell_the_end("end".into());
        assert_eq!(program.end(), [""; 0]);
    }

    #[test]
    fn one_that_fails_at_the_end_is_told_of() {
        let (_folder, mut program) = start("cat > /dev/null; echo no upload >&2; exit 3");
        assert_eq!(program.tell("one".into()), None);
        program.tell_the_end("end".into());
        let said = program.end();
        assert!(said.len() == 1 && said[0].contains("no upload"), "{said:?}");
    }

    #[test]
    fn one_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let start = |command| Program::start(command, &folder.path().join("0.log")).err().unwrap();
        assert!(start("no-such-program -v").contains("`no-such-program -v` cannot be started: No"));
        assert!(start("unclosed \"quote").contains("it is no command"));
    }
}
