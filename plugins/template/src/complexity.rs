//! How much of a response surprises the model: the share of its tokens whose loss is above a
//! threshold,
//!
//! ```text
//! surprise(i) = |{t : loss(t) > threshold}| / |{t}|
//! ```
//!
//! over the tokens t of the response of sample i, given its prompt, under the model as it is now.

use iterit_sdk::{
    ComplexityScorer, Conditioning, Error, Host, Model, Plugin, Result, SampleId, Score, Service,
};
use serde::{Deserialize, Serialize};

/// The section `[plugins.NAME]` of the configuration. A key that is not here is refused, and one
/// that is not given has its default.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// A token with a loss above this surprises; nats.
    pub threshold: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self { threshold: 3.0 }
    }
}

/// The scorer: its options, and no state, so that every score comes from the model as it is.
#[derive(Debug)]
pub struct Scorer(Options);

impl Plugin for Scorer {
    type Options = Options;

    /// What it asks of the model. The trainer refuses at the start what it cannot give.
    const SERVICES: &'static [Service] = &[Service::TokenNll];

    fn new(options: Options) -> Result<Self> {
        if !options.threshold.is_finite() {
            let found = options.threshold;
            return Err(Error::options(format!(
                "`threshold` is {found}, expected a finite number"
            )));
        }
        Ok(Self(options))
    }
}

impl ComplexityScorer for Scorer {
    fn score(&self, host: &Host<'_>, ids: &[SampleId]) -> Result<Vec<Score>> {
        // One call for all, so that the trainer can batch by length; it reports progress itself.
        let losses = host.token_nll(Model::Current, ids, Conditioning::Prompt)?;
        Ok(losses.rows().map(|losses| score(losses, self.0.threshold)).collect())
    }
}

/// The formula above, on one response's losses.
pub fn surprise(losses: &[f32], threshold: f64) -> f64 {
    let surprising = losses.iter().filter(|&&loss| f64::from(loss) > threshold).count();
    surprising as f64 / losses.len() as f64
}

fn score(losses: &[f32], threshold: f64) -> Score {
    let surprise = surprise(losses, threshold);
    match losses.is_empty() {
        // There is nothing to learn from, so it must not be picked.
        true => Score::ineligible(f64::NAN),
        false => Score::eligible(surprise).with_part("tokens", losses.len() as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use iterit_sdk::{Services, testkit};

    // Everything the trainer relies on, over the real boundary.
    iterit_sdk::conformance!(conforms: complexity Scorer);
    iterit_sdk::conformance!(conforms_at_4: complexity Scorer, options: r#"{"threshold": 4}"#);

    #[test]
    fn the_share_of_surprising_tokens() {
        assert_eq!(surprise(&[0.5, 4.0, 3.0, 9.0], 3.0), 0.5);
    }

    #[test]
    fn scores_what_the_model_says() {
        let host = testkit::FakeHost::new(1);
        let scorer = testkit::complexity::<Scorer>(r#"{"threshold": 2.0}"#).unwrap();
        let scores = scorer.score(&Host::new(&host), &[3, 13]).unwrap();
        let losses = host.token_nll(Model::Current, &[3], Conditioning::Prompt).unwrap();
        assert_eq!(scores[0].value, surprise(losses.row(0), 2.0));
        assert!(!scores[1].eligible, "the response of the fake host's sample 13 is empty");
    }

    #[test]
    fn refuses_a_threshold_that_is_no_number() {
        let error = Scorer::new(Options { threshold: f64::NAN }).unwrap_err();
        assert_eq!(error.message(), "`threshold` is NaN, expected a finite number");
    }
}
