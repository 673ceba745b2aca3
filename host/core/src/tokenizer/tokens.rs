//! Tokens, and what each stands for.

use std::ops::Range;

/// The tokens of a text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tokens {
    /// Their ids.
    pub ids: Vec<u32>,
    /// The bytes of the text that each stands for. Tokens that are pieces of one character share its
    /// bytes.
    pub offsets: Vec<Range<usize>>,
}

impl Tokens {
    /// The tokens from the first to the last that holds some of these bytes.
    pub fn holding(&self, bytes: &Range<usize>) -> Range<usize> {
        let holds = |it: &Range<usize>| it.end > bytes.start && it.start < bytes.end;
        self.range(holds, bytes.start)
    }

    /// The tokens from the first to the last that holds some of these bytes and none behind them.
    pub fn within(&self, bytes: &Range<usize>) -> Range<usize> {
        let holds = |it: &Range<usize>| it.end > bytes.start && it.end <= bytes.end;
        self.range(holds, bytes.start)
    }

    /// From the first to the last token that `holds`; none of them, an empty range at `byte`.
    fn range(&self, holds: impl Fn(&Range<usize>) -> bool, byte: usize) -> Range<usize> {
        match self.offsets.iter().position(&holds) {
            Some(first) => {
                let last = self.offsets.iter().rposition(&holds).expect("the first holds some");
                first..last + 1
            }
            None => {
                let at = self.offsets.partition_point(|it| it.end <= byte);
                at..at
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_belongs_to_every_character_it_holds() {
        // "a bé": the blank belongs to its word, and é falls into two pieces.
        let tokens = Tokens { ids: vec![5, 6, 7, 8], offsets: vec![0..1, 1..3, 3..5, 3..5] };
        assert_eq!(tokens.holding(&(2..5)), 1..4);
        assert_eq!(tokens.holding(&(3..5)), 2..4);
        assert_eq!(tokens.holding(&(0..2)), 0..2);
        assert_eq!(tokens.within(&(0..2)), 0..1);
        assert_eq!((tokens.holding(&(5..5)), tokens.holding(&(9..9))), (4..4, 4..4));
    }
}
