//! The way of gradients to their owners while they come, stage 2 of ZeRO, <https://arxiv.org/abs/1910.02054>: as soon as
//! a micro-batch's way back has left a section of the model, its gradients are summed where they belong and forgotten
//! elsewhere. All ranks go through the same sections in the same order, as often as the one with most micro-batches; one
//! that has no gradient to give, or none any more, gives zeros. So a rank that fails, for want of memory say, leaves
//! nobody waiting, and all hear of it when they agree on how they fared.

use super::exchange;
use super::wire::Wire;
use crate::guard::guarded;
use iterit_core::Result;
use tch::Tensor;

/// One step's.
pub(super) struct Rounds<'a> {
    wire: &'a mut Wire,
    /// By section and owner.
    leaves: Vec<Vec<Vec<Tensor>>>,
    /// Sections so far, over all rounds, and in the end.
    passed: usize,
    all: usize,
}

impl<'a> Rounds<'a> {
    pub(super) fn new(wire: &'a mut Wire, leaves: Vec<Vec<Vec<Tensor>>>, rounds: usize) -> Self {
        let all = rounds * leaves.len();
        Self { wire, leaves, passed: 0, all }
    }

    /// Passes on what this rank has of the next section.
    ///
    /// # Errors
    /// A rank that was lost, this one too if it has no memory for a message.
    pub(super) fn pass(&mut self, section: usize) -> Result<()> {
        assert_eq!(
            section,
            self.passed % self.leaves.len(),
            "all ranks pass sections in one order"
        );
        self.passed += 1;
        let summed = guarded(|| exchange::gradients_to_owners(self.wire, &self.leaves[section]));
        self.wire.kept(summed)
    }

    /// Goes with the others to the end of the last round, if none was lost before.
    ///
    /// # Errors
    /// Those of [`pass`](Self::pass).
    pub(super) fn finish(mut self) -> Result<()> {
        while self.passed < self.all && self.wire.is_in_step() {
            self.pass(self.passed % self.leaves.len())?;
        }
        Ok(())
    }
}
