//! Why a sample was picked at an epoch, or why not.

use super::history::History;
use crate::SampleId;
use crate::record::RunRecord;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What became of one sample at one epoch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Why {
    /// The epoch.
    pub epoch: u32,
    /// Its latest score; none without one.
    pub score: Option<f64>,
    /// The epoch that score was made at.
    pub scored_at: Option<u32>,
    /// Its place among the eligible by score, from 1; none where it is not eligible.
    pub rank: Option<u64>,
    /// Eligible samples at that epoch.
    pub eligible: u64,
    /// What became of it.
    pub fate: Fate,
}

/// Picked, or the reason why not.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Picked.
    Picked {
        /// Its place in the pick, from 1.
        place: u64,
        /// complexity × gain at the pick.
        value: Option<f64>,
        /// The diversity gain at the pick.
        gain: Option<f64>,
    },
    /// It has no score.
    NotScored,
    /// Its score, or what could not be computed, rules it out.
    NotEligible,
    /// Eligible by an older score, but outside the pool that was scored for this epoch.
    OutsidePool,
    /// Eligible, and others had a higher value.
    Outbid {
        /// The value of the last pick.
        last_value: Option<f64>,
    },
}

/// Follows one sample through the epochs of a run.
pub fn why(record: &RunRecord, history: &History, id: SampleId) -> Vec<Why> {
    record
        .selections
        .iter()
        .enumerate()
        .map(|(epoch, selection)| {
            let cell = history.cell(epoch, id);
            let ranking = history.ranking(epoch);
            let rescoring = history.fresh(epoch).next().is_some();
            let place = selection.selected.iter().position(|&picked| picked == id);
            let fate = match (place, cell) {
                (Some(place), _) => Fate::Picked {
                    place: place as u64 + 1,
                    value: selection.values.get(place).copied(),
                    gain: selection.gains.get(place).copied(),
                },
                (None, None) => Fate::NotScored,
                (None, Some(cell)) if !cell.eligible => Fate::NotEligible,
                (None, Some(cell)) if rescoring && cell.scored_at as usize != epoch => {
                    Fate::OutsidePool
                }
                _ => Fate::Outbid { last_value: selection.values.last().copied() },
            };
            Why {
                epoch: selection.epoch,
                score: cell.map(|cell| cell.score).filter(|score| score.is_finite()),
                scored_at: cell.map(|cell| cell.scored_at),
                rank: ranking.iter().position(|&ranked| ranked == id).map(|at| at as u64 + 1),
                eligible: ranking.len() as u64,
                fate,
            }
        })
        .collect()
}

impl fmt::Display for Why {
    /// One sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "epoch {}: ", self.epoch)?;
        match self.fate {
            Fate::Picked { place, value, gain } => {
                write!(f, "picked, number {place}")?;
                if let (Some(score), Some(gain), Some(value)) = (self.score, gain, value) {
                    write!(f, ": score {score:.4} × gain {gain:.4} = {value:.4}")?;
                }
            }
            Fate::NotScored => write!(f, "not picked: it has no score")?,
            Fate::NotEligible => match self.score {
                Some(score) => write!(f, "not picked: its score {score:.4} is not eligible")?,
                None => write!(f, "not picked: no score could be computed for it")?,
            },
            Fate::OutsidePool => {
                write!(f, "not picked: it was outside the pool scored for this epoch")?;
            }
            Fate::Outbid { last_value } => {
                write!(f, "not picked: others had a higher value")?;
                if let Some(last) = last_value {
                    write!(f, ", down to {last:.4}")?;
                }
            }
        }
        if let Some(rank) = self.rank {
            write!(f, "; {rank} of {} by score alone", self.eligible)?;
        }
        match self.scored_at {
            Some(scored_at) if scored_at != self.epoch => {
                write!(f, " (score of epoch {scored_at})")
            }
            _ => Ok(()),
        }
    }
}
