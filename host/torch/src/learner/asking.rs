//! How a question is put to the model as it is now: in the type it computes in, with its matrices laid out where the
//! question is long, and less of it at a time where that is too much.

use super::TorchLearner;
use crate::guard::guarded;
use crate::lora::Model;
use crate::nll::Scorer;
use crate::share::Share;
use crate::{shim, side_by_side};
use iterit_core::learner::Sequence;
use iterit_core::{Error, Result};

/// How a question goes through its tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Uses {
    /// A few at a time, whatever there is: nothing is gained by laying matrices out.
    Few,
    /// In batches, as many as there are tokens for.
    Many,
}

/// The form they are multiplied with in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Matrices {
    AsStored,
    LaidOut,
}

/// Batches that pay for laying out what they multiply with.
const BATCHES: usize = 2;

impl TorchLearner {
    /// Runs less of a question at a time, if there is less.
    pub(crate) fn ask_less(&mut self) -> bool {
        self.fitting.ask_less()
    }

    /// Runs `ask` on the model as it is now.
    pub(super) fn ask<T>(
        &mut self,
        sequences: &[Sequence],
        uses: Uses,
        mut ask: impl FnMut(&Scorer<'_>) -> Result<T>,
    ) -> Result<T> {
        self.check(sequences)?;
        self.reach(sequences);
        side_by_side::keep_to_this_thread();
        let tokens = sequences.iter().map(|sequence| sequence.tokens.len()).sum();
        loop {
            let matrices = match uses {
                Uses::Many if self.laid_out(tokens) > 0 => Matrices::LaidOut,
                Uses::Many | Uses::Few => Matrices::AsStored,
            };
            let answer = self.ask_once(matrices, &mut ask);
            // Ranks that formed other batches than the rest would answer some twice and others never.
            let is_told =
                self.share != Share::WHOLE || !matches!(answer, Err(Error::OutOfMemory(_)));
            if is_told || !self.ask_less() {
                // Others come now, such as picks, which may need as much as all tensors.
                shim::give_back_freed_memory();
                return answer;
            }
        }
    }

    /// Bytes that matrices take a second time, in a question about so many tokens.
    pub(super) fn laid_out(&self, tokens: usize) -> u64 {
        let is_long = tokens > BATCHES * self.fitting.asking.tokens;
        let is_wanted = is_long && self.fitting.lays_out;
        if is_wanted { self.with_model(|model| model.laid_out()) } else { 0 } // bytes
    }

    fn ask_once<T>(
        &mut self,
        matrices: Matrices,
        ask: &mut dyn FnMut(&Scorer<'_>) -> Result<T>,
    ) -> Result<T> {
        guarded(|| {
            let _no_grad = tch::no_grad_guard();
            let compute = self.options.precision.compute();
            let weights = &self.weights;
            let cast = self.cast.get_or_insert_with(|| weights.cast(compute));
            let (packed, adapters) = (&self.packed, self.adapters.as_ref());
            let model = Model { shape: &self.shape, weights: cast, packed, adapters };
            let decoder = match matrices {
                Matrices::AsStored => model.decoder(None),
                Matrices::LaidOut => model.decoder_for_many(),
            };
            let (budget, positions, lanes) = (self.fitting.asking, &self.positions, self.lanes);
            let (layout, share) = (self.layout, self.share);
            ask(&Scorer { decoder: &decoder, positions, budget, layout, lanes, share })
        })
    }
}
