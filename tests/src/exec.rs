//! The `exec` plugin by the whole program: scorers in Python that misbehave. Each is refused in one
//! error that says what it did, and leaves no scores behind.

use crate::support::{Outcome, Project, data, scores_of};
use serde_json::json;

/// Five samples scored by a loop in Python over `rows`, three at a time at most.
fn score(body: &str, settings: &[&str]) -> (Project, Outcome) {
    let project = Project::new();
    let rows = (0..5).map(|id| json!({"instruction": "count", "output": format!("up to {id}")}));
    project.write("rows.json", serde_json::Value::from_iter(rows).to_string());
    let script = format!(
        "import json, sys\nfor line in sys.stdin:\n    rows = json.loads(line)['samples']\n    \
         ids = [row['id'] for row in rows]\n{body}"
    );
    project.write("scorer.py", script);
    let mut host = project.host();
    host.args(["score", "--plugins", "exec", "--device", "cpu", "--data", "rows.json"])
        .args(["--out", "made.jsonl", "--model"])
        .arg(data("demo/model"))
        .args(["--set", "plugins.exec.command=[\"python3\", \"scorer.py\"]"])
        .args(["--set", "plugins.exec.batch=3"]);
    for setting in settings {
        host.args(["--set", setting]);
    }
    let outcome = Outcome::of(&mut host);
    (project, outcome)
}

/// The scorer must fail with one error that says any of these.
#[track_caller]
fn check_refused(body: &str, settings: &[&str], any_of: &[&str]) {
    let (project, outcome) = score(body, settings);
    let outcome = outcome.failed(1, &["error: plugin `exec`"]);
    assert_eq!(outcome.stderr.matches("error:").count(), 1, "{outcome}");
    assert!(any_of.iter().any(|words| outcome.stderr.contains(words)), "{outcome}");
    assert!(!project.path("made.jsonl").exists(), "{outcome}");
}

#[test]
fn a_scorer_of_either_protocol_is_believed() {
    for answer in [
        "{'scores': ids}",
        "{'ids': ids, 'scores': ids}",
        "{'scores': [{'id': id, 'score': id} for id in ids]}",
    ] {
        let (project, outcome) =
            score(&format!("    print(json.dumps({answer}), flush=True)\n"), &[]);
        outcome.succeeded();
        let lines = scores_of(&project.read("made.jsonl"));
        assert_eq!(lines.len(), 5);
        for (id, line) in lines.iter().enumerate() {
            assert_eq!((&line["id"], line["score"].as_f64()), (&json!(id), Some(id as f64)));
        }
    }
}

/// All later scores were taken for other samples, and the exit code was 0.
#[test]
fn a_line_too_many_is_refused() {
    let twice = "    for _ in range(2):\n        print(json.dumps({'scores': ids}), flush=True)\n";
    check_refused(twice, &[], &["no question asked for: `{\"scores\": ", "gave 3 scores for 2"]);
    let chatty = "    print(json.dumps({'scores': ids}))\n    print('scored', ids, flush=True)\n";
    check_refused(chatty, &[], &["no question asked for: `scored [0", "answered `scored [0"]);
}

#[test]
fn scores_of_other_samples_are_refused() {
    check_refused(
        "    ids.reverse()\n    print(json.dumps({'ids': ids, 'scores': ids}), flush=True)\n",
        &[],
        &["gave a score for sample 2 where 0 was asked for"],
    );
}

/// Each line of what it had said to stderr became an error of its own.
#[test]
fn a_scorer_that_dies_is_quoted_in_one_error() {
    check_refused(
        "    raise ValueError(f'no judge for {ids}')\n",
        &[],
        &["ended (exit status: 1) before it answered; it said:\n    Traceback"],
    );
}

/// A second's limit lasted for most of a minute, and took gigabytes.
#[test]
fn a_flood_of_complaints_ends_at_the_time_limit() {
    check_refused(
        "    while True:\n        sys.stderr.write('flood\\n' * 1000)\n",
        &["plugins.exec.timeout_seconds=1"],
        &["did not answer within 1 s; it said:\n    flood\n"],
    );
}
