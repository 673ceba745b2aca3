//! The `length` plugin: a sample's complexity is the number of its response's tokens. The longest
//! responses are a baseline that is hard to beat (Zhao et al., arXiv 2402.04833).

use iterit_sdk::{ComplexityScorer, Host, NoOptions, Plugin, Result, SampleId, Score, TokenCounts};

/// Few enough samples to stop between.
const SAMPLES_AT_ONCE: usize = 4096;

/// Scores by the number of response tokens that carry loss.
#[derive(Debug)]
pub struct Length;

impl Plugin for Length {
    type Options = NoOptions;

    fn new(_: NoOptions) -> Result<Self> {
        Ok(Self)
    }
}

impl ComplexityScorer for Length {
    fn score(&self, host: &Host<'_>, ids: &[SampleId]) -> Result<Vec<Score>> {
        let mut scores = Vec::with_capacity(ids.len());
        for piece in ids.chunks(SAMPLES_AT_ONCE) {
            host.check_cancelled()?;
            scores.extend(host.token_counts(piece)?.iter().map(score));
            host.progress(scores.len() as u64, ids.len() as u64);
        }
        Ok(scores)
    }
}

fn score(counts: &TokenCounts) -> Score {
    match counts.response {
        0 => Score::ineligible(0.0),
        tokens => Score::eligible(tokens.into()),
    }
}

iterit_sdk::export_plugin! {
    complexity: { "length" => Length },
}

#[cfg(test)]
mod tests {
    use super::*;

    iterit_sdk::conformance!(length_conforms: complexity Length);

    #[test]
    fn a_response_without_tokens_is_not_picked() {
        let of = |response| score(&TokenCounts { prompt: 7, response });
        assert_eq!(of(12), Score::eligible(12.0));
        assert_eq!(of(0), Score::ineligible(0.0));
    }
}
