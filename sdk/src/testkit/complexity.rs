//! What the trainer relies on in a complexity scorer.

use super::{
    FakeHost,
    subject::{Subject, suite},
    verdict::{Check, Outcome, Succeeds, ensure, fails},
};
use crate::{ComplexityScorer, ErrorKind, Host, Result, SampleId, Score, Service, Services};
use std::thread;

type Scorer = Subject<dyn ComplexityScorer>;

suite!(ComplexityScorer, CHECKS);

const CHECKS: &[Check<Scorer>] = &[
    ("returns one score a sample", returns_one_score_a_sample),
    ("lets some sample be picked", lets_some_sample_be_picked),
    ("gives the same scores again", gives_the_same_scores_again),
    ("scores a sample alike in any company", scores_alike_in_any_company),
    ("follows the current model", follows_the_current_model),
    ("asks only for its samples", asks_only_for_its_samples),
    ("passes errors of the host on", passes_errors_on),
    ("stops when cancelled", stops_when_cancelled),
    ("reports progress forwards", reports_progress_forwards),
    ("can be called in parallel", can_be_called_in_parallel),
    ("refuses unknown options", Scorer::refuses_unknown_options),
    ("reads its own defaults", Scorer::reads_its_own_defaults),
    ("goes on after a restore", goes_on_after_a_restore),
];

/// In no order, with the empty response among them.
const IDS: [SampleId; 9] = [3, 1, 44, 15, 9, 13, 26, 5, 14];

fn score(scorer: &dyn ComplexityScorer, host: &FakeHost, ids: &[SampleId]) -> Result<Vec<Score>> {
    scorer.score(&Host::new(host), ids)
}

fn returns_one_score_a_sample(subject: &Scorer) -> Outcome {
    let (scorer, host) = (subject.make()?, subject.host(1));
    score(&*scorer, &host, &IDS).succeeds("score")?;
    score(&*scorer, &host, &[]).succeeds("score of no sample")?;
    Ok(())
}

fn lets_some_sample_be_picked(subject: &Scorer) -> Outcome {
    let host = subject.host(1);
    let all: Vec<_> = (0..host.num_samples()).collect();
    let scores = score(&*subject.make()?, &host, &all).succeeds("score")?;
    ensure(scores.iter().any(|score| score.eligible), || {
        format!("of {} samples none was eligible", all.len())
    })
}

fn gives_the_same_scores_again(subject: &Scorer) -> Outcome {
    let one = score(&*subject.make()?, &subject.host(1), &IDS).succeeds("score")?;
    let other = score(&*subject.make()?, &subject.host(1), &IDS).succeeds("score")?;
    same(&one, &other, &IDS)
}

fn scores_alike_in_any_company(subject: &Scorer) -> Outcome {
    let (scorer, host) = (subject.make()?, subject.host(1));
    let together = score(&*scorer, &host, &IDS).succeeds("score")?;
    for (id, expected) in IDS.iter().zip(&together) {
        let alone = score(&*scorer, &host, &[*id]).succeeds("score of one sample")?;
        same(&alone, std::slice::from_ref(expected), &[*id])?;
    }
    Ok(())
}

fn follows_the_current_model(subject: &Scorer) -> Outcome {
    let scorer = subject.make()?;
    let one = score(&*scorer, &subject.host(1), &IDS).succeeds("score")?;
    let other = score(&*scorer, &subject.host(2), &IDS).succeeds("score")?;
    match subject.depends_on_the_model() {
        true => ensure(same(&one, &other, &IDS).is_err(), || {
            "the model changed and no score did: keep nothing from one call to the next".into()
        }),
        false => same(&one, &other, &IDS),
    }
}

fn asks_only_for_its_samples(subject: &Scorer) -> Outcome {
    let host = subject.host(1);
    score(&*subject.make()?, &host, &IDS).succeeds("score")?;
    let target =
        |id: &SampleId| subject.declares(Service::TargetSamples) && *id >= host.num_samples();
    let mut strangers = host.asked();
    strangers.retain(|id| !(IDS.contains(id) || target(id)));
    ensure(strangers.is_empty(), || format!("asked for samples {strangers:?} as well"))
}

fn passes_errors_on(subject: &Scorer) -> Outcome {
    let host = subject.host(1);
    score(&*subject.make()?, &host, &IDS).succeeds("score")?;
    for call in 0..host.calls() {
        let failing = subject.host(1).failing_after(call);
        let result = score(&*subject.make()?, &failing, &IDS);
        let error = fails(result, "a service failed and `score` did not: use `?`")?;
        ensure(error.kind() == ErrorKind::Host, || {
            format!("a service failed and `score` said instead: {error}")
        })?;
    }
    Ok(())
}

fn stops_when_cancelled(subject: &Scorer) -> Outcome {
    let host = subject.host(1);
    score(&*subject.make()?, &host, &IDS).succeeds("score")?;
    for call in 0..host.calls() {
        let cancelled = subject.host(1).cancelled_after(call);
        let result = score(&*subject.make()?, &cancelled, &IDS);
        let error = fails(result, "the run was cancelled and `score` went on")?;
        ensure(error.is_cancelled(), || {
            format!("the run was cancelled and `score` said instead: {error}")
        })?;
    }
    Ok(())
}

fn reports_progress_forwards(subject: &Scorer) -> Outcome {
    let host = subject.host(1);
    score(&*subject.make()?, &host, &IDS).succeeds("score")?;
    let reports = host.progress_reports();
    let within = reports.iter().all(|(done, total)| done <= total);
    let forwards = reports.windows(2).all(|pair| pair[0].0 <= pair[1].0);
    ensure(within && forwards, || format!("done and total were reported as {reports:?}"))
}

fn can_be_called_in_parallel(subject: &Scorer) -> Outcome {
    let (scorer, host) = (subject.make()?, subject.host(1));
    let expected = score(&*scorer, &host, &IDS).succeeds("score")?;
    thread::scope(|scope| {
        let call = || same(&score(&*scorer, &host, &IDS).succeeds("score")?, &expected, &IDS);
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(call)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("the check does not panic"))
    })
}

fn goes_on_after_a_restore(subject: &Scorer) -> Outcome {
    let (scorer, mut resumed) = (subject.make()?, subject.make()?);
    score(&*scorer, &subject.host(1), &IDS).succeeds("score")?;
    let state = scorer.save().succeeds("save")?;
    resumed.restore(&state).succeeds("restore")?;
    let expected = score(&*scorer, &subject.host(2), &IDS).succeeds("score")?;
    let found = score(&*resumed, &subject.host(2), &IDS).succeeds("score after restore")?;
    same(&found, &expected, &IDS)
}

/// Equal to the last bit, NaN being equal to itself.
fn same(found: &[Score], expected: &[Score], ids: &[SampleId]) -> Outcome {
    for ((found, expected), id) in found.iter().zip(expected).zip(ids) {
        let bits = |score: &Score| (score.value.to_bits(), score.eligible);
        ensure(bits(found) == bits(expected), || {
            format!(
                "sample {id} scored {} (eligible: {}), then {} (eligible: {})",
                expected.value, expected.eligible, found.value, found.eligible
            )
        })?;
    }
    Ok(())
}
