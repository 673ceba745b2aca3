//! A child process that answers a line with a line, within a time limit. It knows nothing of what
//! the lines say.
//!
//! Whatever the child does, the caller waits no longer than it wants to, and nothing the child
//! started is left: it leads a process group of its own, and the whole group is killed.

use crate::pipes::{Answer, Complaints, LONGEST_ANSWER, read_answers, shortened, write_lines};
use iterit_sdk::{Error, Result};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

/// How often a waiting caller looks up.
const PATIENCE: Duration = Duration::from_millis(50);
/// How long a child that closed its stdout may take to end and to say why.
const LAST_BREATH: Duration = Duration::from_secs(1);
/// How long a line too many may take to come after the last answer.
const AFTERTHOUGHT: Duration = Duration::from_millis(20);
/// How many lines of stderr a message quotes.
const LAST_WORDS: usize = 12;

/// A running child. It is killed when dropped, and all that it started.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    questions: SyncSender<String>,
    answers: Receiver<Answer>,
    complaints: Complaints,
    /// How it ended, once it was waited for.
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts a program with its arguments.
    pub fn start(command: &[String]) -> Result<Self> {
        // A script on the command line must not make several lines of one error.
        let name = command.join(" ").replace('\n', " ");
        let [program, arguments @ ..] = command else {
            return Err(Error::options("`command` is empty"));
        };
        let mut child = Command::new(program)
            .args(arguments)
            .process_group(0)
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
        let answers = read_answers(child.stdout.take().expect("stdout is a pipe"));
        let complaints = Complaints::of(child.stderr.take().expect("stderr is a pipe"));
        Ok(Self { name, child, questions, answers, complaints, ended: None })
    }

    /// Sends a line and waits for the line that answers it. `proceed` is asked again and again
    /// meanwhile, and ends the waiting by an error. After an error the process is of no more use.
    ///
    /// # Errors
    /// A line was there before the question; no answer within the limit; the child ended.
    pub fn ask(
        &mut self,
        question: String,
        limit: Duration,
        mut proceed: impl FnMut() -> Result<()>,
    ) -> Result<String> {
        self.refuse_a_line_within(Duration::ZERO)?;
        let asked = Instant::now();
        // A child that is gone, or does not read, is noticed below, where its exit status is known.
        let _ = self.questions.try_send(question);
        loop {
            proceed()?;
            let left = limit.saturating_sub(asked.elapsed());
            // Its children may hold its pipes open when it is gone.
            let ended = self.has_ended();
            let patience = if ended { LAST_BREATH } else { left.min(PATIENCE) };
            match self.answers.recv_timeout(patience) {
                Ok(Answer::Line(answer)) => return Ok(answer),
                Ok(Answer::Endless(beginning)) => return Err(self.endless(&beginning)),
                Err(RecvTimeoutError::Disconnected) => return Err(self.died()),
                Err(RecvTimeoutError::Timeout) if ended => return Err(self.died()),
                Err(RecvTimeoutError::Timeout) if asked.elapsed() < limit => {}
                Err(RecvTimeoutError::Timeout) => return Err(self.too_slow(limit)),
            }
        }
    }

    /// Refuses a line that comes though every question has been answered: from there on each answer
    /// would be taken for that to another question.
    pub fn check_in_step(&mut self) -> Result<()> {
        self.refuse_a_line_within(AFTERTHOUGHT)
    }

    /// What it wrote to stderr since this was last asked.
    pub fn complaints(&self) -> Vec<String> {
        let (left_out, lines) = self.complaints.take();
        let gap = (left_out > 0).then(|| format!("… {left_out} lines of stderr are left out"));
        gap.into_iter().chain(lines).collect()
    }

    fn refuse_a_line_within(&mut self, most: Duration) -> Result<()> {
        match self.answers.recv_timeout(most) {
            // One that is gone is noticed at the next question.
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Ok(()),
            Ok(Answer::Endless(beginning)) => Err(self.endless(&beginning)),
            Ok(Answer::Line(line)) => Err(Error::msg(format!(
                "`{}` wrote a line to stdout that no question asked for: `{}`\nhint: one line of \
                 stdout answers one line of stdin; write everything else to stderr",
                self.name,
                shortened(&line)
            ))),
        }
    }

    fn endless(&mut self, beginning: &str) -> Error {
        let words = self.last_words();
        Error::msg(format!(
            "`{}` wrote more than {} MiB to stdout without ending the line: `{beginning}`{words}\nhint: \
             one line of stdout answers one line of stdin; lower `batch` if answers are that long",
            self.name,
            LONGEST_ANSWER >> 20
        ))
    }

    fn too_slow(&mut self, limit: Duration) -> Error {
        let words = self.last_words();
        Error::msg(format!(
            "`{}` did not answer within {} s{words}\nhint: raise `timeout_seconds` or lower `batch`; a \
             scorer must flush its stdout after every line",
            self.name,
            limit.as_secs_f64()
        ))
    }

    fn died(&mut self) -> Error {
        let closed = Instant::now();
        // A child closes its pipes a moment before it can be waited for.
        while !self.has_ended() && closed.elapsed() < LAST_BREATH {
            thread::sleep(PATIENCE);
        }
        let by_itself = self.has_ended();
        let ended = match self.end() {
            Some(status) if by_itself => format!("ended ({status})"),
            _ => "closed its stdout".to_owned(),
        };
        let words = self.last_words();
        Error::msg(format!(
            "`{}` {ended} before it answered{words}\nhint: run it by hand and give it a line like \
             {{\"samples\": []}}",
            self.name
        ))
    }

    /// The end of what it wrote to stderr, for a message. Nothing is to be expected of it after that.
    fn last_words(&mut self) -> String {
        self.end();
        self.complaints.wait_for_the_end(LAST_BREATH);
        let (_, lines) = self.complaints.take();
        let last = &lines[lines.len().saturating_sub(LAST_WORDS)..];
        match last.is_empty() {
            true => String::new(),
            false => format!("; it said:\n  {}", last.join("\n  ")),
        }
    }

    /// Whether it has ended by itself. It is not yet waited for, so that its process group keeps its
    /// number.
    fn has_ended(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        let child = WaitId::Pid(Pid::from_child(&self.child));
        self.ended.is_some() || waitid(child, options).is_ok_and(|ended| ended.is_some())
    }

    /// Ends it, and everything it started.
    fn end(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            // Fails only where all of them are gone already.
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
            self.ended = self.child.wait().ok();
        }
        self.ended
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    fn shell(script: &str) -> Process {
        Process::start(&["sh", "-c", script].map(String::from)).unwrap()
    }

    fn ask(process: &mut Process, question: &str, limit: Duration) -> Result<String> {
        process.ask(question.into(), limit, || Ok(()))
    }

    #[track_caller]
    fn check_error(result: Result<impl std::fmt::Debug>, words: &[&str]) {
        let error = result.unwrap_err();
        for words in words {
            assert!(error.message().contains(words), "does not say `{words}`: {error}");
        }
    }

    #[test]
    fn a_line_is_answered_by_a_line() {
        let mut process = shell("while read -r line; do echo heard >&2; echo \"<$line>\"; done");
        assert_eq!(ask(&mut process, "one", LONG).unwrap(), "<one>");
        assert_eq!(ask(&mut process, "two", LONG).unwrap(), "<two>");
        process.check_in_step().unwrap();
        assert!(process.last_words().ends_with("it said:\n  heard\n  heard"));
    }

    #[test]
    fn a_death_is_told_with_the_last_words() {
        let mut process = shell("read -r line; echo cannot >&2; echo go on >&2; exit 7");
        check_error(
            ask(&mut process, "one", LONG),
            &["ended (exit status: 7) before it answered", "said:\n  cannot\n  go on\nhint: "],
        );
    }

    #[test]
    fn a_line_that_no_question_asked_for_is_refused() {
        let words = "no question asked for: `b`\nhint: ";
        for pause in ["", "sleep 0.1; "] {
            let script = format!("read -r line; echo a; {pause}echo b; exec sleep 1000");
            let mut process = shell(&script);
            assert_eq!(ask(&mut process, "one", LONG).unwrap(), "a");
            // However late it comes, it is refused as soon as it is there.
            let refused = (0..1000).find_map(|_| process.check_in_step().err());
            check_error(refused.map_or(Ok(()), Err), &[words]);
        }
        let mut process = shell("read -r line; echo a; echo b; exec sleep 1000");
        assert_eq!(ask(&mut process, "one", LONG).unwrap(), "a");
        thread::sleep(LAST_BREATH);
        check_error(ask(&mut process, "two", LONG), &[words]);
    }

    #[test]
    fn silence_ends_at_the_time_limit_even_with_its_pipes_full() {
        let mut process = shell("exec sleep 1000");
        let question = "x".repeat(1 << 20);
        check_error(
            ask(&mut process, &question, Duration::from_millis(100)),
            &["did not answer within 0.1 s"],
        );
    }

    #[test]
    fn a_flood_on_stderr_holds_up_nobody_and_fills_no_memory() {
        let mut process = shell("exec 3>&1; exec yes flood >&2");
        check_error(
            ask(&mut process, "one", Duration::from_millis(300)),
            // What was read last may end in the midst of a line.
            &["did not answer within 0.3 s; it said:\n  flood\n", "\nhint: "],
        );
    }

    #[test]
    fn a_flood_on_stdout_without_an_end_of_line_is_given_up() {
        let mut process = shell("exec tr '\\0' x < /dev/zero");
        check_error(ask(&mut process, "one", LONG), &["64 MiB to stdout without ending the line"]);
    }

    #[test]
    fn all_that_it_started_ends_with_it() {
        let mut process = shell("sleep 1000 & echo $!; wait");
        let started = format!("/proc/{}/cmdline", ask(&mut process, "one", LONG).unwrap());
        let is_alive = || std::fs::read(&started).is_ok_and(|command| !command.is_empty());
        // In the moment in which the shell's copy becomes `sleep` it has no command line.
        let asked = Instant::now();
        while !is_alive() {
            assert!(asked.elapsed() < LONG, "it has not started");
            thread::sleep(PATIENCE);
        }
        drop(process);
        // It is killed by now, and gone as soon as the system gets to it.
        while is_alive() {
            thread::sleep(PATIENCE);
        }
    }

    #[test]
    fn a_child_that_ends_is_noticed_though_its_own_child_holds_its_pipes() {
        let mut process = shell("sleep 1000 & exit 3");
        check_error(ask(&mut process, "one", LONG), &["ended (exit status: 3) before it answered"]);
    }

    #[test]
    fn waiting_can_be_called_off() {
        let mut process = shell("exec sleep 1000");
        let error = process.ask("one".into(), LONG, || Err(Error::cancelled())).unwrap_err();
        assert!(error.is_cancelled());
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        check_error(
            Process::start(&["no-such-program".into()]),
            &["cannot start `no-such-program`: "],
        );
    }
}
