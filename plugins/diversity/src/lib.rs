//! The `diversity` plugin: how much a response adds to those already picked, by the TF-IDF weight
//! of the words, bigrams and trigrams that no pick holds yet.
//!
//! It knows nothing of complexity or of how the host picks. `analyzer` → `texts` → `ngrams` → `tfidf`
//! → `shared_rows` → `decay`.

mod parallel;

pub mod words;

pub mod analyzer;
pub mod texts;

mod fit;

mod ngrams;
pub mod tfidf;

mod shared_rows;

pub mod decay;

use analyzer::Analyzer;
use decay::DecayedRows;
use fit::Fit;
use iterit_sdk::{DiversityScorer, Error, Host, Plugin, Result, SampleId};
use serde::{Deserialize, Serialize};
use texts::NumberedTexts;
use tfidf::Tfidf;

/// How many texts are asked for at once: enough to keep threads busy, few enough to stay small.
const TEXTS_AT_ONCE: usize = 4096;

/// The plugin's options.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// What a pick leaves of the weight of each n-gram it holds; from 0, and 1 for no decay.
    pub decay: f64,
    /// What n-grams are made of: `word`, as published; `char_wb`, characters; `unicode`, words in any
    /// script.
    pub analyzer: Analyzer,
}

impl Default for Options {
    fn default() -> Self {
        Self { decay: 0.1, analyzer: Analyzer::Word }
    }
}

/// Diversity of the training targets by decayed TF-IDF.
#[derive(Debug)]
pub struct Diversity {
    options: Options,
    /// What to tell of the texts is told once.
    is_told: bool,
    threads: usize,
    rows: DecayedRows,
}

impl Plugin for Diversity {
    type Options = Options;

    fn new(options: Options) -> Result<Self> {
        let decay = options.decay;
        if !(0.0..=1.0).contains(&decay) {
            return Err(Error::options(format!(
                "`decay` is {decay}, expected a number from 0 to 1"
            )));
        }
        Ok(Self { options, is_told: false, threads: 1, rows: DecayedRows::default() })
    }
}

impl DiversityScorer for Diversity {
    fn begin(&mut self, host: &Host<'_>, candidates: &[SampleId]) -> Result<()> {
        self.threads = host.threads();
        // Those of the epoch before would lie beside the new ones.
        self.rows = DecayedRows::default();
        let (mut texts, mut fit) = (NumberedTexts::new(self.options.analyzer), Fit::default());
        for ids in candidates.chunks(TEXTS_AT_ONCE) {
            host.check_cancelled()?;
            let targets = host.training_targets(ids)?;
            texts.push(&targets, self.threads);
            fit.push(&targets);
            host.progress(texts.len() as u64, candidates.len() as u64);
        }
        if self.options.analyzer == Analyzer::Word
            && !self.is_told
            && let Some(warning) = fit.warning(&texts)
        {
            host.warn(warning);
            self.is_told = true;
        }
        self.rows = DecayedRows::new(Tfidf::fit(texts, self.threads), self.options.decay);
        host.check_cancelled()
    }

    fn gain(&self, candidate: usize) -> Result<f64> {
        self.check(candidate)?;
        Ok(self.rows.gain(candidate))
    }

    fn gains(&self, candidates: &[u32], gains: &mut [f64]) -> Result<()> {
        for &candidate in candidates {
            self.check(candidate as usize)?;
        }
        let threads = if candidates.len() < TEXTS_AT_ONCE { 1 } else { self.threads };
        let length = candidates.len().div_ceil(threads.max(1)).max(1);
        let pieces = candidates.chunks(length).zip(gains.chunks_mut(length));
        parallel::in_threads(pieces.map(|(rows, gains)| {
            move || {
                for (gain, &row) in gains.iter_mut().zip(rows) {
                    *gain = self.rows.gain(row as usize);
                }
            }
        }));
        Ok(())
    }

    fn pick(&mut self, candidate: usize) -> Result<()> {
        self.check(candidate)?;
        self.rows.pick(candidate);
        Ok(())
    }

    fn gains_never_rise(&self) -> bool {
        true // weights only ever shrink, as the decay is at most 1
    }
}

impl Diversity {
    fn check(&self, candidate: usize) -> Result<()> {
        if candidate < self.rows.len() {
            return Ok(());
        }
        let known = self.rows.len();
        Err(Error::msg(format!("candidate {candidate} asked for, but the pick has {known}")))
    }
}

iterit_sdk::export_plugin! {
    diversity: { "diversity" => Diversity },
}

#[cfg(test)]
mod tests {
    use super::*;

    iterit_sdk::conformance!(diversity_conforms: diversity Diversity);
    iterit_sdk::conformance!(diversity_without_decay_conforms: diversity Diversity, options: r#"{"decay": 1.0}"#);
    iterit_sdk::conformance!(diversity_of_characters_conforms: diversity Diversity, options: r#"{"analyzer": "char_wb"}"#);
    iterit_sdk::conformance!(diversity_of_any_script_conforms: diversity Diversity, options: r#"{"analyzer": "unicode"}"#);

    #[test]
    fn a_decay_beyond_its_range_is_refused() {
        for decay in [-0.1, 1.1, f64::NAN] {
            let error = Diversity::new(Options { decay, ..Options::default() }).unwrap_err();
            assert!(error.message().ends_with("expected a number from 0 to 1"), "{error}");
        }
    }
}
