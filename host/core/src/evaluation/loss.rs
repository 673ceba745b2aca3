//! The loss of texts, and how far it would be another on other texts of the same kind.

use super::share::{BOOTSTRAP, CONFIDENCE};
use crate::statistics::Interval;
use crate::statistics::bootstrap::{distribution, percentile_interval};
use iterit_sdk::Nll;

/// The loss of a data set. Samples without a scored token say nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Loss {
    /// Nats a token, every token counting the same: Σ nll / Σ tokens.
    pub token: f64,
    /// Its percentile bootstrap interval over samples.
    pub token_interval: Interval,
    /// Nats a token, every sample counting the same.
    pub sample: f64,
    /// Its percentile bootstrap interval over samples.
    pub sample_interval: Interval,
    /// Samples that say something.
    pub samples: usize,
    /// Their tokens.
    pub tokens: u64,
}

/// Sums up what samples say; none where none has a token.
///
/// ```
/// use iterit_core::{Nll, evaluation::loss};
/// let nll = |sum, tokens| Nll { sum, tokens };
/// let loss = loss(&[nll(2.0, 1), nll(0.0, 0), nll(1.0, 2)]).unwrap();
/// assert_eq!((loss.token, loss.sample, loss.samples, loss.tokens), (1.0, 1.25, 2, 3));
/// ```
pub fn loss(said: &[Nll]) -> Option<Loss> {
    let said: Vec<Nll> = said.iter().copied().filter(|nll| nll.tokens > 0).collect();
    if said.is_empty() {
        return None;
    }
    let all: Vec<u32> = (0..said.len() as u32).collect();
    let interval = |figure: fn(&[Nll], &[u32]) -> f64| {
        let resampled = distribution(said.len(), BOOTSTRAP, |rows| figure(&said, rows));
        percentile_interval(&resampled, CONFIDENCE)
    };
    Some(Loss {
        token: by_token(&said, &all),
        token_interval: interval(by_token),
        sample: by_sample(&said, &all),
        sample_interval: interval(by_sample),
        samples: said.len(),
        tokens: tokens(&said, &all),
    })
}

fn by_token(said: &[Nll], rows: &[u32]) -> f64 {
    let sum: f64 = rows.iter().map(|&row| said[row as usize].sum).sum();
    sum / tokens(said, rows) as f64
}

fn by_sample(said: &[Nll], rows: &[u32]) -> f64 {
    rows.iter().map(|&row| said[row as usize].mean()).sum::<f64>() / rows.len() as f64
}

/// Of all samples there may be more than one sample's count can say.
fn tokens(said: &[Nll], rows: &[u32]) -> u64 {
    rows.iter().map(|&row| u64::from(said[row as usize].tokens)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_counted_beyond_32_bits() {
        let half = Nll { sum: 1.5, tokens: 1 << 31 };
        let loss = loss(&[half, half, half]).unwrap();
        assert_eq!((loss.token * loss.tokens as f64, loss.tokens), (4.5, 3 << 31));
    }

    #[test]
    fn an_interval_is_that_of_the_normal_law_where_that_holds() {
        // Of 400 samples of one token whose losses are 0 to 3.99: σ = 1.1547.
        let said: Vec<Nll> =
            (0..400).map(|i| Nll { sum: f64::from(i) / 100.0, tokens: 1 }).collect();
        let loss = loss(&said).unwrap();
        let half = 1.96 * 1.1547 / 20.0;
        let (low, high) = (loss.token - half, loss.token + half);
        assert!((loss.token_interval.low - low).abs() < 0.02, "{loss:?}");
        assert!((loss.token_interval.high - high).abs() < 0.02, "{loss:?}");
        assert_eq!(loss.token_interval, loss.sample_interval);
        assert_eq!(super::loss(&[Nll::default()]), None);
    }
}
