//! Lends the host to a plugin for the duration of one call.

use crate::corpus::Corpus;
use crate::models::Models;
use crate::observer::Observer;
use crate::record::{Selection, TextRecord};
use crate::score_table::ScoreTable;
use crate::services::{RunServices, Tally};
use iterit_sdk::Host;

/// What every plugin of a run is served with.
#[derive(Clone, Copy)]
pub struct Lender<'a> {
    /// Training data, and the target samples behind it.
    pub corpus: &'a Corpus,
    /// The model, and the proxy where there is one.
    pub models: &'a Models,
    /// The run's seed.
    pub seed: u64,
    /// Threads a plugin may use.
    pub threads: usize,
    /// Who watches.
    pub observer: &'a dyn Observer,
}

/// What plugins may know of the epochs before.
#[derive(Clone, Copy)]
pub struct History<'a> {
    /// Scores so far.
    pub table: &'a ScoreTable,
    /// Selections so far, by epoch.
    pub selections: &'a [Selection],
}

impl Lender<'_> {
    /// The rules by which the texts were made that plugins are served with.
    pub fn text_record(&self) -> Option<TextRecord> {
        self.models.text_record(self.corpus)
    }

    /// Lends the host for one call about `num_samples` samples.
    pub(super) fn lend<T>(
        self,
        history: History<'_>,
        plugin: &str,
        num_samples: usize,
        call: impl FnOnce(&Host<'_>) -> T,
    ) -> T {
        let tally = Tally::new(num_samples as u64);
        let answer = call(&Host::new(&RunServices {
            corpus: self.corpus,
            models: self.models,
            table: history.table,
            selections: history.selections,
            seed: self.seed,
            threads: self.threads,
            observer: self.observer,
            plugin,
            tally: &tally,
        }));
        self.models.tell_news(self.observer);
        answer
    }
}
