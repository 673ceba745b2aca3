//! Asks the diversity scorer, pick by pick.

use super::lender::{History, Lender};
use crate::greedy::{self, Budget, Candidate, PickError, Picks, Ties};
use crate::observer::Phase;
use crate::plugin_set::Named;
use crate::{Error, Result, SampleId};
use iterit_sdk::{DiversityScorer, Host, LogLevel};

/// The greedy choice of the candidates that the budget allows; without a diversity scorer every gain is 1.
///
/// # Errors
/// The scorer's own, with its name; gains that are no gains; [`Error::Cancelled`].
pub fn pick(
    lender: Lender<'_>,
    history: History<'_>,
    diversity: Option<&mut Named<dyn DiversityScorer>>,
    candidates: &[Candidate],
    budget: Budget<'_>,
    ties: Ties,
    epoch: Option<u32>,
) -> Result<Picks> {
    let Some(diversity) = diversity else {
        return Ok(greedy::pick_by_complexity(budget, candidates));
    };
    lender.observer.begin(Phase::Picking, epoch);
    let picks = ask(lender, history, diversity, candidates, budget, ties);
    lender.observer.end(Phase::Picking);
    let picks = picks?;
    if let Some(told) = of_no_gain(&picks, ties) {
        let told = epoch.map_or(told.clone(), |epoch| format!("epoch {epoch}: {told}"));
        lender.observer.say(LogLevel::Warn, "", &told);
    }
    Ok(picks)
}

/// What to say of picks that add nothing to those before them.
fn of_no_gain(picks: &Picks, ties: Ties) -> Option<String> {
    let num = picks.gains.iter().filter(|&&gain| gain == 0.0).count();
    let by = match ties {
        Ties::Complexity => "their complexity scores, then the order of the data",
        Ties::Input => "the order of the data",
    };
    (num > 0).then(|| {
        format!(
            "{num} of {} picks have a diversity gain of 0, so {by} decided between them",
            picks.gains.len()
        )
    })
}

fn ask(
    lender: Lender<'_>,
    history: History<'_>,
    diversity: &mut Named<dyn DiversityScorer>,
    candidates: &[Candidate],
    budget: Budget<'_>,
    ties: Ties,
) -> Result<Picks> {
    let failed = diversity.failed("begin");
    let ids: Vec<SampleId> = candidates.iter().map(|candidate| candidate.id).collect();
    let begin = |host: &Host<'_>| diversity.plugin.begin(host, &ids);
    lender.lend(history, &diversity.name, ids.len(), begin).map_err(failed)?;

    let total = match budget {
        Budget::Samples(most) => most.min(candidates.len()) as u64,
        Budget::Tokens { .. } => candidates.len() as u64,
    };
    let mut proceed = |picked: usize| {
        lender.observer.progress(picked as u64, total);
        if lender.observer.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    };
    let picks = greedy::pick(budget, ties, candidates, diversity.plugin.as_mut(), &mut proceed);
    picks.map_err(|error| match error {
        PickError::Host(error) => error,
        PickError::Diversity(call, error) => diversity.failed(call)(error),
    })
}
