//! Programs that hear of a run (`output.observers`): every record as a line of JSON, see
//! `configs/README.md`. A person's screen hears of it as before. Whatever a program does, the run goes on.

mod line;
mod program;

pub(crate) use line::Beginning;

use iterit_core::learner::Watch;
use iterit_core::observer::{Observer, Phase};
use iterit_core::record::{EpochRecord, Evaluation, StepRecord};
use iterit_core::sdk::LogLevel;
use iterit_core::{Error, Result};
use program::Program;
use std::sync::{Mutex, PoisonError};

/// A screen, and the programs that hear of the run as well.
pub(crate) struct Observed<'a> {
    screen: &'a dyn Observer,
    programs: Mutex<Vec<Program>>,
}

impl<'a> Observed<'a> {
    /// The screen alone; programs come with the work they are to hear of.
    pub(crate) fn new(screen: &'a dyn Observer) -> Self {
        Self { screen, programs: Mutex::default() }
    }

    /// Does the work, with the programs of `output.observers` told of its beginning, of all that is
    /// recorded, and of its end.
    pub(crate) fn attend<T>(
        &self,
        beginning: &Beginning,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        self.start(beginning);
        let done = work();
        self.end(&done);
        done
    }

    fn start(&self, beginning: &Beginning) {
        let mut started = Vec::new();
        for (number, command) in beginning.commands.iter().enumerate() {
            match Program::start(command, &beginning.logs.join(format!("{number}.log"))) {
                Ok(program) => started.push(program),
                Err(fault) => self.warn(&fault),
            }
        }
        *self.programs.lock().unwrap_or_else(PoisonError::into_inner) = started;
        self.tell(|| beginning.line.clone());
    }

    fn tell(&self, line: impl Fn() -> String) {
        let mut programs = self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        programs.iter_mut().filter_map(|it| it.tell(line())).for_each(|said| self.warn(&said));
    }

    fn end<T>(&self, done: &Result<T>) {
        let outcome = match done {
            Ok(_) => "finished",
            Err(Error::Cancelled) => "interrupted",
            Err(_) => "failed",
        };
        let mut programs = self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        // Told first, waited for afterwards: so they take their last minute side by side.
        programs.iter_mut().for_each(|it| it.tell_the_end(line::end(outcome)));
        for program in programs.drain(..) {
            program.end().iter().for_each(|said| self.warn(said));
        }
    }

    fn warn(&self, said: &str) {
        self.screen.say(LogLevel::Warn, "", said);
    }
}

impl Watch for Observed<'_> {
    fn progress(&self, done: u64, total: u64) {
        self.screen.progress(done, total);
    }

    fn is_cancelled(&self) -> bool {
        self.screen.is_cancelled()
    }
}

impl Observer for Observed<'_> {
    fn begin(&self, phase: Phase, epoch: Option<u32>) {
        self.screen.begin(phase, epoch);
    }

    fn end(&self, phase: Phase) {
        self.screen.end(phase);
    }

    fn step(&self, record: &StepRecord) {
        self.screen.step(record);
        self.tell(|| line::step(record));
    }

    fn evaluated(&self, record: &Evaluation) {
        self.screen.evaluated(record);
        self.tell(|| line::evaluation(record));
    }

    fn epoch(&self, record: &EpochRecord) {
        self.screen.epoch(record);
        self.tell(|| line::epoch(record));
    }

    fn say(&self, level: LogLevel, source: &str, message: &str) {
        self.screen.say(level, source, message);
    }
}
