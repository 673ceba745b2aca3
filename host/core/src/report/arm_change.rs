//! How an arm's picks and scores moved from epoch to epoch, for the page of a comparison.

use super::run_charts::{ScoreHistogram, score_histograms};
use crate::observe::History;
use crate::observe::drift::{Drift, drifts};
use crate::observe::overlap::{Agreement, agreement};
use crate::record::RunRecord;
use serde::Serialize;

/// One arm's first seed.
#[derive(Debug, Serialize)]
pub(crate) struct ArmChange<'a> {
    name: &'a str,
    rows: Vec<ChangeRow>,
    histograms: Vec<ScoreHistogram>,
}

/// One epoch beside the one before.
#[derive(Debug, Serialize)]
struct ChangeRow {
    epoch: u32,
    picked: u64,
    picks: Agreement,
    drift: Option<Drift>,
}

/// What there is to say of a run, if it is of several epochs.
pub(crate) fn arm_change<'a>(name: &'a str, record: &RunRecord) -> Option<ArmChange<'a>> {
    let history = History::new(record);
    let mut drifts = drifts(&history, record.manifest.budget);
    let rows: Vec<ChangeRow> = record
        .selections
        .windows(2)
        .map(|pair| ChangeRow {
            epoch: pair[1].epoch,
            picked: pair[1].selected.len() as u64,
            picks: agreement(&pair[0].selected, &pair[1].selected),
            drift: drifts
                .iter()
                .position(|drift| drift.epoch == pair[1].epoch)
                .map(|at| drifts.swap_remove(at)),
        })
        .collect();
    let histograms = score_histograms(record, &history);
    (!rows.is_empty()).then_some(ArmChange { name, rows, histograms })
}
