//! Asks the complexity scorers.

use super::lender::{History, Lender};
use crate::observer::Phase;
use crate::plugin_set::WeightedScorer;
use crate::score_table::Scored;
use crate::{Result, SampleId};
use iterit_sdk::{Host, check};

/// What each scorer says of each sample, in the order of `ids`.
///
/// # Errors
/// A scorer's own, with its name; answers of the wrong number or that are no scores.
pub fn score(
    lender: Lender<'_>,
    history: History<'_>,
    scorers: &[WeightedScorer],
    ids: &[SampleId],
    epoch: Option<u32>,
) -> Result<Vec<Scored>> {
    lender.observer.begin(Phase::Scoring, epoch);
    let scored = scorers.iter().map(|scorer| ask(lender, history, scorer, ids)).collect();
    lender.observer.end(Phase::Scoring);
    scored
}

fn ask(
    lender: Lender<'_>,
    history: History<'_>,
    weighted: &WeightedScorer,
    ids: &[SampleId],
) -> Result<Scored> {
    let scorer = &weighted.scorer;
    let score = |host: &Host<'_>| scorer.plugin.score(host, ids);
    let scores = lender
        .lend(history, &scorer.name, ids.len(), score)
        .and_then(|scores| check::scores(ids, &scores).map(|()| scores))
        .map_err(scorer.failed("score"))?;
    Ok(Scored { scorer: scorer.name.clone(), weight: weighted.weight, scores })
}
