//! How much of a response is new: the number of its different words that no picked response has,
//!
//! ```text
//! gain(i | S) = |words(i) \ ⋃ words(s), s ∈ S|
//! ```
//!
//! Coverage of this kind is submodular: a pick only ever lowers the other gains.

use iterit_sdk::{DiversityScorer, Error, Host, Plugin, Result, SampleId};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// The section `[plugins.NAME]` of the configuration. A key that is not here is refused, and one
/// that is not given has its default.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Shorter words do not count; characters, at least 1.
    pub min_length: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { min_length: 1 }
    }
}

/// The scorer: its options, and the state of the pick that `begin` starts.
#[derive(Debug)]
pub struct Scorer {
    options: Options,
    /// The different words of each candidate, as numbers.
    words: Vec<Vec<usize>>,
    /// Whether a picked response has the word.
    covered: Vec<bool>,
}

impl Plugin for Scorer {
    type Options = Options;

    fn new(options: Options) -> Result<Self> {
        if options.min_length == 0 {
            return Err(Error::options("`min_length` is 0, expected 1 or more"));
        }
        Ok(Self { options, words: Vec::new(), covered: Vec::new() })
    }
}

impl DiversityScorer for Scorer {
    fn begin(&mut self, host: &Host<'_>, candidates: &[SampleId]) -> Result<()> {
        let texts = host.training_targets(candidates)?;
        let mut numbers = HashMap::new();
        self.words =
            texts.iter().map(|text| words(text, self.options.min_length, &mut numbers)).collect();
        self.covered = vec![false; numbers.len()];
        Ok(())
    }

    fn gain(&self, candidate: usize) -> Result<f64> {
        Ok(self.words[candidate].iter().filter(|&&word| !self.covered[word]).count() as f64)
    }

    fn pick(&mut self, candidate: usize) -> Result<()> {
        for &word in &self.words[candidate] {
            self.covered[word] = true;
        }
        Ok(())
    }

    fn gains_never_rise(&self) -> bool {
        true
    }
}

/// The different words of a text by number; a word not met before gets the next.
fn words<'a>(
    text: &'a str,
    min_length: usize,
    numbers: &mut HashMap<&'a str, usize>,
) -> Vec<usize> {
    let long_enough = text.split_whitespace().filter(|word| word.chars().count() >= min_length);
    let mut words: Vec<_> = long_enough
        .map(|word| {
            let next = numbers.len();
            *numbers.entry(word).or_insert(next)
        })
        .collect();
    words.sort_unstable();
    words.dedup();
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use iterit_sdk::testkit;

    // Everything the trainer relies on, over the real boundary.
    iterit_sdk::conformance!(conforms: diversity Scorer);
    iterit_sdk::conformance!(conforms_at_4: diversity Scorer, options: r#"{"min_length": 4}"#);

    #[test]
    fn a_text_has_each_word_once() {
        let mut numbers = HashMap::new();
        assert_eq!(words("to be or not to be", 1, &mut numbers), [0, 1, 2, 3]);
        assert!(words("be it so", 3, &mut numbers).is_empty());
        assert_eq!(words("be it", 1, &mut numbers), [1, 4]);
    }

    #[test]
    fn a_repeated_response_adds_nothing() {
        let host = testkit::FakeHost::new(1);
        let mut scorer = testkit::diversity::<Scorer>("{}").unwrap();
        // The fake host's sample 15 repeats the response of sample 14.
        scorer.begin(&Host::new(&host), &[14, 15, 3]).unwrap();
        assert!(scorer.gain(1).unwrap() > 0.0);
        scorer.pick(0).unwrap();
        assert_eq!(scorer.gain(1).unwrap(), 0.0);
    }

    #[test]
    fn refuses_words_of_no_length() {
        let error = Scorer::new(Options { min_length: 0 }).unwrap_err();
        assert_eq!(error.message(), "`min_length` is 0, expected 1 or more");
    }
}
