//! The latest score of every sample, and the epoch it was made at, so that staleness is visible.
//!
//! Several complexity scorers multiply: Π scoreᵂ, and a sample is eligible where all say so.

use crate::record::ScoreLine;
use crate::{SampleId, Score};
use iterit_sdk::ScoreRow;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What one scorer said of the samples it was asked about.
#[derive(Debug, Clone)]
pub struct Scored {
    /// The scorer's name.
    pub scorer: String,
    /// The exponent of its value in the product.
    pub weight: f64,
    /// One score a sample, in the order asked.
    pub scores: Vec<Score>,
}

/// Scores by sample, and by epoch in the order they were made.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ScoreTable {
    /// By epoch, the lines made at it.
    epochs: Vec<Vec<ScoreLine>>,
    /// By sample, where its latest line lies: (epoch, index).
    latest: BTreeMap<SampleId, (u32, u32)>,
}

impl ScoreTable {
    /// Takes the scores made at an epoch. `scored` holds what each scorer said of `ids`.
    pub fn update(&mut self, epoch: u32, ids: &[SampleId], scored: &[Scored]) {
        let lines = ids
            .iter()
            .enumerate()
            .map(|(row, &id)| combine(id, epoch, scored, row))
            .collect::<Vec<_>>();
        self.insert(epoch, lines);
    }

    /// Takes lines as they stand in a `scores.jsonl`.
    pub fn insert(&mut self, epoch: u32, lines: Vec<ScoreLine>) {
        let needed = epoch as usize + 1;
        if self.epochs.len() < needed {
            self.epochs.resize_with(needed, Vec::new);
        }
        for (index, line) in lines.iter().enumerate() {
            self.latest.insert(line.id, (epoch, index as u32));
        }
        self.epochs[epoch as usize] = lines;
    }

    /// The latest line of a sample.
    pub fn latest(&self, id: SampleId) -> Option<&ScoreLine> {
        let &(epoch, index) = self.latest.get(&id)?;
        self.epochs.get(epoch as usize)?.get(index as usize)
    }

    /// Every scored sample's latest line, by ascending id.
    pub fn iter(&self) -> impl Iterator<Item = &ScoreLine> {
        self.latest.keys().filter_map(|&id| self.latest(id))
    }

    /// The lines made at one epoch, in scoring order.
    pub fn at(&self, epoch: u32) -> &[ScoreLine] {
        self.epochs.get(epoch as usize).map_or(&[], Vec::as_slice)
    }

    /// `epochs/E/scores.jsonl`: this epoch's lines first, in scoring order, then the other
    /// samples' latest, by ascending id.
    pub fn lines_for(&self, epoch: u32) -> Vec<&ScoreLine> {
        let fresh = self.at(epoch);
        let stale = self.iter().filter(|line| line.scored_at != epoch);
        fresh.iter().chain(stale).collect()
    }

    /// Whether nothing was scored yet.
    pub fn is_empty(&self) -> bool {
        self.latest.is_empty()
    }
}

/// A line as plugins see it.
pub fn row(line: &ScoreLine) -> ScoreRow {
    ScoreRow {
        id: line.id,
        value: line.value(),
        eligible: line.eligible,
        scored_at: line.scored_at,
    }
}

fn combine(id: SampleId, epoch: u32, scored: &[Scored], row: usize) -> ScoreLine {
    let value = product(scored.iter().map(|scorer| (scorer.scores[row].value, scorer.weight)));
    let eligible = scored.iter().all(|scorer| scorer.scores[row].eligible);
    let parts = scored
        .iter()
        .filter(|scorer| scored.len() > 1 || !scorer.scores[row].parts.is_empty())
        .map(|scorer| (scorer.scorer.clone(), parts(&scorer.scores[row], scored.len())))
        .collect();
    ScoreLine {
        id,
        score: ScoreLine::number(value),
        eligible,
        scored_at: epoch,
        texts: None,
        parts,
    }
}

/// Π valueᵂ; 1 of nothing.
fn product(values: impl Iterator<Item = (f64, f64)>) -> f64 {
    values.map(|(value, weight)| if weight == 1.0 { value } else { value.powf(weight) }).product()
}

/// Where several scorers multiply, each one's own value is part of the record.
fn parts(score: &Score, num_scorers: usize) -> BTreeMap<String, Option<f64>> {
    let own = (num_scorers > 1).then(|| ("score".to_owned(), ScoreLine::number(score.value)));
    let named = score.parts.iter().map(|(name, part)| (name.to_string(), ScoreLine::number(*part)));
    own.into_iter().chain(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(scorer: &str, weight: f64, scores: Vec<Score>) -> Scored {
        Scored { scorer: scorer.into(), weight, scores }
    }

    #[test]
    fn scorers_multiply_and_all_must_agree() {
        let mut table = ScoreTable::default();
        let ifd = scored("ifd", 1.0, vec![Score::eligible(0.5), Score::ineligible(1.5)]);
        let length = scored("length", 2.0, vec![Score::eligible(3.0), Score::eligible(2.0)]);
        table.update(0, &[4, 9], &[ifd, length]);
        let four = table.latest(4).unwrap();
        assert_eq!((four.score, four.eligible), (Some(4.5), true));
        assert_eq!(four.parts["length"]["score"], Some(3.0));
        assert!(!table.latest(9).unwrap().eligible);
    }

    #[test]
    fn this_epochs_lines_come_first_in_scoring_order() {
        let mut table = ScoreTable::default();
        let ones = |n: usize| vec![scored("ifd", 1.0, vec![Score::eligible(1.0); n])];
        table.update(0, &[0, 1, 2, 3], &ones(4));
        table.update(1, &[3, 1], &ones(2));
        let order: Vec<_> =
            table.lines_for(1).iter().map(|line| (line.id, line.scored_at)).collect();
        assert_eq!(order, [(3, 1), (1, 1), (0, 0), (2, 0)]);
    }

    #[test]
    fn a_score_that_is_no_number_is_null() {
        let mut table = ScoreTable::default();
        table.update(0, &[7], &[scored("ifd", 1.0, vec![Score::ineligible(f64::NAN)])]);
        let json = serde_json::to_string(table.latest(7).unwrap()).unwrap();
        assert_eq!(json, r#"{"id":7,"score":null,"eligible":false,"scored_at":0}"#);
    }
}
