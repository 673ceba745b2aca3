//! TF-IDF over terms and runs of two and three of them, as scikit-learn's
//! `TfidfVectorizer(ngram_range=(1, 3))` gives it in float64.
//!
//! With n texts, df(c) of them holding n-gram c, and tf(i, c) occurrences of c in text i:
//!
//! ```text
//! idf(c)       = ln((1 + n) / (1 + df(c))) + 1
//! weight(i, c) = tf(i, c) · idf(c) / ‖tf(i, ·) · idf(·)‖₂
//! ```

use crate::ngrams::{Codes, code_places, first_places};
use crate::parallel::{for_pieces_mut, map_pieces};
use crate::texts::NumberedTexts;
use std::ops::Range;

pub use crate::ngrams::Ngram;

/// The matrix: one row a text, one column an n-gram that texts share.
///
/// Columns are numbered by first occurrence: all terms, then the bigrams, then the trigrams of more than one
/// text. Terms have columns wherever they occur.
#[derive(Debug, Default)]
pub struct Tfidf {
    /// The codes of all terms, of all bigrams and of all trigrams, at the places of the texts, sorted within
    /// each text. A code stands there as often as the n-gram occurs, so counts take no memory of their own
    /// and cannot overflow.
    codes: [Vec<u32>; 3],
    /// Where in each of them a text ends.
    ends: Vec<usize>,
    reader: Codes,
    /// idf of each column.
    idf: Vec<f64>,
    /// idf of what one text alone holds.
    alone_idf: f64,
    /// ‖tf · idf‖₂ of each row; 0 for a text without a term.
    norms: Vec<f64>,
}

impl Tfidf {
    /// Fits and transforms the texts. Linear in their terms but for sorting each row.
    pub fn fit(texts: NumberedTexts, threads: usize) -> Self {
        let num_terms = u32::try_from(texts.num_distinct()).expect("fewer than 2^32 terms");
        let mut bigrams = first_places(&texts, texts.terms(), 2, threads);
        let mut trigrams = first_places(&texts, &bigrams, 3, threads);
        let first_trigram = code_places(&mut bigrams, &texts, num_terms);
        let num_columns = code_places(&mut trigrams, &texts, first_trigram);
        let (terms, ends) = texts.into_terms_and_ends();

        let mut codes = [terms, bigrams, trigrams];
        codes.iter_mut().for_each(|codes| sort_rows(codes, &ends, threads));
        let alone_idf = inverse_document_frequency(ends.len(), 1);
        let reader = Codes { num_columns };
        let mut matrix =
            Self { codes, ends, reader, idf: Vec::new(), alone_idf, norms: Vec::new() };
        matrix.idf = matrix.inverse_document_frequencies();
        let rows: Vec<usize> = (0..matrix.num_rows()).collect();
        let norms = map_pieces(&rows, threads, |rows| {
            rows.iter().map(|&row| matrix.norm_of(row)).collect::<Vec<f64>>()
        });
        matrix.norms = norms.concat();
        matrix
    }

    /// How many texts there are.
    pub fn num_rows(&self) -> usize {
        self.ends.len()
    }

    /// The idf of each column.
    pub fn idf(&self) -> &[f64] {
        &self.idf
    }

    /// Every n-gram of one row with the number of its occurrences: terms, bigrams, trigrams.
    pub fn counts(&self, row: usize) -> [impl Iterator<Item = (Ngram, usize)>; 3] {
        self.codes_of(row).map(|codes| {
            let runs = codes.chunk_by(u32::eq);
            runs.filter_map(|run| Some((self.reader.read(run[0])?, run.len())))
        })
    }

    /// The weight of an n-gram that a row holds so many times.
    pub fn weight(&self, row: usize, ngram: Ngram, count: usize) -> f64 {
        count as f64 * self.idf_of(ngram) / self.norms[row]
    }

    /// ‖tf · idf‖₂ of a row; 0 of one without a term.
    pub fn norm(&self, row: usize) -> f64 {
        self.norms[row]
    }

    /// The idf of what one text alone holds.
    pub fn alone_idf(&self) -> f64 {
        self.alone_idf
    }

    /// The columns of a row among its terms, bigrams and trigrams, ascending, each as often as its n-gram occurs; and the
    /// codes of what it has alone, likewise.
    pub(crate) fn split(&self, row: usize) -> [[&[u32]; 2]; 3] {
        self.codes_of(row).map(|codes| self.reader.split(codes))
    }

    /// How many codes some rows have.
    pub(crate) fn num_codes(&self, rows: Range<usize>) -> usize {
        let [start, end] =
            [rows.start, rows.end].map(|row| if row == 0 { 0 } else { self.ends[row - 1] });
        self.codes.len() * (end - start)
    }

    /// Forgets the rows from `num_rows` on and gives their memory back.
    pub(crate) fn truncate(&mut self, num_rows: usize) {
        self.ends.truncate(num_rows);
        let end = self.ends.last().copied().unwrap_or(0);
        for codes in &mut self.codes {
            codes.truncate(end);
            codes.shrink_to_fit();
        }
    }

    /// The idf of all columns, which is all that is kept.
    pub(crate) fn into_idf(self) -> Vec<f64> {
        self.idf
    }

    fn codes_of(&self, row: usize) -> [&[u32]; 3] {
        let place = self.place(row);
        self.codes.each_ref().map(|codes| &codes[place.clone()])
    }

    fn place(&self, row: usize) -> Range<usize> {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        start..self.ends[row]
    }

    fn idf_of(&self, ngram: Ngram) -> f64 {
        match ngram {
            Ngram::Shared(column) => self.idf[column as usize],
            Ngram::Alone(_) => self.alone_idf,
        }
    }

    fn inverse_document_frequencies(&self) -> Vec<f64> {
        let mut document_frequency = vec![0_u32; self.reader.num_columns as usize];
        for row in 0..self.num_rows() {
            for [shared, _] in self.split(row) {
                for run in shared.chunk_by(u32::eq) {
                    document_frequency[run[0] as usize] += 1;
                }
            }
        }
        document_frequency
            .iter()
            .map(|&df| inverse_document_frequency(self.num_rows(), df))
            .collect()
    }

    fn norm_of(&self, row: usize) -> f64 {
        let mut squares = 0.0;
        let square = |count: usize, idf: f64| (count as f64 * idf) * (count as f64 * idf);
        // Loops: over a flattened iterator it takes twice as long.
        for [shared, alone] in self.split(row) {
            for run in shared.chunk_by(u32::eq) {
                squares += square(run.len(), self.idf[run[0] as usize]);
            }
            for run in alone.chunk_by(u32::eq) {
                squares += square(run.len(), self.alone_idf);
            }
        }
        f64::sqrt(squares)
    }
}

fn inverse_document_frequency(num_texts: usize, document_frequency: u32) -> f64 {
    ((1.0 + num_texts as f64) / (1.0 + f64::from(document_frequency))).ln() + 1.0
}

fn sort_rows(codes: &mut [u32], ends: &[usize], threads: usize) {
    let mut rows = Vec::with_capacity(ends.len());
    let (mut rest, mut start) = (codes, 0);
    for &end in ends {
        let (row, after) = rest.split_at_mut(end - start);
        rows.push(row);
        (rest, start) = (after, end);
    }
    for_pieces_mut(&mut rows, threads, |rows| rows.iter_mut().for_each(|row| row.sort_unstable()));
}
