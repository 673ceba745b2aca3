//! TF-IDF is scikit-learn's, its words are Python's to the last character, and those of other scripts
//! ICU's.

use crate::golden;
use iterit_plugin_diversity::analyzer::{Analyzer, Part};
use iterit_plugin_diversity::decay::DecayedRows;
use iterit_plugin_diversity::texts::NumberedTexts;
use iterit_plugin_diversity::tfidf::{Ngram, Tfidf};
use iterit_plugin_diversity::words::is_word_character;
use std::collections::HashMap;

#[test]
fn matrix_of_hard_texts() {
    let golden = golden::committed("tfidf.json");
    check_matrix(&golden, "texts", Analyzer::Word);
    let golden = golden::committed("char_wb.json");
    check_matrix(&golden, "texts", Analyzer::CharWb);
}

#[test]
fn matrix_of_the_published_program() {
    if let Some(golden) = golden::shared("golden/diversity/tfidf_small.json") {
        check_matrix(&golden, "docs", Analyzer::Word);
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

fn check_matrix(golden: &serde_json::Value, texts: &str, analyzer: Analyzer) {
    let texts = golden::texts(golden, texts);
    let terms = golden::texts(golden, "terms");
    for threads in [1, 3] {
        let mut numbered = NumberedTexts::new(analyzer);
        numbered.push(&texts, threads);
        let matrix = Tfidf::fit(numbered, threads);
        // Our columns stand in order of first occurrence, scikit-learn's in that of the alphabet.
        let ours = shared_names(&texts, analyzer);
        let column: HashMap<&str, usize> =
            terms.iter().enumerate().map(|(column, term)| (term.as_str(), column)).collect();

        let idf = golden::numbers(golden, "idf");
        assert_eq!(matrix.idf().len(), ours.len());
        for (&value, name) in matrix.idf().iter().zip(&ours) {
            assert_close(value, idf[column[name.as_str()]], name);
        }
        assert_eq!(matrix.num_rows(), texts.len());
        for (row, expected) in golden::array(golden, "rows").iter().enumerate() {
            let mut found = Vec::new();
            for (n, counts) in (1..).zip(matrix.counts(row)) {
                for (ngram, count) in counts {
                    let name = match ngram {
                        Ngram::Shared(number) => ours[number as usize].clone(),
                        Ngram::Alone(at) => name_at(&texts[row], analyzer, at as usize, n),
                    };
                    found.push((column[name.as_str()], matrix.weight(row, ngram, count)));
                }
            }
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
        }
        let rows = DecayedRows::new(matrix, 1.0);
        for (row, sum) in golden::numbers(golden, "row_sums").into_iter().enumerate() {
            assert_close(rows.gain(row), sum, &texts[row]);
        }
    }
}

fn assert_close(found: f64, expected: f64, what: &str) {
    assert!((found - expected).abs() <= 1e-12, "`{what}`: {found}, expected {expected}");
}

/// As texts, by first occurrence: all terms, then the bigrams of several texts, then the trigrams.
fn shared_names(texts: &[String], analyzer: Analyzer) -> Vec<String> {
    let mut names = Vec::new();
    for n in 1..=3 {
        let of_text = |text: &String| ngrams(&runs(text, analyzer), n, analyzer);
        let ngrams: Vec<Vec<String>> = texts.iter().map(of_text).collect();
        for name in ngrams.iter().flatten() {
            let texts = ngrams.iter().filter(|ngrams| ngrams.contains(name)).count();
            if (n == 1 || texts > 1) && !names.contains(name) {
                names.push(name.clone());
            }
        }
    }
    names
}

fn ngrams(runs: &[Vec<String>], n: usize, analyzer: Analyzer) -> Vec<String> {
    let between = if analyzer == Analyzer::CharWb { "" } else { " " };
    runs.iter().flat_map(|run| run.windows(n)).map(|ngram| ngram.join(between)).collect()
}

/// The n-gram that starts at a term of a text.
fn name_at(text: &str, analyzer: Analyzer, term: usize, n: usize) -> String {
    let mut before = 0;
    for run in runs(text, analyzer) {
        if term < before + run.len() {
            return ngrams(&[run[term - before..][..n].to_vec()], n, analyzer).remove(0);
        }
        before += run.len();
    }
    panic!("`{text}` has fewer than {term} terms");
}

fn runs(text: &str, analyzer: Analyzer) -> Vec<Vec<String>> {
    let (mut runs, mut run) = (Vec::new(), Vec::new());
    analyzer.cut(text, |part| match part {
        Part::Term(term) => run.push(term.to_owned()),
        Part::EndOfRun => runs.push(std::mem::take(&mut run)),
    });
    runs
}

/// Texts of scripts that published words fit or do not: row sums are scikit-learn's.
#[test]
fn row_sums_of_other_scripts() {
    let golden = golden::committed("scripts.json");
    for (script, golden) in golden.as_object().expect("scripts") {
        let texts = golden::texts(golden, "texts");
        for (analyzer, name) in [(Analyzer::Word, "word"), (Analyzer::CharWb, "char_wb")] {
            let mut numbered = NumberedTexts::new(analyzer);
            numbered.push(&texts, 2);
            let rows = DecayedRows::new(Tfidf::fit(numbered, 2), 1.0);
            for (row, sum) in golden::numbers(golden, name).into_iter().enumerate() {
                let found = rows.gain(row);
                assert!((found - sum).abs() <= 1e-12 * sum.max(1.0), "{script}, {name}: {row}");
            }
        }
    }
}

/// The dictionaries of two versions do not agree in every word, so what is held against ICU is after
/// which characters words end: in each script at least 90 in 100 of those places are common
/// (91 in Japanese, 98 in Chinese).
#[test]
fn words_of_any_script_are_icus() {
    let (golden, scripts) =
        (golden::committed("icu_words.json"), golden::committed("scripts.json"));
    for (script, of_script) in scripts.as_object().expect("scripts") {
        let (mut common, mut all) = (0, 0);
        let expected = golden::texts(&golden["words"], script);
        for (text, expected) in golden::texts(of_script, "texts").iter().zip(&expected) {
            // ICU4X takes a lone `_` for a word.
            let is_word = |word: &&str| word.contains(char::is_alphanumeric);
            let ours = runs(text, Analyzer::Unicode).concat();
            let ours = ends(ours.iter().map(String::as_str).filter(is_word));
            let expected = ends(expected.split('|').filter(is_word));
            common += ours.iter().filter(|end| expected.contains(end)).count();
            all += ours.len().max(expected.len());
        }
        eprintln!("{script}: {common} of {all} ends of words are ICU's");
        assert!(common * 100 >= all * 90, "{script}: {common} of {all}");
    }
}

/// After how many characters of all words each word ends.
fn ends<'a>(words: impl Iterator<Item = &'a str>) -> Vec<usize> {
    let mut place = 0;
    let end = |word: &str| {
        place += word.chars().count();
        place
    };
    words.map(end).collect()
}
