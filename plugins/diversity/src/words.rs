//! Cuts texts into words exactly as scikit-learn's default `token_pattern`, `(?u)\b\w\w+\b`, does
//! on Python's `str.lower()`, and names every distinct word by a number.
//!
//! Python's `\w` is a character of a Unicode letter or number category, or `_`; a match is a
//! maximal run of two or more of them.

use crate::parallel::map_pieces;
use std::collections::HashMap;
use std::ops::Range;
use unicode_general_category::{GeneralCategory as Category, get_general_category};

/// Texts as numbered words, one after the other in one allocation.
///
/// A word's number is its rank among the distinct words by first occurrence.
#[derive(Debug, Default)]
pub struct WordTexts {
    words: Vec<u32>,
    /// Where in `words` each text ends.
    ends: Vec<usize>,
    numbers: HashMap<Box<str>, u32>,
}

impl WordTexts {
    /// Adds texts after those already there.
    pub fn push(&mut self, texts: &[String], threads: usize) {
        for piece in map_pieces(texts, threads, Piece::of_texts) {
            let global: Vec<u32> =
                piece.distinct.into_iter().map(|word| number_of(word, &mut self.numbers)).collect();
            let start = self.words.len();
            self.words.extend(piece.words.iter().map(|&word| global[word as usize]));
            self.ends.extend(piece.ends.iter().map(|end| start + end));
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

    /// How many distinct words there are.
    pub fn num_distinct(&self) -> usize {
        self.numbers.len()
    }

    /// The words of all texts, in order.
    pub fn words(&self) -> &[u32] {
        &self.words
    }

    /// Where each text lies in [`words`](Self::words).
    pub fn texts(&self) -> impl ExactSizeIterator<Item = Range<usize>> {
        (0..self.len()).map(|text| {
            let start = if text == 0 { 0 } else { self.ends[text - 1] };
            start..self.ends[text]
        })
    }
}

/// Some texts with numbers that hold only among themselves.
#[derive(Default)]
struct Piece {
    words: Vec<u32>,
    ends: Vec<usize>,
    distinct: Vec<Box<str>>,
}

impl Piece {
    fn of_texts(texts: &[String]) -> Self {
        let (mut piece, mut numbers) = (Self::default(), HashMap::<Box<str>, u32>::new());
        for text in texts {
            for_each_word(text, |word| {
                let number = numbers.get(word).copied().unwrap_or_else(|| {
                    piece.distinct.push(word.into());
                    number_of(word.into(), &mut numbers)
                });
                piece.words.push(number);
            });
            piece.ends.push(piece.words.len());
        }
        piece
    }
}

/// The number of a word, which is how many distinct words came before it.
fn number_of(word: Box<str>, numbers: &mut HashMap<Box<str>, u32>) -> u32 {
    let next = u32::try_from(numbers.len()).expect("fewer than 2^32 distinct words");
    *numbers.entry(word).or_insert(next)
}

/// Calls `each` with the words of a text, in order and lower case.
pub fn for_each_word(text: &str, mut each: impl FnMut(&str)) {
    let lower = text.to_lowercase();
    let (mut start, mut length) = (0, 0);
    for (place, character) in lower.char_indices() {
        if is_word_character(character) {
            if length == 0 {
                start = place;
            }
            length += 1;
        } else {
            if length > 1 {
                each(&lower[start..place]);
            }
            length = 0;
        }
    }
    if length > 1 {
        each(&lower[start..]);
    }
}

/// Python's `\w`.
pub fn is_word_character(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_alphanumeric() || character == '_';
    }
    matches!(
        get_general_category(character),
        Category::UppercaseLetter
            | Category::LowercaseLetter
            | Category::TitlecaseLetter
            | Category::ModifierLetter
            | Category::OtherLetter
            | Category::DecimalNumber
            | Category::LetterNumber
            | Category::OtherNumber
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, words: &[&str]) {
        let mut found = Vec::new();
        for_each_word(text, |word| found.push(word.to_owned()));
        assert_eq!(found, words, "{text:?}");
    }

    #[test]
    fn words_are_runs_of_two_or_more() {
        check("The cat, a CAT!", &["the", "cat", "cat"]);
        check("don't it_s __init__ 3.14 x1", &["don", "it_s", "__init__", "14", "x1"]);
        check("a b c", &[]);
        check("", &[]);
        check("end", &["end"]);
    }

    #[test]
    fn unicode_is_pythons() {
        check("ΑΣ ΟΔΟΣ ΣΑ", &["ας", "οδος", "σα"]); // a last sigma is another letter
        check("İstanbul", &["stanbul"]); // lower case is i + a combining dot, which ends the run
        check("e\u{301}a", &[]); // a combining accent is no word character
        check("x²y ½cup ⅷⅷ ª①", &["x²y", "½cup", "ⅷⅷ", "ª①"]);
        check("日本語テキスト a\u{203f}b", &["日本語テキスト"]);
    }

    #[test]
    fn numbers_follow_first_occurrence_whatever_the_threads() {
        let texts = ["bb aa bb", "", "cc aa", "dd dd bb"].map(String::from);
        for threads in [1, 2, 3, 8] {
            let mut all = WordTexts::default();
            all.push(&texts[..1], threads);
            all.push(&texts[1..], threads);
            assert_eq!(all.words(), [0, 1, 0, 2, 1, 3, 3, 0], "{threads} threads");
            assert_eq!(all.texts().collect::<Vec<_>>(), [0..3, 3..3, 3..5, 5..8]);
            assert_eq!((all.len(), all.num_distinct()), (4, 4));
        }
    }
}
