//! How large a paired difference is, beside its own spread and sample by sample.

use super::summary::{mean, standard_deviation};
use serde::{Deserialize, Serialize};

/// Cohen's d_z = d̄ / s_d, the mean difference in standard deviations of the differences; none
/// where they do not vary.
pub fn cohens_d_z(differences: &[f64]) -> Option<f64> {
    let deviation = standard_deviation(differences);
    (deviation > 0.0).then(|| mean(differences) / deviation)
}

/// How the pairs fell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WinTieLoss {
    /// Pairs in which the difference is below −tie: the arm's loss is lower.
    pub wins: u64,
    /// Pairs within the tie.
    pub ties: u64,
    /// Pairs in which the difference is above the tie.
    pub losses: u64,
}

/// Counts pairs of losses, where less is better.
pub fn win_tie_loss(differences: &[f64], tie: f64) -> WinTieLoss {
    let wins = differences.iter().filter(|&&d| d < -tie).count() as u64;
    let losses = differences.iter().filter(|&&d| d > tie).count() as u64;
    WinTieLoss { wins, ties: differences.len() as u64 - wins - losses, losses }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        assert_eq!(cohens_d_z(&[1.0, 2.0, 3.0]), Some(2.0));
        assert_eq!(cohens_d_z(&[1.0, 1.0]), None);
        assert_eq!(cohens_d_z(&[1.0]), None);
        let counted = win_tie_loss(&[-0.5, -0.01, 0.0, 0.01, 0.3], 0.01);
        assert_eq!(counted, WinTieLoss { wins: 1, ties: 3, losses: 1 });
    }
}
