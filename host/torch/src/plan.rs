//! Which sequences are run in one batch, and which batches begin alike, so that their beginning is run
//! once. Knows lengths and tokens, not what is asked of them.

use crate::batches::{self, Layout, Limit};
use crate::layers::rope::Reach;
use crate::models::place::{Positions, Prefix};
use crate::prefix::{self, Group};
use crate::share::Share;
use iterit_core::learner::Sequence;
use std::sync::{Arc, Mutex, PoisonError};

/// Sequences that are asked about, in batches.
pub(crate) struct Plan {
    /// The longest first, of those that begin alike.
    pub(crate) batches: Vec<Batch>,
    pub(crate) beginnings: Vec<Beginning>,
}

/// Sequences that are run side by side.
pub(crate) struct Batch {
    pub(crate) members: Vec<usize>,
    /// Its place among the beginnings.
    pub(crate) beginning: usize,
}

/// What the sequences of some batches begin with. It is run by whoever needs it first and forgotten
/// with the last batch.
pub(crate) struct Beginning {
    /// How many tokens; 0 where nothing is shared.
    pub(crate) length: usize,
    /// One of the sequences.
    pub(crate) member: usize,
    pub(crate) reach: Reach,
    kept: Mutex<Kept>,
}

struct Kept {
    prefix: Option<Arc<Prefix>>,
    /// Batches that have not asked for it.
    waiting: usize,
}

impl Plan {
    /// Of those sequences at `asked`, in batches of at most so many tokens.
    pub(crate) fn new(
        sequences: &[Sequence],
        asked: &[usize],
        positions: &Positions,
        most: Limit,
        layout: Layout,
    ) -> Self {
        let lengths = asked.iter().map(|&index| sequences[index].tokens.len());
        let mut plan = Self { batches: Vec::new(), beginnings: Vec::new() };
        for (reach, members) in positions.groups(lengths) {
            let members: Vec<usize> = members.into_iter().map(|index| asked[index]).collect();
            let unasked = |&index: &usize| sequences[index].unasked();
            let shareable: Vec<&[u32]> = members.iter().map(unasked).collect();
            for Group { prefix, members: group } in prefix::groups(&shareable) {
                let group: Vec<usize> = group.into_iter().map(|index| members[index]).collect();
                let rest = |&member: &usize| sequences[member].input().len() - prefix;
                let lengths: Vec<usize> = group.iter().map(rest).collect();
                plan.add(prefix, reach, &group, batches::cut(&lengths, most, layout));
            }
        }
        plan
    }

    /// The batches of one rank, and for each beginning how many of these wait for it.
    pub(crate) fn of(self, share: Share, cost: impl Fn(&Batch) -> usize) -> Self {
        let Self { batches, mut beginnings } = self;
        let batches = share.of(batches, cost);
        let mut waiting = vec![0; beginnings.len()];
        batches.iter().for_each(|batch| waiting[batch.beginning] += 1);
        for (beginning, waiting) in beginnings.iter_mut().zip(waiting) {
            let kept = beginning.kept.get_mut().unwrap_or_else(PoisonError::into_inner);
            kept.waiting = waiting;
        }
        Self { batches, beginnings }
    }

    fn add(&mut self, length: usize, reach: Reach, group: &[usize], cut: Vec<Vec<usize>>) {
        let kept = Mutex::new(Kept { prefix: None, waiting: cut.len() });
        let beginning = self.beginnings.len();
        self.beginnings.push(Beginning { length, member: group[0], reach, kept });
        self.batches.extend(cut.into_iter().map(|batch| Batch {
            members: batch.into_iter().map(|index| group[index]).collect(),
            beginning,
        }));
    }
}

impl Beginning {
    /// The beginning after it was run, for one batch, once; `None` where nothing is shared. Others that
    /// need it wait while it is run.
    #[expect(clippy::arc_with_non_send_sync, reason = "threads share it behind `shim::Shared`")]
    pub(crate) fn take(&self, run: impl FnOnce() -> Prefix) -> Option<Arc<Prefix>> {
        if self.length == 0 {
            return None;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.waiting -= 1;
        let prefix = kept.prefix.take().unwrap_or_else(|| Arc::new(run()));
        if kept.waiting > 0 {
            kept.prefix = Some(Arc::clone(&prefix));
        }
        Some(prefix)
    }
}

/// All of the texts of these lengths in padded batches, each with those it may be run with.
pub(crate) fn whole(
    lengths: &[usize],
    positions: &Positions,
    most: Limit,
) -> Vec<(Reach, Vec<usize>)> {
    let mut batches = Vec::new();
    for (reach, group) in positions.groups(lengths.iter().copied()) {
        let lengths: Vec<usize> = group.iter().map(|&index| lengths[index]).collect();
        let of_all = |batch: Vec<usize>| batch.into_iter().map(|index| group[index]).collect();
        batches.extend(
            batches::cut(&lengths, most, Layout::Padded).into_iter().map(|it| (reach, of_all(it))),
        );
    }
    batches
}
