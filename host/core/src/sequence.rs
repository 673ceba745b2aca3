//! Tokens, and which of them count. Everything that is scored or trained on reaches the model as
//! one of these; where the tokens came from is not its business.

use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Tokens, and which of them count: those in `scored` carry loss, given everything before them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sequence {
    /// Token ids, already truncated.
    pub tokens: Vec<u32>,
    /// Positions whose loss counts; never holds position 0, which nothing predicts.
    pub scored: Scored,
}

/// Positions of a sequence: sorted, disjoint ranges, none of them empty, none touching the next.
///
/// ```
/// use iterit_core::learner::Scored;
/// let scored = Scored::new([2..4, 6..7, 7..9, 9..9]);
/// assert_eq!(scored.ranges(), [2..4, 6..9]);
/// assert_eq!((scored.start(), scored.end(), scored.len()), (Some(2), Some(9), 5));
/// assert_eq!(scored.positions().collect::<Vec<_>>(), [2, 3, 6, 7, 8]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Scored(Vec<Range<usize>>);

impl Sequence {
    /// The tokens that the scored ones depend on; none where none is scored.
    pub fn input(&self) -> &[u32] {
        &self.tokens[..self.scored.end().map_or(0, |end| end - 1)]
    }

    /// Those of them that nothing is asked about: all before the position that predicts the first
    /// scored token.
    pub fn unasked(&self) -> &[u32] {
        &self.tokens[..self.scored.start().map_or(0, |start| start - 1)]
    }

    /// The scored tokens, in order.
    pub fn targets(&self) -> impl Iterator<Item = u32> + '_ {
        self.scored.positions().map(|position| self.tokens[position])
    }
}

impl Scored {
    /// From ranges in ascending order; empty ones are left out, touching ones become one.
    ///
    /// # Panics
    /// Where a range begins before the one before it ends.
    pub fn new(ranges: impl IntoIterator<Item = Range<usize>>) -> Self {
        let mut scored: Vec<Range<usize>> = Vec::new();
        for range in ranges.into_iter().filter(|range| !range.is_empty()) {
            match scored.last_mut() {
                Some(last) if range.start == last.end => last.end = range.end,
                last => {
                    assert!(
                        last.is_none_or(|last| last.end < range.start),
                        "scored ranges are out of order: {range:?}"
                    );
                    scored.push(range);
                }
            }
        }
        Self(scored)
    }

    /// How many positions.
    pub fn len(&self) -> usize {
        self.0.iter().map(Range::len).sum()
    }

    /// Whether nothing counts.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first position.
    pub fn start(&self) -> Option<usize> {
        self.0.first().map(|range| range.start)
    }

    /// One behind the last position.
    pub fn end(&self) -> Option<usize> {
        self.0.last().map(|range| range.end)
    }

    /// The ranges.
    pub fn ranges(&self) -> &[Range<usize>] {
        &self.0
    }

    /// Those below a limit.
    #[must_use]
    pub fn below(&self, limit: usize) -> Self {
        Self::new(self.0.iter().map(|range| range.start.min(limit)..range.end.min(limit)))
    }

    /// The last `count` of them.
    ///
    /// # Panics
    /// Where there are fewer.
    #[must_use]
    pub fn last(&self, count: usize) -> Self {
        let mut skipped =
            self.len().checked_sub(count).expect("as many positions as are asked for");
        Self::new(self.0.iter().map(|range| {
            let start = range.start + skipped.min(range.len());
            skipped -= start - range.start;
            start..range.end
        }))
    }

    /// Every position, ascending.
    pub fn positions(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().cloned().flatten()
    }
}

impl From<Range<usize>> for Scored {
    fn from(range: Range<usize>) -> Self {
        Self::new([range])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_scored_tokens_depend_on() {
        let sequence = |scored: &[Range<usize>]| Sequence {
            tokens: vec![1, 2, 3, 4, 5, 6],
            scored: Scored::new(scored.to_vec()),
        };
        let two = sequence(&[2..3, 4..5]);
        assert_eq!((two.unasked(), two.input()), (&[1][..], &[1, 2, 3, 4][..]));
        assert_eq!(two.targets().collect::<Vec<_>>(), [3, 5]);
        let none = sequence(&[]);
        assert_eq!((none.unasked(), none.input()), (&[][..], &[][..]));
        assert!(none.scored.is_empty() && none.scored.start().is_none());
        assert_eq!(two.scored.below(3), (2..3).into());
        assert_eq!(two.scored.last(1), (4..5).into());
        assert_eq!(Scored::new([1..4, 6..9]).last(5).ranges(), [2..4, 6..9]);
    }

    #[test]
    #[should_panic(expected = "out of order: 2..5")]
    fn overlapping_ranges_are_a_mistake_of_ours() {
        Scored::new([1..3, 2..5]);
    }
}
