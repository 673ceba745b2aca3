//! A sample may be several sequences; a model answers sequence by sequence. Here questions are laid out
//! flat, and answers are put together by sample again.

use crate::Result;
use crate::learner::{Learner, Sequence, Watch};
use iterit_sdk::LogitStatistics;

/// The loss of every scored token, nats: one row a sample, its sequences in order.
///
/// # Errors
/// Those of the learner.
pub fn token_nll(
    learner: &mut dyn Learner,
    samples: &[&[Sequence]],
    watch: &dyn Watch,
) -> Result<Vec<Vec<f32>>> {
    let mut rows = learner.token_nll(&samples.concat(), watch)?.into_iter();
    let row = |sample: &&[Sequence]| match sample.len() {
        1 => rows.next().expect("an answer a sequence"),
        several => rows.by_ref().take(several).flatten().collect(),
    };
    Ok(samples.iter().map(row).collect())
}

/// Entropy and margin averaged over each sample's scored tokens.
///
/// # Errors
/// Those of the learner.
pub fn logit_statistics(
    learner: &mut dyn Learner,
    samples: &[&[Sequence]],
    watch: &dyn Watch,
) -> Result<Vec<LogitStatistics>> {
    let mut answers = learner.logit_statistics(&samples.concat(), watch)?.into_iter();
    let mean = |sample: &&[Sequence]| mean(answers.by_ref().take(sample.len()).collect());
    Ok(samples.iter().map(mean).collect())
}

/// Weighted by tokens.
fn mean(parts: Vec<LogitStatistics>) -> LogitStatistics {
    if let [only] = parts[..] {
        return only;
    }
    let tokens = parts.iter().map(|part| part.tokens).sum();
    let mean = |value: fn(&LogitStatistics) -> f64| {
        let scored = parts.iter().filter(|part| part.tokens > 0);
        scored.map(|part| value(part) * f64::from(part.tokens)).sum::<f64>() / f64::from(tokens)
    };
    LogitStatistics { entropy: mean(|it| it.entropy), margin: mean(|it| it.margin), tokens }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_of_several_sequences_are_weighted_by_tokens() {
        let part = |entropy, tokens| LogitStatistics { entropy, margin: 0.5, tokens };
        let all = mean(vec![part(1.0, 1), part(f64::NAN, 0), part(4.0, 2)]);
        assert_eq!(all, LogitStatistics { entropy: 3.0, margin: 0.5, tokens: 3 });
        assert!(mean(vec![part(f64::NAN, 0), part(f64::NAN, 0)]).entropy.is_nan());
    }
}
