//! Counts of values in bins of equal width, the same bins for everything that is compared.

use crate::statistics::summary::{quantile, sorted_finite};
use serde::{Deserialize, Serialize};

/// Equal bins over a range. What lies outside falls into the first or last one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bins {
    /// Where the first begins.
    pub low: f64,
    /// Where the last ends.
    pub high: f64,
    /// How many there are.
    pub count: usize,
}

impl Bins {
    /// Bins from the 0.5 % to the 99.5 % quantile, so that a few wild values do not squeeze all
    /// others into one bar. None without finite values.
    pub fn over(values: impl IntoIterator<Item = f64>, count: usize) -> Option<Self> {
        let sorted = sorted_finite(values);
        let (&least, &most) = (sorted.first()?, sorted.last()?);
        let (mut low, mut high) = (quantile(&sorted, 0.005), quantile(&sorted, 0.995));
        if high <= low {
            (low, high) = (least, most);
        }
        if high <= low {
            let margin = (low.abs() * 1e-3).max(1e-6);
            (low, high) = (low - margin, high + margin);
        }
        Some(Self { low, high, count })
    }

    /// The bin a finite value falls into.
    pub fn index(&self, value: f64) -> usize {
        let place = (value - self.low) / (self.high - self.low) * self.count as f64;
        (place.max(0.0) as usize).min(self.count - 1)
    }

    /// Where a bin begins; that of `count` is where the last one ends.
    pub fn edge(&self, index: usize) -> f64 {
        self.low + (self.high - self.low) * index as f64 / self.count as f64
    }

    /// How many values fall into each bin; what is not finite is left out.
    pub fn counts(&self, values: impl IntoIterator<Item = f64>) -> Vec<u64> {
        let mut counts = vec![0; self.count];
        values.into_iter().filter(|v| v.is_finite()).for_each(|v| counts[self.index(v)] += 1);
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finite_value_is_counted_once() {
        let bins = Bins { low: 0.0, high: 1.0, count: 4 };
        let counts = bins.counts([-5.0, 0.0, 0.25, 0.6, 1.0, 9.0, f64::NAN]);
        assert_eq!(counts, [2, 1, 1, 2]);
        assert_eq!((bins.edge(0), bins.edge(4)), (0.0, 1.0));
    }

    #[test]
    fn equal_values_still_have_a_bin() {
        let bins = Bins::over([2.0, 2.0, f64::NAN], 10).unwrap();
        assert!(bins.low < 2.0 && bins.high > 2.0);
        assert_eq!(bins.counts([2.0, 2.0]).iter().sum::<u64>(), 2);
        assert_eq!(Bins::over([f64::NAN], 10), None);
    }
}
