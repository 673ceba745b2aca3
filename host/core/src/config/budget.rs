//! How many samples an epoch trains on.

use crate::{Error, Result};

/// k = ⌊N · ratio⌋ for a ratio up to 1, else ⌊ratio⌋ samples.
///
/// ```
/// use iterit_core::config::budget;
/// assert_eq!(budget(0.05, 1010).unwrap(), 50);
/// assert_eq!(budget(20.0, 1010).unwrap(), 20);
/// assert!(budget(0.0001, 1010).is_err()); // no sample
/// assert!(budget(2000.0, 1010).is_err()); // more than there are
/// ```
///
/// # Errors
/// A budget of 0, or above the number of samples.
pub fn budget(ratio: f64, num_samples: u64) -> Result<u64> {
    let budget = if ratio <= 1.0 { num_samples as f64 * ratio } else { ratio }.floor();
    if budget >= 1.0 && budget <= num_samples as f64 {
        return Ok(budget as u64);
    }
    let hint = match ratio {
        ratio if ratio <= 1.0 => "a ratio up to 1 is a share of the samples, above 1 a count",
        _ => "a ratio above 1 is a count of samples, up to 1 a share of them",
    };
    Err(Error::config(format!(
        "`selection.ratio` is {ratio}: {budget} of {num_samples} samples an epoch, \
         expected 1 to {num_samples}\nhint: {hint}"
    )))
}
