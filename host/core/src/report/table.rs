//! A table of text, for Markdown and for the terminal. Cells are user text until they are written.

use super::escape;
use std::fmt::Write;

/// Where a column's cells stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    /// Words.
    Left,
    /// Figures.
    Right,
}

/// Columns with names, and rows of as many cells.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows; the first column is words, the others are figures.
    pub(crate) fn new(columns: &[&'static str]) -> Self {
        let align = |at| if at == 0 { Align::Left } else { Align::Right };
        let columns = columns.iter().enumerate().map(|(at, &name)| (name, align(at))).collect();
        Self { columns, rows: Vec::new() }
    }

    /// The same table with a column of words.
    pub(crate) fn with_words(mut self, column: usize) -> Self {
        self.columns[column].1 = Align::Left;
        self
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, row: Vec<String>) {
        assert_eq!(row.len(), self.columns.len(), "a cell for every column");
        self.rows.push(row);
    }

    /// A Markdown table.
    pub(crate) fn markdown(&self) -> String {
        let mut out = String::new();
        let names: Vec<&str> = self.columns.iter().map(|column| column.0).collect();
        let rules: Vec<&str> = self
            .columns
            .iter()
            .map(|column| if column.1 == Align::Right { "---:" } else { "---" })
            .collect();
        let _ = writeln!(out, "| {} |\n| {} |", names.join(" | "), rules.join(" | "));
        for row in &self.rows {
            let cells: Vec<String> = row.iter().map(|cell| escape::markdown(cell)).collect();
            let _ = writeln!(out, "| {} |", cells.join(" | "));
        }
        out
    }

    /// Columns of spaces, as wide as their widest cell.
    pub(crate) fn terminal(&self) -> String {
        let rows: Vec<Vec<String>> =
            std::iter::once(self.columns.iter().map(|column| column.0.to_owned()).collect())
                .chain(
                    self.rows
                        .iter()
                        .map(|row| row.iter().map(|cell| escape::terminal(cell)).collect()),
                )
                .collect();
        let widest = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.columns.len()).map(widest).collect();
        let mut out = String::new();
        for row in &rows {
            let mut line = String::new();
            for ((cell, (_, align)), width) in row.iter().zip(&self.columns).zip(&widths) {
                let _ = match align {
                    Align::Left => write!(line, "{cell:<width$}  "),
                    Align::Right => write!(line, "{cell:>width$}  "),
                };
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_aligned_and_harmless() {
        let mut table = Table::new(&["arm", "loss"]);
        table.push(vec!["a|b\u{1b}[2J".into(), "1.5".into()]);
        table.push(vec!["é".into(), "12.25".into()]);
        assert_eq!(
            table.markdown(),
            "| arm | loss |\n| --- | ---: |\n| a\\|b \\[2J | 1.5 |\n| é | 12.25 |\n"
        );
        assert_eq!(
            table.terminal(),
            "arm            loss\na|b\\u{1b}[2J    1.5\né             12.25\n"
        );
    }
}
