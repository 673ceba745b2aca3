//! Tries a plugin on a fake model in a process of its own, so that a crash, an abort or a hang is a
//! line in a report.
//!
//! The child tells the parent what it is about to try and how it went through a file, a line of
//! JSON an event: the plugin may write to stdout and stderr what it likes, or end in between.

use super::error::{Error, Result};
use super::find::{Found, in_library};
use super::load::{Loaded, open};
use super::watchdog::Watchdog;
use iterit_sdk::{
    PluginKind, Service,
    testkit::{PendingCheck, Subject, Verdict},
};
use serde::{Deserialize, Serialize};
use std::{
    env, fmt,
    fs::{self, File},
    io::{self, Write},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Child, Command, ExitStatus},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// Tells the child where to write events.
const EVENTS: &str = "ITERIT_CHECK_EVENTS";
/// Tells the child the options, as JSON.
const OPTIONS: &str = "ITERIT_CHECK_OPTIONS";

/// What the child tells.
#[derive(Debug, Serialize, Deserialize)]
enum Event {
    /// A check begins.
    Begin { scorer: String, check: String },
    /// It ended, with what was wrong if anything was.
    End { failure: Option<String> },
    /// There is nothing more to check.
    Done,
}

/// A verdict a check; `Display` writes them.
#[derive(Debug)]
pub(crate) struct Report {
    library: String,
    tried: Vec<Tried>,
    /// Whether the child came to its end.
    finished: bool,
}

#[derive(Debug)]
struct Tried {
    scorer: String,
    check: String,
    failure: Option<String>,
}

/// Checks every scorer of a library, with these options as JSON.
///
/// # Errors
///
/// A file that is no plugin, or a child process that cannot be started.
pub(crate) fn check(path: &Path, options: &str, limit: Duration) -> Result<Report> {
    let found = in_library(path)?;
    let manifest = &found[0].manifest;
    let library = format!("{} {} (`{}`)", manifest.name, manifest.version, path.display());
    let events = tempfile::NamedTempFile::new().map_err(|error| cannot("note events", &error))?;
    let mut child = start(path, options, events.path())
        .map_err(|error| cannot("start the process to check in", &error))?;
    let ending = wait(&mut child, limit).map_err(|error| cannot("wait for the check", &error))?;
    let told = fs::read_to_string(events.path()).map_err(|error| cannot("read events", &error))?;
    Ok(Report::of(library, &told, &ending))
}

fn cannot(what: &str, error: &io::Error) -> Error {
    Error::new(format!("cannot {what}: {error}"))
}

fn start(path: &Path, options: &str, events: &Path) -> io::Result<Child> {
    Command::new(env::current_exe()?)
        .args(["plugins".as_ref(), "check".as_ref(), path.as_os_str(), "--child".as_ref()])
        .env(EVENTS, events)
        .env(OPTIONS, options)
        .stdout(io::stderr()) // our stdout is for verdicts
        .spawn()
}

/// How the child ended, in words for a check that did not.
fn wait(child: &mut Child, limit: Duration) -> io::Result<String> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(in_words(status));
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            return Ok(format!("hung: no end after {limit:?}"));
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn in_words(status: ExitStatus) -> String {
    let signal = |number| match number {
        4 => "SIGILL (an illegal instruction)".into(),
        6 => "SIGABRT (it aborted)".into(),
        7 => "SIGBUS (memory that is not there)".into(),
        8 => "SIGFPE (an impossible division)".into(),
        9 => "SIGKILL (perhaps out of memory)".into(),
        11 => "SIGSEGV (memory that is not its own)".into(),
        other => format!("signal {other}"),
    };
    match (status.signal(), status.code()) {
        (Some(number), _) => format!("the process was ended by {}", signal(number)),
        (None, code) => format!("the process exited with code {}", code.unwrap_or_default()),
    }
}

impl Report {
    /// From what the child told before it ended, and how it did.
    fn of(library: String, told: &str, ending: &str) -> Self {
        let (mut tried, mut finished) = (Vec::<Tried>::new(), false);
        for line in told.lines() {
            match serde_json::from_str(line) {
                Ok(Event::Begin { scorer, check }) => {
                    let failure = Some(ending.to_owned()); // until its end is told
                    tried.push(Tried { scorer, check, failure });
                }
                Ok(Event::End { failure }) => {
                    if let Some(last) = tried.last_mut() {
                        last.failure = failure;
                    }
                }
                Ok(Event::Done) => finished = true,
                Err(_) => break, // cut off in the middle of a line
            }
        }
        if !finished && tried.last().is_none_or(|last| last.failure.is_none()) {
            let (scorer, check) = (String::new(), "comes to an end".to_owned());
            tried.push(Tried { scorer, check, failure: Some(ending.to_owned()) });
        }
        Self { library, tried, finished }
    }

    /// Whether nothing was wrong.
    pub(crate) fn passed(&self) -> bool {
        self.tried.iter().all(|tried| tried.failure.is_none())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.library)?;
        let (mut scorer, mut before) = ("", None);
        for tried in &self.tried {
            if tried.scorer != scorer {
                (scorer, before) = (&tried.scorer, None);
                writeln!(f, "{scorer}")?;
            }
            match &tried.failure {
                None => writeln!(f, "  ok    {}", tried.check)?,
                // One fault often fails many checks; it is told once.
                Some(failure) if before == Some(failure) => {
                    writeln!(f, "  FAIL  {}: as above", tried.check)?;
                }
                Some(failure) => {
                    let indented = failure.replace('\n', "\n        ");
                    writeln!(f, "  FAIL  {}: {indented}", tried.check)?;
                }
            }
            before = tried.failure.as_ref().or(before);
        }
        let all = self.tried.len();
        let failed = self.tried.iter().filter(|tried| tried.failure.is_some()).count();
        match (failed, self.finished) {
            (0, _) => writeln!(f, "{all} checks passed"),
            (_, true) => writeln!(f, "{failed} of {all} checks failed"),
            (_, false) => writeln!(f, "{failed} of {all} checks failed, the rest was not tried"),
        }
    }
}

