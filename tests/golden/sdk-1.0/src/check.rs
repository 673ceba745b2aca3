//! What the host may rely on in a plugin's answers. The adapters call these where an answer leaves
//! the plugin, so a fault is reported with the sample it concerns and never reaches the run.

use crate::{Action, Error, ErrorKind, Result, RunShape, SampleId, Score, Update};

/// One score an id; where eligible, finite and 0 or more.
///
/// ```
/// use iterit_sdk::{Score, check};
/// assert!(check::scores(&[7, 9], &[Score::eligible(0.5), Score::ineligible(f64::NAN)]).is_ok());
/// let error = check::scores(&[7], &[Score::eligible(f64::NAN)]).unwrap_err();
/// assert!(error.message().starts_with("the score of sample 7 is NaN, expected"));
/// ```
pub fn scores(ids: &[SampleId], scores: &[Score]) -> Result<()> {
    if scores.len() != ids.len() {
        return bad(format!("returned {} scores for {} samples", scores.len(), ids.len()));
    }
    match ids.iter().zip(scores).find(|(_, score)| score.eligible && !is_amount(score.value)) {
        None => Ok(()),
        Some((id, score)) => bad(format!(
            "the score of sample {id} is {}, expected a finite number of 0 or more\n\
             hint: return `Score::ineligible` where no score can be made",
            score.value
        )),
    }
}

/// A finite gain of 0 or more.
#[inline]
pub fn gain(id: SampleId, gain: f64) -> Result<()> {
    if is_amount(gain) { Ok(()) } else { bad_gain(id, gain) }
}

/// Gains of many candidates: `gains[k]` is that of `samples[candidates[k]]`.
#[inline]
pub fn gains(samples: &[SampleId], candidates: &[u32], gains: &[f64]) -> Result<()> {
    // One pass without a branch for the good ones, of which there are millions.
    if gains.iter().fold(true, |good, &gain| good & is_amount(gain)) {
        return Ok(());
    }
    candidates
        .iter()
        .zip(gains)
        .try_for_each(|(&candidate, &found)| gain(samples[candidate as usize], found))
}

#[cold]
fn bad_gain(id: SampleId, gain: f64) -> Result<()> {
    bad(format!("the gain of sample {id} is {gain}, expected a finite number of 0 or more"))
}

/// One number an epoch, none above the number of samples.
pub fn budgets(run: &RunShape, budgets: &[u64]) -> Result<()> {
    if budgets.len() != run.epochs as usize {
        return bad(format!("returned {} budgets for {} epochs", budgets.len(), run.epochs));
    }
    match budgets.iter().position(|&budget| budget > run.num_samples) {
        None => Ok(()),
        Some(epoch) => bad(format!(
            "the budget of epoch {epoch} is {}, there are {} samples",
            budgets[epoch], run.num_samples
        )),
    }
}

/// Ids that exist and occur once, and a budget that the samples can fill.
pub fn update(num_samples: u64, update: &Update) -> Result<()> {
    distinct("rescore", num_samples, &update.rescore)?;
    distinct("candidates", num_samples, &update.candidates)?;
    match update.action {
        Action::Pick { budget } if budget > num_samples => {
            bad(format!("asked to pick {budget} of {num_samples} samples"))
        }
        _ => Ok(()),
    }
}

fn distinct(list: &str, num_samples: u64, ids: &[SampleId]) -> Result<()> {
    let mut seen = vec![false; usize::try_from(num_samples).unwrap_or(usize::MAX)];
    for &id in ids {
        match seen.get_mut(id as usize) {
            None => {
                return bad(format!("`{list}` names sample {id}, there are {num_samples}"));
            }
            Some(true) => return bad(format!("`{list}` names sample {id} twice")),
            Some(unseen) => *unseen = true,
        }
    }
    Ok(())
}

/// NaN is in no range.
#[inline]
fn is_amount(value: f64) -> bool {
    (0.0..f64::INFINITY).contains(&value)
}

fn bad<T>(message: String) -> Result<T> {
    Err(Error::new(ErrorKind::BadOutput, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: RunShape = RunShape { num_samples: 3, epochs: 2, budget: 1 };

    fn fails<T: std::fmt::Debug>(result: Result<T>, expected: &str) {
        let error = result.expect_err(expected);
        assert_eq!(error.kind(), ErrorKind::BadOutput);
        assert_eq!(error.message().lines().next().unwrap(), expected);
    }

    #[test]
    fn names_the_sample_and_what_was_found() {
        fails(scores(&[4, 5], &[Score::eligible(1.0)]), "returned 1 scores for 2 samples");
        for (value, shown) in [(f64::INFINITY, "inf"), (-1.0, "-1"), (f64::NAN, "NaN")] {
            let expected =
                format!("the score of sample 5 is {shown}, expected a finite number of 0 or more");
            fails(scores(&[4, 5], &[Score::eligible(1.0), Score::eligible(value)]), &expected);
        }
        fails(
            gain(8, f64::NAN),
            "the gain of sample 8 is NaN, expected a finite number of 0 or more",
        );
        assert!(gain(8, 0.0).is_ok());
        fails(
            gains(&[7, 8], &[1, 0], &[f64::INFINITY, 1.0]),
            "the gain of sample 8 is inf, expected a finite number of 0 or more",
        );
        assert!(gains(&[7, 8], &[1, 0], &[0.0, 1.0]).is_ok());
    }

    #[test]
    fn holds_a_strategy_to_the_run() {
        let plan = |rescore: &[u64], candidates: &[u64], budget| Update {
            rescore: rescore.to_vec(),
            candidates: candidates.to_vec(),
            action: Action::Pick { budget },
        };
        assert!(update(3, &plan(&[2, 0], &[1], 3)).is_ok());
        fails(update(3, &plan(&[3], &[], 1)), "`rescore` names sample 3, there are 3");
        fails(update(3, &plan(&[], &[1, 1], 1)), "`candidates` names sample 1 twice");
        fails(update(3, &plan(&[], &[], 4)), "asked to pick 4 of 3 samples");
        assert!(budgets(&RUN, &[3, 0]).is_ok());
        fails(budgets(&RUN, &[3]), "returned 1 budgets for 2 epochs");
        fails(budgets(&RUN, &[1, 4]), "the budget of epoch 1 is 4, there are 3 samples");
    }
}
