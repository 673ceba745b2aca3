//! Files of data on their way to rows; what is to be said of them is said, and what was read is
//! remembered by its sha256.

use iterit_core::config::Config;
use iterit_core::dataset::{self, Purpose, Row, repeats};
use iterit_core::observer::Observer;
use iterit_core::sdk::LogLevel;
use iterit_core::{Error, Result};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Reads what a configuration names.
pub(super) struct Reading<'a> {
    config: &'a Config,
    /// Who hears of what is to be said.
    observer: Option<&'a dyn Observer>,
    /// The sha256 of the bytes that were read, by path.
    pub(super) sha256: BTreeMap<String, String>,
}

/// What is trained on, what the model is measured by, and the target samples.
pub(super) struct AllRows {
    pub(super) training: Vec<Row>,
    pub(super) held_out: Option<Vec<Row>>,
    pub(super) targets: Vec<Row>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(config: &'a Config, observer: Option<&'a dyn Observer>) -> Self {
        Self { config, observer, sha256: BTreeMap::new() }
    }

    pub(super) fn all(&mut self) -> Result<AllRows> {
        let parted = self.parted();
        let ((training, held_out), targets) = Error::both(parted, self.targets())?;
        if let Some(held_out) = &held_out {
            self.tell_repeats(&training, held_out);
        }
        Ok(AllRows { training, held_out, targets })
    }

    /// What is trained on, and what the model is measured by.
    pub(super) fn parted(&mut self) -> Result<(Vec<Row>, Option<Vec<Row>>)> {
        let data = &self.config.data;
        let rows = self.training();
        if !data.eval_path.is_empty() {
            let held_out = self.load(&data.eval_path, Purpose::Measuring);
            return Error::both(rows, held_out).map(|(rows, held_out)| (rows, Some(held_out)));
        }
        let rows = rows?;
        if data.eval_fraction > 0.0 {
            let (rows, held_out) = dataset::hold_out(rows, data.eval_fraction, data.eval_split)?;
            return Ok((rows, Some(held_out)));
        }
        Ok((rows, None))
    }

    /// All of `data.path`.
    pub(super) fn training(&mut self) -> Result<Vec<Row>> {
        self.load(&self.config.data.path, Purpose::Training)
    }

    pub(super) fn targets(&mut self) -> Result<Vec<Row>> {
        match self.config.data.target_path.is_empty() {
            true => Ok(Vec::new()),
            false => self.load(&self.config.data.target_path, Purpose::Measuring),
        }
    }

    fn load(&mut self, paths: &[PathBuf], purpose: Purpose) -> Result<Vec<Row>> {
        let data = &self.config.data;
        let mut dataset = dataset::load(paths, data.read_options(purpose))?;
        if let Some(system) = &data.system {
            for row in &mut dataset.rows {
                row.conversation.put_own_system(system);
            }
        }
        for note in &dataset.notes {
            self.say(note.level, &note.message);
        }
        self.sha256.extend(dataset.sha256);
        Ok(dataset.rows)
    }

    fn say(&self, level: LogLevel, message: &str) {
        if let Some(observer) = self.observer {
            observer.say(level, "", message);
        }
    }

    /// A response that training nearly repeats measures what was learnt by heart.
    fn tell_repeats(&self, rows: &[Row], held_out: &[Row]) {
        let response = |row: &Row| row.conversation.response().text();
        let held: Vec<String> = held_out.iter().map(response).collect();
        let known: Vec<&str> = held.iter().map(String::as_str).collect();
        let found = repeats(&known, rows.iter().map(response));
        let mut repeated: Vec<usize> = found.iter().map(|repeat| repeat.of).collect();
        repeated.sort_unstable();
        repeated.dedup();
        let Some(first) = found.first() else { return };
        self.say(
            LogLevel::Warn,
            &format!(
                "{} of {} held-out responses are nearly repeated by {} of those trained on, such as \
                 held-out sample {} by sample {}; the held-out loss flatters there",
                repeated.len(),
                held_out.len(),
                found.len(),
                first.of,
                first.text
            ),
        );
    }
}
