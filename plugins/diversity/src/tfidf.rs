//! TF-IDF over terms and runs of two and three of them, as scikit-learn's
//! `TfidfVectorizer(ngram_range=(1, 3))` gives it in float64.
//!
//! With n texts, df(c) of them holding n-gram c, and tf(i, c) occurrences of c in text i:
//!
//! ```text
//! idf(c)       = ln((1 + n) / (1 + df(c))) + 1
//! weight(i, c) = tf(i, c) · idf(c) / ‖tf(i, ·) · idf(·)‖₂
//! ```

use crate::ngrams::{NONE, number_ngrams};
use crate::parallel::{for_pieces_mut, map_pieces};
use crate::texts::NumberedTexts;

/// The matrix: one row a text, one column a distinct n-gram.
///
/// Columns are numbered by first occurrence: all terms, then all bigrams, then all trigrams.
#[derive(Debug, Default)]
pub struct Tfidf {
    /// The columns of all rows, each row sorted. A column stands in a row as often as the n-gram
    /// occurs in the text, so counts take no memory of their own and cannot overflow.
    columns: Vec<u32>,
    /// Where in `columns` each row ends.
    ends: Vec<usize>,
    /// idf of each column.
    idf: Vec<f64>,
    /// ‖tf · idf‖₂ of each row; 0 for a text without a term.
    norms: Vec<f64>,
}

impl Tfidf {
    /// Fits and transforms the texts. Linear in their terms but for sorting each row.
    pub fn fit(texts: &NumberedTexts, threads: usize) -> Self {
        let (columns, ends, num_columns) = count_ngrams(texts, threads);
        let mut matrix = Self { columns, ends, idf: Vec::new(), norms: Vec::new() };
        matrix.idf = matrix.inverse_document_frequencies(num_columns);
        let rows: Vec<usize> = (0..matrix.num_rows()).collect();
        let norms = map_pieces(&rows, threads, |rows| {
            rows.iter().map(|&row| matrix.norm(row)).collect::<Vec<f64>>()
        });
        matrix.norms = norms.concat();
        matrix
    }

    /// How many texts there are.
    pub fn num_rows(&self) -> usize {
        self.ends.len()
    }

    /// How many distinct n-grams there are.
    pub fn num_columns(&self) -> usize {
        self.idf.len()
    }

    /// The idf of each column.
    pub fn idf(&self) -> &[f64] {
        &self.idf
    }

    /// The columns of one row, sorted; a column stands there as often as its n-gram occurs.
    pub fn columns(&self, row: usize) -> &[u32] {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.columns[start..self.ends[row]]
    }

    /// The non-zero weights of one row: column and weight, by ascending column.
    pub fn row(&self, row: usize) -> impl Iterator<Item = (usize, f64)> {
        self.columns(row).chunk_by(u32::eq).map(move |run| {
            let column = run[0] as usize;
            (column, run.len() as f64 * self.idf[column] / self.norms[row])
        })
    }

    /// The sum of one row with other values in place of idf: Σ_c tf(row, c) · values(c) / norm(row).
    /// A row without a term sums to 0.
    pub fn row_sum(&self, row: usize, values: &[f64]) -> f64 {
        let columns = self.columns(row);
        if columns.is_empty() {
            return 0.0;
        }
        columns.iter().map(|&column| values[column as usize]).sum::<f64>() / self.norms[row]
    }

    fn inverse_document_frequencies(&self, num_columns: usize) -> Vec<f64> {
        let mut document_frequency = vec![0_u32; num_columns];
        for row in 0..self.num_rows() {
            for run in self.columns(row).chunk_by(u32::eq) {
                document_frequency[run[0] as usize] += 1;
            }
        }
        document_frequency
            .iter()
            .map(|&df| inverse_document_frequency(self.num_rows(), df))
            .collect()
    }

    fn norm(&self, row: usize) -> f64 {
        let squares = self.columns(row).chunk_by(u32::eq).map(|run| {
            let weight = run.len() as f64 * self.idf[run[0] as usize];
            weight * weight
        });
        squares.sum::<f64>().sqrt()
    }
}

fn inverse_document_frequency(num_texts: usize, document_frequency: u32) -> f64 {
    ((1.0 + num_texts as f64) / (1.0 + f64::from(document_frequency))).ln() + 1.0
}

/// The sorted columns of all rows, where each row ends, and how many columns there are.
fn count_ngrams(texts: &NumberedTexts, threads: usize) -> (Vec<u32>, Vec<usize>, usize) {
    let terms = texts.terms();
    let first_bigram = u32::try_from(texts.num_distinct()).expect("fewer than 2^32 terms");
    let (bigrams, first_trigram) = number_ngrams(texts, terms, 2, first_bigram, threads);
    let (trigrams, num_columns) = number_ngrams(texts, &bigrams, 3, first_trigram, threads);

    let (mut columns, mut ends) = (Vec::with_capacity(3 * terms.len()), Vec::new());
    for text in texts.texts() {
        for numbers in [terms, &bigrams, &trigrams] {
            columns.extend(numbers[text.clone()].iter().filter(|&&number| number != NONE));
        }
        ends.push(columns.len());
    }
    sort_rows(&mut columns, &ends, threads);
    (columns, ends, num_columns as usize)
}

fn sort_rows(columns: &mut [u32], ends: &[usize], threads: usize) {
    let mut rows = Vec::with_capacity(ends.len());
    let (mut rest, mut start) = (columns, 0);
    for &end in ends {
        let (row, after) = rest.split_at_mut(end - start);
        rows.push(row);
        (rest, start) = (after, end);
    }
    for_pieces_mut(&mut rows, threads, |rows| rows.iter_mut().for_each(|row| row.sort_unstable()));
}
