//! Texts as numbered terms: every distinct term is a number from here on.

use crate::analyzer::{Analyzer, Part};
use crate::parallel::map_pieces;
use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::ops::Range;

/// Every word of every text is looked up here, so by a hasher that is faster than the standard one.
type Numbers = HashMap<Box<str>, u32, RandomState>;

/// Texts as numbered terms, one after the other in one allocation.
///
/// A term's number is its rank among the distinct terms by first occurrence.
#[derive(Debug, Default)]
pub struct NumberedTexts {
    analyzer: Analyzer,
    terms: Vec<u32>,
    /// Where in `terms` each text ends.
    ends: Vec<usize>,
    /// Where in `terms` each run ends; no n-gram reaches over that.
    run_ends: Vec<usize>,
    numbers: Numbers,
}

impl NumberedTexts {
    /// No text yet.
    pub fn new(analyzer: Analyzer) -> Self {
        Self { analyzer, ..Self::default() }
    }

    /// Adds texts after those already there.
    pub fn push(&mut self, texts: &[String], threads: usize) {
        let analyzer = self.analyzer;
        for piece in map_pieces(texts, threads, |texts| Piece::of_texts(texts, analyzer)) {
            let global: Vec<u32> =
                piece.distinct.into_iter().map(|term| number_of(term, &mut self.numbers)).collect();
            let start = self.terms.len();
            self.terms.extend(piece.terms.iter().map(|&term| global[term as usize]));
            self.ends.extend(piece.ends.iter().map(|end| start + end));
            self.run_ends.extend(piece.run_ends.iter().map(|end| start + end));
        }
    }

    /// How many texts there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// How many distinct terms there are.
    pub fn num_distinct(&self) -> usize {
        self.numbers.len()
    }

    /// The terms of all texts, in order.
    pub fn terms(&self) -> &[u32] {
        &self.terms
    }

    /// Where each text lies in [`terms`](Self::terms).
    pub fn texts(&self) -> impl ExactSizeIterator<Item = Range<usize>> {
        between(&self.ends)
    }

    /// The terms of all texts, and where each ends in them; what told terms apart is forgotten.
    pub(crate) fn into_terms_and_ends(self) -> (Vec<u32>, Vec<usize>) {
        (self.terms, self.ends)
    }

    /// Where each run lies in [`terms`](Self::terms): a text, or a word of it where terms are
    /// characters.
    pub fn runs(&self) -> impl ExactSizeIterator<Item = Range<usize>> {
        between(&self.run_ends)
    }
}

fn between(ends: &[usize]) -> impl ExactSizeIterator<Item = Range<usize>> {
    (0..ends.len()).map(|at| if at == 0 { 0 } else { ends[at - 1] }..ends[at])
}

/// Some texts with numbers that hold only among themselves.
#[derive(Default)]
struct Piece {
    terms: Vec<u32>,
    ends: Vec<usize>,
    run_ends: Vec<usize>,
    distinct: Vec<Box<str>>,
}

impl Piece {
    fn of_texts(texts: &[String], analyzer: Analyzer) -> Self {
        let (mut piece, mut numbers) = (Self::default(), Numbers::default());
        for text in texts {
            analyzer.cut(text, |part| match part {
                Part::Term(term) => {
                    let number = numbers.get(term).copied().unwrap_or_else(|| {
                        piece.distinct.push(term.into());
                        number_of(term.into(), &mut numbers)
                    });
                    piece.terms.push(number);
                }
                Part::EndOfRun => piece.run_ends.push(piece.terms.len()),
            });
            piece.ends.push(piece.terms.len());
        }
        piece
    }
}

/// The number of a term, which is how many distinct terms came before it.
fn number_of(term: Box<str>, numbers: &mut Numbers) -> u32 {
    let next = u32::try_from(numbers.len()).expect("fewer than 2^32 distinct terms");
    *numbers.entry(term).or_insert(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_first_occurrence_whatever_the_threads() {
        let texts = ["bb aa bb", "", "cc aa", "dd dd bb"].map(String::from);
        for threads in [1, 2, 3, 8] {
            let mut all = NumberedTexts::default();
            all.push(&texts[..1], threads);
            all.push(&texts[1..], threads);
            assert_eq!(all.terms(), [0, 1, 0, 2, 1, 3, 3, 0], "{threads} threads");
            assert_eq!(all.texts().collect::<Vec<_>>(), [0..3, 3..3, 3..5, 5..8]);
            assert_eq!(all.runs().collect::<Vec<_>>(), all.texts().collect::<Vec<_>>());
            assert_eq!((all.len(), all.num_distinct()), (4, 4));
        }
    }

    #[test]
    fn characters_of_different_words_are_in_different_runs() {
        let mut all = NumberedTexts::new(Analyzer::CharWb);
        all.push(&["ab a", ""].map(String::from), 1);
        assert_eq!(all.terms(), [0, 1, 2, 0, 0, 1, 0]);
        assert_eq!(all.texts().collect::<Vec<_>>(), [0..7, 7..7]);
        assert_eq!(all.runs().collect::<Vec<_>>(), [0..4, 4..7]);
    }
}
