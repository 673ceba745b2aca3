//! Similarity to a target set: representation-based selection, after RDS+ (Ivison et al.,
//! arXiv 2503.01807).
//!
//! With T the target samples and cos the cosine of two embeddings:
//!
//! ```text
//! sim(i, t) = (1 + cos(i, t)) / 2        score(i) = max or mean of sim(i, t) over t in T
//! ```

use crate::vectors::{UnitVectors, cosine};
use serde::{Deserialize, Serialize};

/// How the similarities to many targets become one score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Aggregate {
    /// Near to some target.
    #[default]
    Max,
    /// Near to the targets on the whole.
    Mean,
}

/// From 0, opposite to the targets, to 1.
pub fn score(sample: &[f32], targets: &UnitVectors, aggregate: Aggregate) -> f64 {
    let similarities = targets.iter().map(|target| (0.5 * (1.0 + cosine(sample, target))).max(0.0));
    match aggregate {
        Aggregate::Max => similarities.fold(0.0, f64::max),
        Aggregate::Mean => similarities.sum::<f64>() / targets.len() as f64,
    }
}
