//! What the trainer relies on in a diversity scorer.

use super::{
    FakeHost,
    subject::{Subject, suite},
    verdict::{Check, Outcome, Succeeds, ensure, fails},
};
use crate::{DiversityScorer, ErrorKind, Host, Result, SampleId, Service, Services};

type Scorer = Subject<dyn DiversityScorer>;

suite!(DiversityScorer, CHECKS);

const CHECKS: &[Check<Scorer>] = &[
    ("gives each candidate a gain", gives_each_candidate_a_gain),
    ("gives the same gains again", gives_the_same_gains_again),
    ("gives one gain as it gives many", gives_one_gain_as_many),
    ("never raises a gain if it says so", never_raises_a_gain_if_it_says_so),
    ("forgets earlier picks at begin", forgets_earlier_picks),
    ("asks only for its candidates", asks_only_for_its_candidates),
    ("passes errors of the host on", passes_errors_on),
    ("stops when cancelled", stops_when_cancelled),
    ("refuses unknown options", Scorer::refuses_unknown_options),
    ("reads its own defaults", Scorer::reads_its_own_defaults),
    ("goes on after a restore", goes_on_after_a_restore),
];

/// In no order, with the empty response and a repeated one among them.
const IDS: [SampleId; 12] = [3, 15, 1, 44, 9, 13, 26, 14, 5, 31, 30, 60];
const PICKS: [usize; 5] = [2, 7, 0, 11, 5];

fn begin(scorer: &mut dyn DiversityScorer, host: &FakeHost, candidates: &[SampleId]) -> Result<()> {
    scorer.begin(&Host::new(host), candidates)
}

/// A scorer that has begun with the candidates.
fn begun(subject: &Scorer) -> std::result::Result<Box<dyn DiversityScorer>, String> {
    let mut scorer = subject.make()?;
    begin(&mut *scorer, &subject.host(1), &IDS).succeeds("begin")?;
    Ok(scorer)
}

fn gains(scorer: &dyn DiversityScorer) -> std::result::Result<Vec<f64>, String> {
    let candidates: Vec<u32> = (0..IDS.len() as u32).collect();
    let mut gains = vec![f64::NAN; IDS.len()];
    scorer.gains(&candidates, &mut gains).succeeds("gains")?;
    Ok(gains)
}

/// The gains at the start and after each pick.
fn course(scorer: &mut dyn DiversityScorer) -> std::result::Result<Vec<Vec<f64>>, String> {
    let mut course = vec![gains(scorer)?];
    for pick in PICKS {
        scorer.pick(pick).succeeds("pick")?;
        course.push(gains(scorer)?);
    }
    Ok(course)
}

fn gives_each_candidate_a_gain(subject: &Scorer) -> Outcome {
    course(&mut *begun(subject)?)?;
    let mut scorer = subject.make()?;
    begin(&mut *scorer, &subject.host(1), &[]).succeeds("begin with no candidate")?;
    scorer.gains(&[], &mut []).succeeds("gains of no candidate")
}

fn gives_the_same_gains_again(subject: &Scorer) -> Outcome {
    same(&course(&mut *begun(subject)?)?, &course(&mut *begun(subject)?)?)
}

fn gives_one_gain_as_many(subject: &Scorer) -> Outcome {
    let mut scorer = begun(subject)?;
    for pick in PICKS {
        for (candidate, many) in gains(&*scorer)?.into_iter().enumerate() {
            let one = scorer.gain(candidate).succeeds("gain")?;
            ensure(one == many, || {
                format!("candidate {candidate}: `gain` gives {one}, `gains` {many}")
            })?;
        }
        scorer.pick(pick).succeeds("pick")?;
    }
    // A batch may name candidates in any order.
    let (mut backwards, forwards) = (vec![f64::NAN; IDS.len()], gains(&*scorer)?);
    let candidates: Vec<u32> = (0..IDS.len() as u32).rev().collect();
    scorer.gains(&candidates, &mut backwards).succeeds("gains")?;
    backwards.reverse();
    same(&[backwards], &[forwards])
}

fn never_raises_a_gain_if_it_says_so(subject: &Scorer) -> Outcome {
    let mut scorer = begun(subject)?;
    if !scorer.gains_never_rise() {
        return Ok(());
    }
    for pair in course(&mut *scorer)?.windows(2) {
        for (candidate, (before, after)) in pair[0].iter().zip(&pair[1]).enumerate() {
            ensure(after <= before, || {
                format!("a pick raised the gain of candidate {candidate} from {before} to {after}")
            })?;
        }
    }
    Ok(())
}

fn forgets_earlier_picks(subject: &Scorer) -> Outcome {
    let mut scorer = begun(subject)?;
    let first = course(&mut *scorer)?;
    begin(&mut *scorer, &subject.host(1), &IDS).succeeds("begin again")?;
    same(&course(&mut *scorer)?, &first)
}

fn asks_only_for_its_candidates(subject: &Scorer) -> Outcome {
    let host = subject.host(1);
    begin(&mut *subject.make()?, &host, &IDS).succeeds("begin")?;
    let target =
        |id: &SampleId| subject.declares(Service::TargetSamples) && *id >= host.num_samples();
    let mut strangers = host.asked();
    strangers.retain(|id| !(IDS.contains(id) || target(id)));
    ensure(strangers.is_empty(), || format!("asked for samples {strangers:?} as well"))
}

fn passes_errors_on(subject: &Scorer) -> Outcome {
    let host = subject.host(1);
    begin(&mut *subject.make()?, &host, &IDS).succeeds("begin")?;
    for call in 0..host.calls() {
        let failing = subject.host(1).failing_after(call);
        let result = begin(&mut *subject.make()?, &failing, &IDS);
        let error = fails(result, "a service failed and `begin` did not: use `?`")?;
        ensure(error.kind() == ErrorKind::Host, || {
            format!("a service failed and `begin` said instead: {error}")
        })?;
    }
    Ok(())
}

fn stops_when_cancelled(subject: &Scorer) -> Outcome {
    let host = subject.host(1);
    begin(&mut *subject.make()?, &host, &IDS).succeeds("begin")?;
    for call in 0..host.calls() {
        let cancelled = subject.host(1).cancelled_after(call);
        let result = begin(&mut *subject.make()?, &cancelled, &IDS);
        let error = fails(result, "the run was cancelled and `begin` went on")?;
        ensure(error.is_cancelled(), || {
            format!("the run was cancelled and `begin` said instead: {error}")
        })?;
    }
    Ok(())
}

fn goes_on_after_a_restore(subject: &Scorer) -> Outcome {
    let (mut scorer, mut resumed) = (begun(subject)?, subject.make()?);
    course(&mut *scorer)?;
    let state = scorer.save().succeeds("save")?;
    resumed.restore(&state).succeeds("restore")?;
    begin(&mut *scorer, &subject.host(2), &IDS).succeeds("begin")?;
    begin(&mut *resumed, &subject.host(2), &IDS).succeeds("begin after restore")?;
    same(&course(&mut *resumed)?, &course(&mut *scorer)?)
}

fn same(found: &[Vec<f64>], expected: &[Vec<f64>]) -> Outcome {
    for (picks, (found, expected)) in found.iter().zip(expected).enumerate() {
        for (candidate, (found, expected)) in found.iter().zip(expected).enumerate() {
            ensure(found == expected, || {
                format!("after {picks} picks candidate {candidate} gained {expected}, then {found}")
            })?;
        }
    }
    Ok(())
}
