//! Cuts texts into words exactly as scikit-learn's default `token_pattern`, `(?u)\b\w\w+\b`, does
//! on Python's `str.lower()`.
//!
//! Python's `\w` is a character of a Unicode letter or number category, or `_`; a match is a
//! maximal run of two or more of them.

use unicode_general_category::{GeneralCategory as Category, get_general_category};

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
}
