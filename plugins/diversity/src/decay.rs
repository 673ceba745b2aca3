//! What a text adds to the ones already picked: IterIT's diversity (arXiv 2412.17365).
//!
//! Every n-gram has a weight, 1 at first. The gain of a text is its TF-IDF row's sum, each entry
//! times its n-gram's weight; a pick multiplies the weight of every n-gram it holds by the decay:
//!
//! ```text
//! gain(i) = Σ_c tfidf(i, c) · weight(c)          pick(i): weight(c) ← decay · weight(c) for c in i
//! ```

use crate::shared_rows::SharedRows;
use crate::tfidf::Tfidf;

/// TF-IDF rows whose entries fade as rows that share them are picked.
#[derive(Debug, Default)]
pub struct DecayedRows {
    rows: SharedRows,
    decay: f64,
    /// idf(c) · weight(c) of what texts share; nothing fades what a text has alone but its own pick.
    weighted_idf: Vec<f64>,
}

impl DecayedRows {
    /// Nothing picked yet.
    pub fn new(matrix: Tfidf, decay: f64) -> Self {
        let (rows, weighted_idf) = SharedRows::of(matrix);
        Self { rows, decay, weighted_idf }
    }

    /// How many rows there are, picked or not.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.len() == 0
    }

    /// What a row would add now; 0 once it is picked.
    pub fn gain(&self, row: usize) -> f64 {
        self.rows.sum(row, &self.weighted_idf)
    }

    /// Takes a row: it adds nothing more, and its n-grams add less elsewhere.
    pub fn pick(&mut self, row: usize) {
        self.rows.take(row);
        for column in self.rows.columns(row) {
            self.weighted_idf[column] *= self.decay;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts::NumberedTexts;

    fn rows(texts: &[&str], decay: f64) -> DecayedRows {
        let mut terms = NumberedTexts::default();
        terms.push(&texts.iter().map(ToString::to_string).collect::<Vec<_>>(), 1);
        DecayedRows::new(Tfidf::fit(terms, 1), decay)
    }

    #[test]
    fn a_pick_fades_what_it_shares_and_nothing_else() {
        let mut rows = rows(&["aa bb", "aa bb", "cc dd", ""], 0.1);
        let before: Vec<f64> = (0..4).map(|row| rows.gain(row)).collect();
        assert_eq!(before[0], before[1]);
        rows.pick(0);
        assert_eq!(rows.gain(0), 0.0);
        assert!((rows.gain(1) - 0.1 * before[1]).abs() < 1e-15);
        assert_eq!(rows.gain(2), before[2]);
        assert_eq!(rows.gain(3), 0.0); // a text without a word adds nothing
    }

    #[test]
    fn a_decay_of_one_only_removes_the_pick() {
        let mut rows = rows(&["aa bb", "aa bb"], 1.0);
        let before = rows.gain(1);
        rows.pick(0);
        assert_eq!((rows.gain(0), rows.gain(1)), (0.0, before));
    }
}
