//! The score table as it stood at every epoch, rebuilt from the records: a line replaces what was
//! known of its sample, and what is not rescored stays.

use crate::SampleId;
use crate::record::RunRecord;

/// One sample's score at one epoch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cell {
    /// The latest score; NaN where none could be computed.
    pub score: f64,
    /// Whether it could be picked.
    pub eligible: bool,
    /// The epoch the score was made at.
    pub scored_at: u32,
}

/// All scores of a run, by epoch and sample.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct History {
    tables: Vec<Vec<Option<Cell>>>,
}

impl History {
    /// Follows the scores through the epochs.
    pub fn new(record: &RunRecord) -> Self {
        let num_samples = record.manifest.num_samples as usize;
        let mut current: Vec<Option<Cell>> = vec![None; num_samples];
        let mut tables = Vec::with_capacity(record.scores.len());
        for lines in &record.scores {
            for line in lines {
                let cell = Cell {
                    score: line.value(),
                    eligible: line.eligible,
                    scored_at: line.scored_at,
                };
                if let Some(place) = current.get_mut(line.id as usize) {
                    *place = Some(cell);
                }
            }
            tables.push(current.clone());
        }
        Self { tables }
    }

    /// Epochs with a table.
    pub fn epochs(&self) -> usize {
        self.tables.len()
    }

    /// The table that an epoch picked from, by sample.
    pub fn table(&self, epoch: usize) -> &[Option<Cell>] {
        self.tables.get(epoch).map_or(&[], Vec::as_slice)
    }

    /// What was known of a sample at an epoch.
    pub fn cell(&self, epoch: usize, id: SampleId) -> Option<Cell> {
        self.table(epoch).get(id as usize).copied().flatten()
    }

    /// Samples scored for this very epoch, with finite scores, in order of their ids.
    pub fn fresh(&self, epoch: usize) -> impl Iterator<Item = (SampleId, Cell)> + '_ {
        self.table(epoch)
            .iter()
            .enumerate()
            .filter_map(|(id, cell)| cell.map(|cell| (id as SampleId, cell)))
            .filter(move |(_, cell)| cell.scored_at as usize == epoch && cell.score.is_finite())
    }

    /// Eligible samples by falling score, the lowest id first among equals.
    pub fn ranking(&self, epoch: usize) -> Vec<SampleId> {
        let mut eligible: Vec<(f64, SampleId)> = self
            .table(epoch)
            .iter()
            .enumerate()
            .filter_map(|(id, cell)| cell.map(|cell| (cell, id as SampleId)))
            .filter(|(cell, _)| cell.eligible && cell.score.is_finite())
            .map(|(cell, id)| (cell.score, id))
            .collect();
        eligible.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        eligible.into_iter().map(|(_, id)| id).collect()
    }
}
