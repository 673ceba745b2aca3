//! How surprised the model is by a response: pure arithmetic on its mean loss.
//!
//! With A the response of T tokens and Q its prompt:
//!
//! ```text
//! loss = −1/T Σ_t ln p(A_t | Q, A_<t)        ppl = exp(loss)
//! ```

use iterit_sdk::{Nll, Score};

/// The mean loss, nats a token. A response without a token has none.
///
/// ```
/// use iterit_plugin_ppl::perplexity::loss;
/// use iterit_sdk::Nll;
/// assert_eq!(loss(Nll { sum: 6.0, tokens: 3 }).value, 2.0);
/// assert!(!loss(Nll::default()).eligible);
/// ```
pub fn loss(nll: Nll) -> Score {
    finite_or_ineligible(nll.mean(), nll)
}

/// The perplexity: the exponential of the mean loss.
pub fn perplexity(nll: Nll) -> Score {
    finite_or_ineligible(nll.perplexity(), nll)
}

fn finite_or_ineligible(value: f64, nll: Nll) -> Score {
    let score = if value.is_finite() { Score::eligible(value) } else { Score::ineligible(value) };
    score.with_part("nll", nll.mean()).with_part("tokens", nll.tokens.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uniform_model_over_v_tokens_has_perplexity_v() {
        let vocabulary = 50.0_f64;
        let nll = Nll { sum: 7.0 * vocabulary.ln(), tokens: 7 };
        assert!((perplexity(nll).value - vocabulary).abs() < 1e-12);
        assert!((loss(nll).value - vocabulary.ln()).abs() < 1e-15);
    }

    #[test]
    fn what_is_no_number_cannot_be_picked() {
        assert!(!perplexity(Nll::default()).eligible);
        let hopeless = Nll { sum: 1000.0, tokens: 1 };
        assert!(!perplexity(hopeless).eligible && loss(hopeless).eligible);
    }
}
