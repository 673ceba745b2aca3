//! The `ppl` and `loss` plugins: a sample is the harder, the more its response surprises the model
//! as it is now.
//!
//! Here are the options and the asking; the arithmetic is in [`perplexity`].

pub mod perplexity;

use iterit_sdk::{
    ComplexityScorer, Conditioning, Host, Model, Nll, Plugin, Result, SampleId, Score, Service,
};
use serde::{Deserialize, Serialize};

/// Enough samples for the host to batch by length, few enough to stop between.
const SAMPLES_AT_ONCE: usize = 4096;

/// The options of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// What the model has read before the response.
    pub given: Given,
}

/// What the model has read before the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Given {
    /// The conversation up to it.
    #[default]
    Prompt,
    /// Nothing but the template around it.
    Nothing,
}

/// Scores by the perplexity of the response.
#[derive(Debug)]
pub struct Ppl(Given);

impl Plugin for Ppl {
    type Options = Options;
    const SERVICES: &'static [Service] = &[Service::TokenNll];

    fn new(options: Options) -> Result<Self> {
        Ok(Self(options.given))
    }
}

impl ComplexityScorer for Ppl {
    fn score(&self, host: &Host<'_>, ids: &[SampleId]) -> Result<Vec<Score>> {
        score(host, ids, self.0, perplexity::perplexity)
    }
}

/// Scores by the mean loss of the response.
#[derive(Debug)]
pub struct Loss(Given);

impl Plugin for Loss {
    type Options = Options;
    const SERVICES: &'static [Service] = &[Service::TokenNll];

    fn new(options: Options) -> Result<Self> {
        Ok(Self(options.given))
    }
}

impl ComplexityScorer for Loss {
    fn score(&self, host: &Host<'_>, ids: &[SampleId]) -> Result<Vec<Score>> {
        score(host, ids, self.0, perplexity::loss)
    }
}

fn score(
    host: &Host<'_>,
    ids: &[SampleId],
    given: Given,
    score: fn(Nll) -> Score,
) -> Result<Vec<Score>> {
    let given = match given {
        Given::Prompt => Conditioning::Prompt,
        Given::Nothing => Conditioning::Nothing,
    };
    let mut scores = Vec::with_capacity(ids.len());
    for ids in ids.chunks(SAMPLES_AT_ONCE) {
        host.check_cancelled()?;
        let losses = host.token_nll(Model::Current, ids, given)?;
        scores.extend(losses.rows().map(|losses| score(Nll::of_tokens(losses))));
    }
    Ok(scores)
}

iterit_sdk::export_plugin! {
    complexity: { "ppl" => Ppl, "loss" => Loss },
}

#[cfg(test)]
mod tests {
    use super::*;
    use iterit_sdk::{Services, testkit::FakeHost};

    iterit_sdk::conformance!(ppl_conforms: complexity Ppl);
    iterit_sdk::conformance!(loss_conforms: complexity Loss, options: r#"{"given": "nothing"}"#);

    #[test]
    fn the_response_is_scored_under_the_conditioning_asked_for() {
        let host = FakeHost::new(1);
        let both = host.response_nll(Model::Current, &[3]).unwrap()[0];
        for (given, nll) in
            [(Given::Prompt, both.conditional), (Given::Nothing, both.unconditional)]
        {
            let plugin = Loss::new(Options { given }).unwrap();
            assert_eq!(plugin.score(&Host::new(&host), &[3]).unwrap()[0].value, nll.mean());
        }
    }
}
