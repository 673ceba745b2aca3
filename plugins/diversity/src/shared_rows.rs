//! What is left of a TF-IDF matrix to sum its rows by: of each row the columns that texts share, one after the other,
//! how many n-grams it has alone, and its norm. Nothing tells the lone ones apart any more.
//!
//! Rows lie in pieces, so that a matrix is taken apart from its end and both are never there at once.

use crate::tfidf::Tfidf;
use std::ops::Range;

/// Rows of a piece.
const PIECE: usize = 1 << 16;

/// Rows of columns.
#[derive(Debug, Default)]
pub(crate) struct SharedRows {
    pieces: Vec<Piece>,
    len: usize,
    /// What each n-gram adds that one row alone holds.
    alone_idf: f64,
}

#[derive(Debug)]
struct Piece {
    rows: Vec<Row>,
    /// A column stands there as often as its n-gram occurs.
    columns: Vec<u32>,
}

/// Its columns end where the next row's start; a last one with nothing in it stands behind all.
#[derive(Debug)]
struct Row {
    start: u32,
    alone: u32,
    /// Infinite where the row adds nothing: of one without a term, and of one that was taken.
    norm: f64,
}

impl SharedRows {
    /// Takes a matrix apart; the idf of its columns as well.
    pub(crate) fn of(mut matrix: Tfidf) -> (Self, Vec<f64>) {
        let len = matrix.num_rows();
        let starts = (0..len).step_by(PIECE).rev();
        let mut pieces: Vec<Piece> = starts
            .map(|start| {
                let piece = Piece::of(&matrix, start..matrix.num_rows());
                matrix.truncate(start);
                piece
            })
            .collect();
        pieces.reverse();
        let alone_idf = matrix.alone_idf();
        (Self { pieces, len, alone_idf }, matrix.into_idf())
    }

    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Σ_c tf(row, c) · values(c) / norm(row), what it has alone by its idf. A row without a term sums to 0, as does
    /// one that was taken.
    pub(crate) fn sum(&self, row: usize, values: &[f64]) -> f64 {
        let (row, columns) = self.row(row);
        let alone = f64::from(row.alone) * self.alone_idf;
        columns.iter().fold(alone, |sum, &column| sum + values[column as usize]) / row.norm
    }

    /// Takes a row: it sums to 0 from now on.
    pub(crate) fn take(&mut self, row: usize) {
        self.pieces[row / PIECE].rows[row % PIECE].norm = f64::INFINITY;
    }

    /// The columns of a row, each once. // ascending
    pub(crate) fn columns(&self, row: usize) -> impl Iterator<Item = usize> {
        self.row(row).1.chunk_by(u32::eq).map(|run| run[0] as usize)
    }

    fn row(&self, row: usize) -> (&Row, &[u32]) {
        let Piece { rows, columns } = &self.pieces[row / PIECE];
        let [row, next] = &rows[row % PIECE..][..2] else { unreachable!("one stands behind all") };
        (row, &columns[row.start as usize..next.start as usize])
    }
}

impl Piece {
    fn of(matrix: &Tfidf, range: Range<usize>) -> Self {
        // All that there could be: memory that is not touched costs nothing, and the rest is given back.
        let most = matrix.num_codes(range.clone());
        let (mut rows, mut columns) =
            (Vec::with_capacity(range.len() + 1), Vec::with_capacity(most));
        let start = |columns: &Vec<u32>| {
            u32::try_from(columns.len()).expect("fewer than 2^32 n-grams in a piece")
        };
        for row in range {
            let (start, mut alone) = (start(&columns), 0);
            for [shared, lone] in matrix.split(row) {
                columns.extend_from_slice(shared);
                alone += lone.len() as u32;
            }
            let norm = Some(matrix.norm(row)).filter(|norm| *norm > 0.0).unwrap_or(f64::INFINITY);
            rows.push(Row { start, alone, norm });
        }
        rows.push(Row { start: start(&columns), alone: 0, norm: f64::INFINITY });
        columns.shrink_to_fit();
        Self { rows, columns }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts::NumberedTexts;

    #[test]
    fn rows_of_all_pieces_sum_to_what_the_matrix_has() {
        let text = |at: usize| match at % 7 {
            0 => String::new(),
            kind => format!("aa bb{kind} cc aa bb{kind} number{at}"),
        };
        let texts: Vec<String> = (0..2 * PIECE + 3).map(text).collect();
        let fit = || {
            let mut numbered = NumberedTexts::default();
            numbered.push(&texts, 2);
            Tfidf::fit(numbered, 2)
        };
        let matrix = fit();
        let (rows, idf) = SharedRows::of(fit());
        assert_eq!((rows.len(), idf.as_slice()), (texts.len(), matrix.idf()));
        for row in [0, 1, 5, PIECE - 1, PIECE, 2 * PIECE - 1, 2 * PIECE, 2 * PIECE + 2] {
            let weight = |(ngram, count)| matrix.weight(row, ngram, count);
            let expected: f64 = matrix.counts(row).into_iter().flatten().map(weight).sum();
            assert!((rows.sum(row, &idf) - expected).abs() < 1e-12, "{row}");
            let columns: Vec<usize> = rows.columns(row).collect();
            assert!(columns.is_sorted_by(|a, b| a < b), "{row}");
        }
    }
}