/// The other side of [`check`]: runs in the child.
///
/// # Errors
///
/// Started by hand, or events cannot be written. What is wrong with the plugin is an event.
pub(crate) fn check_child(path: &Path) -> Result<()> {
    let started_by_hand = || Error::new("--child is for the check itself\nhint: leave it out");
    let events = env::var_os(EVENTS).ok_or_else(started_by_hand)?;
    let options = env::var(OPTIONS).map_err(|_| started_by_hand())?;
    let file = File::options().append(true).open(events);
    let mut teller = Teller { file: file.map_err(|error| cannot("note events", &error))? };
    teller
        .check_library(path, &options)
        .and_then(|()| teller.tell(&Event::Done))
        .map_err(|error| cannot("note events", &error))
}

struct Teller {
    file: File,
}

impl Teller {
    /// One write an event, so that what was told before a crash is there after it.
    fn tell(&mut self, event: &Event) -> io::Result<()> {
        let mut line = serde_json::to_string(event)?;
        line.push('\n');
        self.file.write_all(line.as_bytes())
    }

    fn begin(&mut self, scorer: &str, check: &str) -> io::Result<()> {
        self.tell(&Event::Begin { scorer: scorer.into(), check: check.into() })
    }

    fn check_library(&mut self, path: &Path, options: &str) -> io::Result<()> {
        self.begin("", "opens")?;
        let opened = in_library(path).and_then(|found| {
            let services: Vec<_> = found.iter().map(services).collect();
            Ok((open(found, &Watchdog::off())?, services))
        });
        self.tell(&Event::End { failure: opened.as_ref().err().map(Error::to_string) })?;
        let (loaded, services) = opened.unwrap_or_default();
        for (loaded, services) in loaded.into_iter().zip(services) {
            self.check_scorer(Arc::new(loaded), &services, options)?;
        }
        Ok(())
    }

    fn check_scorer(
        &mut self,
        loaded: Arc<Loaded>,
        services: &[Service],
        options: &str,
    ) -> io::Result<()> {
        let name = format!("{} ({})", loaded.name, loaded.kind.name());
        self.begin(&name, "shows its options")?;
        let defaults = loaded.default_options();
        self.tell(&Event::End { failure: defaults.as_ref().err().map(ToString::to_string) })?;
        match loaded.kind {
            PluginKind::Complexity => {
                let new = move |options: &str| loaded.new_complexity(options);
                let subject = Subject::new(new, defaults, services).with_options(options);
                self.check_all(&name, subject.checks())
            }
            PluginKind::Diversity => {
                let new = move |options: &str| loaded.new_diversity(options);
                let subject = Subject::new(new, defaults, services).with_options(options);
                self.check_all(&name, subject.checks())
            }
            PluginKind::Strategy => {
                let new = move |options: &str| loaded.new_strategy(options);
                let subject = Subject::new(new, defaults, services).with_options(options);
                self.check_all(&name, subject.checks())
            }
        }
    }

    fn check_all<'a, S: 'a>(
        &mut self,
        scorer: &str,
        checks: impl Iterator<Item = PendingCheck<'a, S>>,
    ) -> io::Result<()> {
        for check in checks {
            self.begin(scorer, check.statement())?;
            let Verdict { failure, .. } = check.run();
            self.tell(&Event::End { failure })?;
        }
        Ok(())
    }
}

/// Those of its services that the fake model knows.
fn services(found: &Found) -> Vec<Service> {
    let named = |service: &Service| found.scorer.services.iter().any(|n| n == service.name());
    Service::ALL.iter().copied().filter(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(told: &str, ending: &str) -> String {
        Report::of("p 1.0.0".into(), told, ending).to_string()
    }

    #[test]
    fn a_check_that_did_not_end_failed_by_how_the_process_ended() {
        let told = "{\"Begin\":{\"scorer\":\"s\",\"check\":\"opens\"}}\n\
                    {\"End\":{\"failure\":null}}\n\
                    {\"Begin\":{\"scorer\":\"s\",\"check\":\"scores\"}}\n";
        let report = said(told, "the process was ended by SIGSEGV");
        assert_eq!(
            report,
            "p 1.0.0\ns\n  ok    opens\n  FAIL  scores: the process was ended by SIGSEGV\n\
             1 of 2 checks failed, the rest was not tried\n"
        );
        let finished = format!("{told}{{\"End\":{{\"failure\":\"a\\nb\"}}}}\n\"Done\"\n");
        assert!(
            said(&finished, "").ends_with("  FAIL  scores: a\n        b\n1 of 2 checks failed\n")
        );
    }

    #[test]
    fn an_end_between_checks_is_noticed() {
        for told in [
            "",
            "{\"Begin\":{\"scorer\":\"\",\"check\":\"opens\"}}\n{\"End\":{\"failure\":null}}\n",
        ] {
            let report = said(told, "the process exited with code 0");
            assert!(
                report.contains("  FAIL  comes to an end: the process exited with code 0\n"),
                "{report}"
            );
        }
    }
}
