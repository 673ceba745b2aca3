//! TF-IDF is scikit-learn's, and its words are Python's, to the last character.

use crate::golden;
use iterit_plugin_diversity::tfidf::Tfidf;
use iterit_plugin_diversity::words::{WordTexts, for_each_word, is_word_character};
use std::collections::HashMap;

#[test]
fn matrix_of_hard_texts() {
    let golden = golden::committed("tfidf.json");
    check_matrix(&golden, "texts");
}

#[test]
fn matrix_of_the_published_program() {
    if let Some(golden) = golden::shared("golden/diversity/tfidf_small.json") {
        check_matrix(&golden, "docs");
    }
}

#[test]
fn word_characters_and_lower_case_are_pythons() {
    let golden = golden::committed("python_words.json");
    let (word, unassigned) = (in_ranges(&golden["word"]), in_ranges(&golden["unassigned"]));
    for character in '\0'..=char::MAX {
        // What that Unicode version did not know yet, a later one may know as a letter.
        if unassigned[character as usize] {
            continue;
        }
        let code = format!("U+{:04X}", character as u32);
        assert_eq!(is_word_character(character), word[character as usize], "{code}");
        let lower = golden["lower"][character.to_string()].as_str().map(String::from);
        let found = character.to_lowercase().collect::<String>();
        assert_eq!(found, lower.unwrap_or(character.to_string()), "{code}");
    }
}

/// Which characters lie in one of these `[first, last]` ranges.
fn in_ranges(ranges: &serde_json::Value) -> Vec<bool> {
    let mut inside = vec![false; char::MAX as usize + 1];
    for range in ranges.as_array().expect("ranges") {
        let bound = |end: usize| range[end].as_u64().expect("a character") as usize;
        inside[bound(0)..=bound(1)].fill(true);
    }
    inside
}

fn check_matrix(golden: &serde_json::Value, texts: &str) {
    let texts = golden::texts(golden, texts);
    let terms = golden::texts(golden, "terms");
    for threads in [1, 3] {
        let mut words = WordTexts::default();
        words.push(&texts, threads);
        let matrix = Tfidf::fit(&words, threads);
        // Our columns stand in order of first occurrence, scikit-learn's in that of the alphabet.
        let ours = names_by_first_occurrence(&texts);
        assert_eq!(sorted(ours.clone()), terms);
        let column: HashMap<&str, usize> =
            terms.iter().enumerate().map(|(column, term)| (term.as_str(), column)).collect();
        let column = |ours_at: usize| column[ours[ours_at].as_str()];

        let idf = golden::numbers(golden, "idf");
        assert_eq!(matrix.num_columns(), idf.len());
        for (at, &value) in matrix.idf().iter().enumerate() {
            assert_close(value, idf[column(at)], &ours[at]);
        }
        assert_eq!(matrix.num_rows(), texts.len());
        for (row, expected) in golden::array(golden, "rows").iter().enumerate() {
            let mut found: Vec<(usize, f64)> =
                matrix.row(row).map(|(at, weight)| (column(at), weight)).collect();
            found.sort_by_key(|entry| entry.0);
            let expected: Vec<(usize, f64)> = expected
                .as_array()
                .expect("a row")
                .iter()
                .map(|entry| {
                    (entry[0].as_u64().expect("a column") as usize, golden::number(&entry[1]))
                })
                .collect();
            assert_eq!(found.len(), expected.len(), "row {row}");
            for (found, expected) in found.iter().zip(&expected) {
                assert_eq!(found.0, expected.0, "row {row}");
                assert_close(found.1, expected.1, &terms[found.0]);
            }
            let sum = golden::numbers(golden, "row_sums")[row];
            assert_close(matrix.row_sum(row, matrix.idf()), sum, &texts[row]);
        }
    }
}

fn assert_close(found: f64, expected: f64, what: &str) {
    assert!((found - expected).abs() <= 1e-12, "`{what}`: {found}, expected {expected}");
}

/// Every n-gram as a text: the words by first occurrence, then the bigrams, then the trigrams.
fn names_by_first_occurrence(texts: &[String]) -> Vec<String> {
    let mut names = Vec::new();
    for n in 1..=3 {
        for text in texts {
            let mut words = Vec::new();
            for_each_word(text, |word| words.push(word.to_owned()));
            for gram in words.windows(n) {
                let name = gram.join(" ");
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
    }
    names
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}
