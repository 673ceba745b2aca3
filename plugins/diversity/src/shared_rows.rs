//! What is left of a TF-IDF matrix to sum its rows by: of each row the columns that texts share, one after the other,
//! how many n-grams it has alone, and its norm. Nothing tells the lone ones apart any more.
//!
//! Rows lie in pieces, so that a matrix is taken apart from its end and both are never there at once.

use crate::tfidf::{Ngram, Tfidf};
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

    /// Σ_c tf(row, c) · values(c) / norm(row), what it has alone by its idf. A row without a term sums to 0.
    pub(crate) fn sum(&self, row: usize, values: &[f64]) -> f64 {
        let (row, columns) = self.row(row);
        if row.norm == 0.0 {
            return 0.0;
        }
        let shared = columns.iter().map(|&column| values[column as usize]).sum::<f64>();
        (shared + f64::from(row.alone) * self.alone_idf) / row.norm
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
        let (mut rows, mut columns) = (Vec::with_capacity(range.len() + 1), Vec::new());
        let start = |columns: &Vec<u32>| {
            u32::try_from(columns.len()).expect("fewer than 2^32 n-grams in a piece")
        };
        for row in range {
            let (start, mut alone) = (start(&columns), 0);
            for (ngram, count) in matrix.counts(row).into_iter().flatten() {
                match ngram {
                    Ngram::Shared(column) => columns.extend(std::iter::repeat_n(column, count)),
                    Ngram::Alone(_) => alone += count as u32,
                }
            }
            rows.push(Row { start, alone, norm: matrix.norm(row) });
        }
        rows.push(Row { start: start(&columns), alone: 0, norm: 0.0 });
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
