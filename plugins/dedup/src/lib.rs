//! The `dedup` plugin: a response that nearly repeats a picked one adds nothing.
//!
//! Here are the options and the scorer; `shingles` says what nearly means, `near_duplicates` finds
//! them.

pub mod shingles;

pub mod near_duplicates;

use iterit_sdk::{DiversityScorer, Error, Host, Plugin, Result, SampleId};
use near_duplicates::NearDuplicates;
use serde::{Deserialize, Serialize};
use shingles::Shingles;

/// Few enough samples to stop between.
const SAMPLES_AT_ONCE: usize = 4096;

/// The plugin's options.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// The Jaccard similarity from which on two responses are near-duplicates; 1 for those with the
    /// same shingles.
    pub threshold: f64,
    /// Words in a shingle.
    pub shingle: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { threshold: 0.8, shingle: 3 }
    }
}

/// Gain 1 for a response that is new, 0 for one that is picked or nearly repeats a picked one.
#[derive(Debug)]
pub struct Dedup {
    options: Options,
    texts: NearDuplicates,
    is_new: Vec<bool>,
}

impl Plugin for Dedup {
    type Options = Options;

    fn new(options: Options) -> Result<Self> {
        let Options { threshold, shingle } = options;
        if !(0.1..=1.0).contains(&threshold) {
            return Err(Error::options(format!(
                "`threshold` is {threshold}, expected a number from 0.1 to 1"
            )));
        }
        if shingle == 0 {
            return Err(Error::options("`shingle` is 0, expected 1 word or more"));
        }
        Ok(Self { options, texts: NearDuplicates::default(), is_new: Vec::new() })
    }
}

impl DiversityScorer for Dedup {
    fn begin(&mut self, host: &Host<'_>, candidates: &[SampleId]) -> Result<()> {
        self.texts = NearDuplicates::new(self.options.threshold);
        for ids in candidates.chunks(SAMPLES_AT_ONCE) {
            host.check_cancelled()?;
            for text in host.training_targets(ids)? {
                self.texts.push(Shingles::of(&text, self.options.shingle));
            }
            host.progress(self.texts.len() as u64, candidates.len() as u64);
        }
        self.is_new = vec![true; candidates.len()];
        Ok(())
    }

    fn gain(&self, candidate: usize) -> Result<f64> {
        Ok(f64::from(u8::from(self.is_new[candidate])))
    }

    fn pick(&mut self, candidate: usize) -> Result<()> {
        let new = |other: usize| self.is_new[other];
        let repeated: Vec<usize> = self.texts.of(candidate, new).collect();
        for duplicate in repeated {
            self.is_new[duplicate] = false;
        }
        Ok(())
    }

    fn gains_never_rise(&self) -> bool {
        true // what is no longer new stays so
    }
}

iterit_sdk::export_plugin! {
    diversity: { "dedup" => Dedup },
}

#[cfg(test)]
mod tests {
    use super::*;
    use iterit_sdk::{Services, testkit::FakeHost};

    iterit_sdk::conformance!(dedup_conforms: diversity Dedup);
    iterit_sdk::conformance!(exact_dedup_conforms: diversity Dedup,
        options: r#"{"threshold": 1, "shingle": 1}"#);

    #[test]
    fn a_pick_takes_the_gain_of_its_repeats_and_of_no_other() {
        let host = FakeHost::new(1);
        let ids: Vec<SampleId> = (0..64).collect();
        let texts = host.training_targets(&ids).unwrap();
        let mut dedup = Dedup::new(Options { threshold: 1.0, shingle: 9 }).unwrap();
        dedup.begin(&Host::new(&host), &ids).unwrap();
        let mut seen = Vec::new();
        let mut repeats = 0;
        for (candidate, text) in texts.iter().enumerate() {
            let is_new = !seen.contains(text);
            assert_eq!(dedup.gain(candidate).unwrap(), f64::from(u8::from(is_new)), "{text:?}");
            repeats += usize::from(!is_new);
            dedup.pick(candidate).unwrap();
            assert_eq!(dedup.gain(candidate).unwrap(), 0.0);
            seen.push(text.clone());
        }
        assert!((1..32).contains(&repeats), "{repeats} of 64 texts repeat another");
    }

    #[test]
    fn options_out_of_range_are_refused() {
        let defaults = Options::default();
        for threshold in [0.0, 1.1, f64::NAN] {
            assert!(Dedup::new(Options { threshold, ..defaults }).is_err(), "{threshold}");
        }
        assert!(Dedup::new(Options { shingle: 0, ..defaults }).is_err());
    }
}
