//! The statistics of a comparison: pure functions on slices, each one equation, each with an
//! oracle in `tests/golden/statistics`. They know nothing of arms, runs or models.
//!
//! Randomness comes from a seed that the caller gives, so the same figures give the same report.

pub mod distribution;
pub mod random;
pub mod summary;

pub mod bootstrap;
pub mod correlation;
pub mod effect;
pub mod multiplicity;
pub mod permutation;
pub mod power;
pub mod student;

pub mod reading;
pub mod seeds;

use serde::{Deserialize, Serialize};

/// An interval estimate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Interval {
    /// Whether zero lies outside, so that the sign of the quantity is settled.
    pub fn excludes_zero(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }
}
