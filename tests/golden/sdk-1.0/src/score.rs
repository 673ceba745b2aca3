//! Losses and scores: what scorers read and what they return.

use std::borrow::Cow;

/// The summed negative log-likelihood of some tokens, in nats. Sum and count are kept apart, so
/// that sums over samples and ranks stay exact.
///
/// ```
/// use iterit_sdk::Nll;
/// let nll = Nll { sum: 6.0, tokens: 3 };
/// assert_eq!(nll.mean(), 2.0);
/// assert_eq!(nll.perplexity(), 2f64.exp());
/// assert!(Nll::default().mean().is_nan()); // no token, no mean
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Nll {
    /// Sum over the tokens, nats.
    pub sum: f64,
    /// How many tokens were summed.
    pub tokens: u32,
}

impl Nll {
    /// Sums the losses of single tokens in float64.
    pub fn of_tokens(losses: &[f32]) -> Self {
        let tokens = u32::try_from(losses.len()).expect("a sample has fewer than 2^32 tokens");
        Self { sum: losses.iter().map(|&loss| f64::from(loss)).sum(), tokens }
    }

    /// Nats per token; NaN where there is no token.
    pub fn mean(self) -> f64 {
        self.sum / f64::from(self.tokens)
    }

    /// exp(mean).
    pub fn perplexity(self) -> f64 {
        self.mean().exp()
    }
}

/// The loss of one response under both conditionings, over the same leading response tokens.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ResponseNll {
    /// The response given its prompt.
    pub conditional: Nll,
    /// The response alone.
    pub unconditional: Nll,
}

/// What a complexity scorer says of one sample.
///
/// ```
/// use iterit_sdk::Score;
/// let score = Score::eligible(0.93).with_part("tokens", 41.0);
/// assert!(score.eligible && score.parts.len() == 1);
/// assert!(!Score::ineligible(f64::NAN).eligible);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// The larger, the more worth training on; 0 or more, and finite where `eligible`.
    pub value: f64,
    /// Whether the sample may be picked at all.
    pub eligible: bool,
    /// Named numbers the value was made from, for the record.
    pub parts: Vec<(Cow<'static, str>, f64)>,
}

impl Score {
    /// A sample that may be picked.
    pub fn eligible(value: f64) -> Self {
        Self { value, eligible: true, parts: Vec::new() }
    }

    /// A sample that must not be picked. The value may be NaN where none could be computed.
    pub fn ineligible(value: f64) -> Self {
        Self { value, eligible: false, parts: Vec::new() }
    }

    /// Records a number the value was made from.
    #[must_use]
    pub fn with_part(mut self, name: impl Into<Cow<'static, str>>, value: f64) -> Self {
        self.parts.push((name.into(), value));
        self
    }
}
