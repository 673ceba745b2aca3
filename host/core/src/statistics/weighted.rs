//! The mean difference where every token counts the same instead of every sample. Where it points
//! another way than the mean over samples, what an arm gains it gains on responses of some length.

use super::Interval;
use super::bootstrap::{Bootstrap, distribution, percentile_interval};
use serde::{Deserialize, Serialize};

/// The difference a token.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TokenWeighted {
    /// Σ wᵢ dᵢ / Σ wᵢ with w the tokens of a response.
    pub difference: f64,
    /// Its percentile interval over resampled pairs.
    pub interval: Interval,
}

/// Weighs paired differences by the lengths of their responses. A pair is drawn again with its
/// length, so the interval is that of a ratio of two means.
///
/// ```
/// use iterit_core::statistics::{bootstrap::Bootstrap, weighted::token_weighted};
/// let bootstrap = Bootstrap { resamples: 1000, seed: 0, confidence: 0.95 };
/// let found = token_weighted(&[-1.0, 1.0, 1.0], &[98, 1, 1], bootstrap);
/// assert_eq!(found.difference, -0.96);
/// assert!(found.interval.low == -1.0 && found.interval.high == 1.0);
/// ```
pub fn token_weighted(differences: &[f64], tokens: &[u32], bootstrap: Bootstrap) -> TokenWeighted {
    let mean_of = |rows: &mut dyn Iterator<Item = usize>| {
        let (sum, weight) = rows.fold((0.0, 0.0), |(sum, weight), row| {
            let tokens = f64::from(tokens[row]);
            (sum + tokens * differences[row], weight + tokens)
        });
        sum / weight
    };
    let resampled = distribution(differences.len(), bootstrap, |rows| {
        mean_of(&mut rows.iter().map(|&row| row as usize))
    });
    TokenWeighted {
        difference: mean_of(&mut (0..differences.len())),
        interval: percentile_interval(&resampled, bootstrap.confidence),
    }
}
