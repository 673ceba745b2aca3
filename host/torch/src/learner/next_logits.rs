//! The logits behind the last token: what one compares two implementations of a model by.

use super::TorchLearner;
use super::asking::Uses;
use crate::collated;
use crate::models::place::Place;
use iterit_core::learner::{Scored, Sequence};
use iterit_core::{Error, Result};

impl TorchLearner {
    /// The logits of the token that follows, one for each token of the vocabulary, `[V]`.
    ///
    /// # Errors
    /// No tokens, too many, or one that the model does not know.
    pub fn next_logits(&mut self, tokens: &[u32]) -> Result<Vec<f32>> {
        if tokens.is_empty() {
            return Err(Error::Model("no tokens, expected one or more".into()));
        }
        let device = self.device;
        let sequence = Sequence { tokens: tokens.to_vec(), scored: Scored::default() };
        self.ask(&[sequence], Uses::Few, |scorer| {
            let reach = scorer.positions.reach_of(tokens.len());
            let place = Place::start(scorer.positions, reach, tokens.len());
            let (tokens, length) = collated::stack([tokens].into_iter(), device); // [1, T]
            let decoder = scorer.decoder;
            let hidden = decoder.hidden_after(decoder.num_layers(), &tokens, &place); // [1, T, D]
            let last = hidden.select(1, length as i64 - 1); // [1, D]
            let logits = decoder.head().logits(&last); // [1, V]
            Vec::try_from(logits.flatten(0, 1))
                .map_err(|error| Error::Model(format!("the logits cannot be read: {error}")))
        })
    }
}
