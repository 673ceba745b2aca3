//! The `ifd` plugin, and `superfilter`, which is IFD by the proxy model.
//!
//! Here are the options and the asking; the arithmetic is in [`ifd`].

pub mod ifd;

use ifd::{Definition, ScoreDtype};
use iterit_sdk::{ComplexityScorer, Host, Model, Plugin, Result, SampleId, Score, Service};
use serde::{Deserialize, Serialize};

/// Enough samples for the host to batch by length, few enough to stop between.
const SAMPLES_AT_ONCE: usize = 4096;

/// The options of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// What IFD is the ratio of.
    pub definition: Definition,
    /// The precision a score is kept in.
    pub score_dtype: ScoreDtype,
}

/// IFD under the model being trained, as it is now.
#[derive(Debug)]
pub struct Ifd(Options);

impl Plugin for Ifd {
    type Options = Options;
    const SERVICES: &'static [Service] = &[Service::ResponseNll];

    fn new(options: Options) -> Result<Self> {
        Ok(Self(options))
    }
}

impl ComplexityScorer for Ifd {
    fn score(&self, host: &Host<'_>, ids: &[SampleId]) -> Result<Vec<Score>> {
        score(host, Model::Current, ids, self.0)
    }
}

/// IFD under the fixed proxy model (Superfiltering, arXiv 2402.00530): a small model chooses for a
/// large one.
#[derive(Debug)]
pub struct Superfilter(Options);

impl Plugin for Superfilter {
    type Options = Options;
    const SERVICES: &'static [Service] = &[Service::ResponseNll, Service::Proxy];

    fn new(options: Options) -> Result<Self> {
        Ok(Self(options))
    }
}

impl ComplexityScorer for Superfilter {
    fn score(&self, host: &Host<'_>, ids: &[SampleId]) -> Result<Vec<Score>> {
        score(host, Model::Proxy, ids, self.0)
    }
}

fn score(host: &Host<'_>, model: Model, ids: &[SampleId], options: Options) -> Result<Vec<Score>> {
    let mut scores = Vec::with_capacity(ids.len());
    for ids in ids.chunks(SAMPLES_AT_ONCE) {
        host.check_cancelled()?;
        let losses = host.response_nll(model, ids)?;
        let scored =
            losses.iter().map(|nll| ifd::score(nll, options.definition, options.score_dtype));
        scores.extend(scored);
    }
    Ok(scores)
}

iterit_sdk::export_plugin! {
    complexity: { "ifd" => Ifd, "superfilter" => Superfilter },
}

#[cfg(test)]
mod tests {
    use super::*;

    iterit_sdk::conformance!(ifd_conforms: complexity Ifd);
    iterit_sdk::conformance!(ifd_of_losses_conforms: complexity Ifd, options: r#"{"definition": "loss_ratio", "score_dtype": "bfloat16"}"#);
    iterit_sdk::conformance!(superfilter_conforms: complexity Superfilter);
}
