//! What a run will cost, told before it begins: tokens, and the time they take at a measured speed.
//!
//! A forward pass over n tokens counts as n, a training step as 3 n (forward, and about twice that
//! backward), the usual rule for transformers.

/// Tokens that a run puts through the model, and the speed it was seen to have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Tokens of both texts of every sample: what scoring all of them takes.
    pub scoring_tokens: u64,
    /// Tokens of the training texts of all epochs.
    pub training_tokens: u64,
    /// Forward tokens a second, measured.
    pub tokens_per_second: f64,
}

impl Estimate {
    /// Seconds to score every sample once.
    pub fn scoring_seconds(&self) -> f64 {
        self.scoring_tokens as f64 / self.tokens_per_second
    }

    /// Seconds of all optimizer steps.
    pub fn training_seconds(&self) -> f64 {
        3.0 * self.training_tokens as f64 / self.tokens_per_second
    }
}

/// Training tokens of a run that trains on these budgets of samples of this mean length.
pub fn training_tokens(budgets: &[u64], mean_tokens: f64) -> u64 {
    (budgets.iter().sum::<u64>() as f64 * mean_tokens).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_training_token_costs_three_forward_ones() {
        let training_tokens = training_tokens(&[10, 10], 50.0);
        let estimate = Estimate { scoring_tokens: 2000, training_tokens, tokens_per_second: 100.0 };
        assert_eq!((estimate.scoring_seconds(), estimate.training_seconds()), (20.0, 30.0));
    }
}
