//! What the terms of a text are: the published words, characters, or words of any script.

use crate::words::for_each_word;
use icu_segmenter::WordSegmenter;
use icu_segmenter::options::WordBreakInvariantOptions;
use serde::{Deserialize, Serialize};

/// What n-grams are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Analyzer {
    /// scikit-learn's default and the published program's: runs of two or more letters, digits and
    /// `_`. A sentence of a script without spaces is one word.
    #[default]
    Word,
    /// scikit-learn's `analyzer="char_wb"`: characters within words, with a space on either side.
    CharWb,
    /// Words by Unicode's rules (UAX #29), and by a dictionary in scripts without spaces between
    /// them: Chinese, Japanese, Thai, Lao, Khmer, Burmese.
    Unicode,
}

/// A piece of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    /// A term, in lower case.
    Term(&'a str),
    /// No n-gram reaches over this.
    EndOfRun,
}

impl Analyzer {
    /// Calls `each` with the parts of a text, in order.
    pub fn cut(self, text: &str, mut each: impl FnMut(Part<'_>)) {
        match self {
            Self::Word => {
                for_each_word(text, |word| each(Part::Term(word)));
                each(Part::EndOfRun);
            }
            Self::Unicode => {
                for_each_unicode_word(text, |word| each(Part::Term(word)));
                each(Part::EndOfRun);
            }
            Self::CharWb => {
                let mut buffer = [0; 4];
                for word in text.to_lowercase().split(is_python_space).filter(|it| !it.is_empty()) {
                    each(Part::Term(" "));
                    for character in word.chars() {
                        each(Part::Term(character.encode_utf8(&mut buffer)));
                    }
                    each(Part::Term(" "));
                    each(Part::EndOfRun);
                }
            }
        }
    }
}

/// What Python's `str.split()` splits at.
fn is_python_space(character: char) -> bool {
    character.is_whitespace() || ('\x1c'..='\x1f').contains(&character)
}

fn for_each_unicode_word(text: &str, mut each: impl FnMut(&str)) {
    let lower = text.to_lowercase();
    let segmenter = WordSegmenter::new_dictionary(WordBreakInvariantOptions::default());
    let mut start = 0;
    for (end, kind) in segmenter.segment_str(&lower).iter_with_word_type() {
        if kind.is_word_like() {
            each(&lower[start..end]);
        }
        start = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(analyzer: Analyzer, text: &str, expected: &str) {
        let mut found = String::new();
        analyzer.cut(text, |part| match part {
            Part::Term(term) => found += &format!("{term}|"),
            Part::EndOfRun => found += "#",
        });
        assert_eq!(found, expected, "{analyzer:?} of {text:?}");
    }

    #[test]
    fn terms_of_each_analyzer() {
        check(Analyzer::Word, "Yes, B: 我们喜欢猫。", "yes|我们喜欢猫|#");
        check(Analyzer::Unicode, "Yes, B: 我们喜欢猫。", "yes|b|我们|喜欢|猫|#");
        check(Analyzer::Unicode, "ทุกสองสัปดาห์ don't 3.14", "ทุก|สอง|สัปดาห์|don't|3.14|#");
        check(Analyzer::CharWb, "Ab\x1c\u{3000}c", " |a|b| |# |c| |#");
        check(Analyzer::CharWb, " ", "");
        check(Analyzer::Word, "", "#");
    }
}
