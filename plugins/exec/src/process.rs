//! A child process that answers a line with a line, within a time limit. It knows nothing of what
//! the lines say.
//!
//! Threads write its stdin and read its stdout and stderr, so that no full pipe can hold up the
//! caller: whatever the child does, the caller waits no longer than it wants to.

use iterit_sdk::{Error, Result};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How often a waiting caller looks up.
const PATIENCE: Duration = Duration::from_millis(50);
/// How long a child that closed its stdout may take to end and to say why.
const LAST_BREATH: Duration = Duration::from_secs(1);
/// How many lines of stderr a message quotes.
const LAST_WORDS: usize = 12;

/// A running child. It is killed when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    questions: Sender<String>,
    answers: Receiver<String>,
    complaints: Receiver<String>,
}

impl Process {
    /// Starts a program with its arguments.
    pub fn start(command: &[String]) -> Result<Self> {
        let name = command.join(" ");
        let [program, arguments @ ..] = command else {
            return Err(Error::options("`command` is empty"));
        };
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| {
                Error::msg(format!(
                    "cannot start `{name}`: {error}\nhint: `command` is a list: a program and its \
                     arguments"
                ))
            })?;
        let questions = write_lines(child.stdin.take().expect("stdin is a pipe"));
        let answers = read_lines(child.stdout.take().expect("stdout is a pipe"));
        let complaints = read_lines(child.stderr.take().expect("stderr is a pipe"));
        Ok(Self { name, child, questions, answers, complaints })
    }

    /// Sends a line and waits for the line that answers it. `proceed` is asked again and again
    /// meanwhile, and ends the waiting by an error. After an error the process is of no more use.
    pub fn ask(
        &mut self,
        question: String,
        limit: Duration,
        mut proceed: impl FnMut() -> Result<()>,
    ) -> Result<String> {
        let asked = Instant::now();
        // A child that is gone is noticed below, where its exit status is known.
        let _ = self.questions.send(question);
        loop {
            proceed()?;
            match self.answers.recv_timeout(PATIENCE) {
                Ok(answer) => return Ok(answer),
                Err(RecvTimeoutError::Disconnected) => return Err(self.died()),
                Err(RecvTimeoutError::Timeout) if asked.elapsed() < limit => {}
                Err(RecvTimeoutError::Timeout) => {
                    return Err(Error::msg(format!(
                        "`{}` did not answer within {} s{}\nhint: raise `timeout_seconds` or lower \
                         `batch`; a scorer must flush its stdout after every line",
                        self.name,
                        limit.as_secs_f64(),
                        self.last_words()
                    )));
                }
            }
        }
    }

    /// What it wrote to stderr since this was last asked.
    pub fn complaints(&self) -> impl Iterator<Item = String> {
        self.complaints.try_iter()
    }

    fn died(&mut self) -> Error {
        let ended = match self.wait_briefly() {
            Some(status) => format!("ended ({status})"),
            None => "closed its stdout".to_owned(),
        };
        Error::msg(format!(
            "`{}` {ended} before it answered{}\nhint: run it by hand and give it a line like \
             {{\"samples\": []}}",
            self.name,
            self.last_words()
        ))
    }

    /// How it ended; a child closes its pipes a moment before it can be waited for.
    fn wait_briefly(&mut self) -> Option<ExitStatus> {
        let asked = Instant::now();
        while asked.elapsed() < LAST_BREATH {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            thread::sleep(PATIENCE);
        }
        None
    }

    /// The end of what it wrote to stderr, for a message.
    fn last_words(&self) -> String {
        let asked = Instant::now();
        let mut words: Vec<String> = Vec::new();
        let left = || LAST_BREATH.saturating_sub(asked.elapsed());
        while let Ok(line) = self.complaints.recv_timeout(left()) {
            words.push(line);
        }
        let last = &words[words.len().saturating_sub(LAST_WORDS)..];
        if last.is_empty() { String::new() } else { format!("; it said:\n{}", last.join("\n")) }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Either fails only where the child is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write_lines(mut pipe: impl Write + Send + 'static) -> Sender<String> {
    let (sender, lines) = channel::<String>();
    thread::spawn(move || {
        for line in lines {
            if writeln!(pipe, "{line}").and_then(|()| pipe.flush()).is_err() {
                return; // the child no longer reads; its silence is reported
            }
        }
    });
    sender
}

fn read_lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (lines, receiver) = channel();
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while pipe.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
            if lines.send(String::from_utf8_lossy(&line).trim_end().to_owned()).is_err() {
                return;
            }
            line.clear();
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Process {
        Process::start(&["sh", "-c", script].map(String::from)).unwrap()
    }

    fn ask(process: &mut Process, question: &str, limit: Duration) -> Result<String> {
        process.ask(question.into(), limit, || Ok(()))
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_line_is_answered_by_a_line() {
        let mut process = shell("while read -r line; do echo heard >&2; echo \"<$line>\"; done");
        assert_eq!(ask(&mut process, "one", LONG).unwrap(), "<one>");
        assert_eq!(ask(&mut process, "two", LONG).unwrap(), "<two>");
        assert!(process.last_words().ends_with("it said:\nheard\nheard"));
    }

    #[test]
    fn a_death_is_told_with_the_last_words() {
        let mut process = shell("read -r line; echo cannot go on >&2; exit 7");
        let error = ask(&mut process, "one", LONG).unwrap_err();
        let message = error.message();
        assert!(message.contains("ended (exit status: 7) before it answered"), "{message}");
        assert!(message.contains("cannot go on\nhint: "), "{message}");
    }

    #[test]
    fn silence_ends_at_the_time_limit_even_with_its_pipes_full() {
        let mut process = shell("exec sleep 1000");
        let question = "x".repeat(1 << 20);
        let error = ask(&mut process, &question, Duration::from_millis(100)).unwrap_err();
        assert!(error.message().contains("did not answer within 0.1 s"), "{error}");
    }

    #[test]
    fn waiting_can_be_called_off() {
        let mut process = shell("exec sleep 1000");
        let error = process.ask("one".into(), LONG, || Err(Error::cancelled())).unwrap_err();
        assert!(error.is_cancelled());
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = Process::start(&["no-such-program".into()]).unwrap_err();
        assert!(error.message().starts_with("cannot start `no-such-program`: "), "{error}");
    }
}
