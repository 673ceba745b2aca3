//! A run at limits of a device's memory, from nothing to twice what it takes without one: it ends right, with less at
//! a time, or in one line that says so. On the pretended GPU, which refuses what its limit has no room for.

use crate::phantom::{self, Report};
use crate::support::{Outcome, Project, data};
use serde_json::Value;
use std::fs;
use std::process::Command;
use std::thread;

/// How many limits are tried, equally far apart.
const LIMITS: u64 = 20;

/// How many runs there are at the same time.
const AT_ONCE: usize = 2;

/// How far losses may be from those without a limit: they are added up in other micro-batches.
const TOLERANCE: f64 = 1e-5;

/// Said where less is run at a time from the start, by what the run was told to need.
const SMALLER_STEPS: &str = " tokens, not 16,384: a step needs up to ";
const SMALLER_QUESTIONS: &str = " tokens, not 32,768: one needs up to ";
/// Said after a step or a question that did not fit.
const TOO_LATE: &str = "the device was out of memory: ";

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// As it would have without a limit, with nothing said.
    Alike,
    /// The same after less at a time.
    Smaller,
    /// In one line and a hint.
    Refused,
}

#[test]
fn at_every_limit_a_run_ends_right_or_in_one_line() {
    let project = project();
    let report = project.path("report.json");
    let mut free = train(&project, "free");
    Outcome::of(phantom::lend_counted(&mut free, &report)).succeeded();
    let peak = Report::read(&project, "report.json").number("/peak_bytes/cuda:0");
    let expected = losses(&project, "free");

    // Less is taken at a time where the largest step that there could be, and an eighth more, would not fit.
    let limits: Vec<u64> = (1..=LIMITS).map(|part| 2 * peak * part / LIMITS).collect();
    let end = |limit: &u64| end_at(&project, *limit, &expected);
    let ends: Vec<End> = limits
        .chunks(AT_ONCE)
        .flat_map(|some| {
            thread::scope(|scope| {
                let runs: Vec<_> =
                    some.iter().map(|limit| scope.spawn(move || end(limit))).collect();
                runs.into_iter().map(|run| run.join().expect("a run")).collect::<Vec<_>>()
            })
        })
        .collect();

    eprintln!("{peak} bytes without a limit; at each tenth of it: {ends:?}");
    // What fits ends right, at every limit above it too.
    let fits = ends.iter().position(|end| *end != End::Refused).expect("some end right");
    assert!(ends[fits..].iter().all(|end| *end != End::Refused), "{ends:?}");
    let smaller = ends.iter().filter(|end| **end == End::Smaller).count();
    assert!(fits >= 1 && smaller >= 4, "{ends:?}");
    assert_eq!(ends.last(), Some(&End::Alike));
}

/// Samples of different lengths, so that micro-batches can be halved in more than one way.
fn project() -> Project {
    let project = Project::new();
    let text = fs::read(data("demo/instructions.json")).expect("the demo's data");
    let rows: Vec<Value> = serde_json::from_slice(&text).expect("JSON");
    project.write("data.json", Value::from(rows[..40].to_vec()).to_string());
    project
}

/// Two steps of sixteen samples, picked by their perplexity: the model is asked first, and then trained.
fn train(project: &Project, out: &str) -> Command {
    let mut host = project.host();
    host.args(["--plugins", "ppl", "--ratio", "32", "--device", "cuda", "--data", "data.json"])
        .args(["--set", "train.epochs=1", "--set", "train.batch=16"])
        .args(["--set", "train.learning_rate=1e-3", "--out", out, "--model"])
        .arg(data("demo/model"));
    phantom::lend(&mut host);
    host
}

/// Ids and losses of all samples, in the order of training.
fn losses(project: &Project, out: &str) -> Vec<(u64, f64)> {
    let text = project.read(&format!("{out}/epochs/0/losses.jsonl"));
    let of_line = |line: &str| {
        let line: Value = serde_json::from_str(line).expect("JSON");
        (line["id"].as_u64().expect("an id"), line["loss"].as_f64().expect("a loss"))
    };
    text.lines().map(of_line).collect()
}

/// Trains with so many bytes of memory, and holds the run to what it may do.
#[track_caller]
fn end_at(project: &Project, limit: u64, expected: &[(u64, f64)]) -> End {
    let out = format!("limit-{limit}");
    let mut host = train(project, &out);
    let outcome = Outcome::of(host.env("PHANTOM_MEMORY", limit.to_string()));
    if outcome.code != Some(0) {
        let outcome = outcome.failed(1, &["out of memory", "\nhint: "]);
        let errors = outcome.stderr.lines().filter(|line| line.starts_with("error: ")).count();
        let is_panic = outcome.stderr.contains("panicked");
        assert!(errors == 1 && !is_panic, "{limit} bytes: {outcome}");
        return End::Refused;
    }
    let found = losses(project, &out);
    assert_eq!(found.len(), expected.len(), "{limit} bytes");
    for ((id, loss), (expected_id, expected)) in found.iter().zip(expected) {
        assert_eq!(id, expected_id, "{limit} bytes");
        let off = (loss - expected).abs() / expected.abs().max(1.0);
        assert!(off < TOLERANCE, "{limit} bytes, sample {id}: {loss}, without a limit {expected}");
    }
    let said = |words: &str| outcome.stderr.matches(words).count();
    match said(SMALLER_STEPS) + said(SMALLER_QUESTIONS) + said(TOO_LATE) {
        0 => End::Alike,
        _ => End::Smaller,
    }
}
