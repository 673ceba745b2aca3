//! Whole runs against the published program's, and against one of our own on committed data: the
//! samples scored and picked in every epoch, the loss of every sample trained on, the final weights.
//!
//! Runs whose gradient accumulation does not divide the budget differ on purpose: the published
//! program carries left-over gradients into the next epoch and stops early, ours takes a last,
//! smaller step (`configs/README.md`, deliberate differences). Their first epochs' choices are equal.

use crate::golden;
use crate::phantom;
use crate::support::{Outcome, Project, data};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::Value;
use std::path::Path;

/// Samples of the data that the runs train on.
const NUM_SAMPLES: usize = 400;

struct Case {
    /// The golden's name, below `golden/loop`.
    golden: &'static str,
    plugins: &'static str,
    settings: &'static [&'static str],
    /// Epochs whose choices must be equal; weights and losses are compared only over whole runs.
    epochs: usize,
}

#[test]
fn the_published_run() {
    let project = check(&Case {
        golden: "loop400_ga4_lr1e-3",
        plugins: "ifd,diversity",
        settings: &["train.gradient_accumulation=4", "train.learning_rate=1e-3"],
        epochs: 3,
    });
    let Some(project) = project else { return };
    let weights = golden::shared_path("golden/loop/loop400_ga4_lr1e-3.final.safetensors")
        .expect("the weights are there too");
    check_weights(&project.path("run/model/model.safetensors"), &weights);
}

#[test]
fn without_diversity() {
    check(&Case {
        golden: "loop400_ga4_lr1e-3_ifd",
        plugins: "ifd",
        settings: &["train.gradient_accumulation=4", "train.learning_rate=1e-3"],
        epochs: 3,
    });
}

#[test]
fn rescoring_everything() {
    check(&Case {
        golden: "loop400_ga4_lr1e-3_ur1",
        plugins: "ifd,diversity",
        settings: &[
            "train.gradient_accumulation=4",
            "train.learning_rate=1e-3",
            "plugins.iterative.update_ratio=1",
        ],
        epochs: 3,
    });
}

#[test]
fn gradients_that_are_left_over() {
    check(&Case {
        golden: "loop400_ga8_lr1e-3",
        plugins: "ifd,diversity",
        settings: &["train.gradient_accumulation=8", "train.learning_rate=1e-3"],
        epochs: 1,
    });
    check(&Case {
        golden: "loop400_ga32_lr2e-5",
        plugins: "ifd,diversity",
        settings: &["train.gradient_accumulation=32", "train.learning_rate=2e-5"],
        epochs: 1,
    });
}

#[test]
fn a_run_by_default_on_committed_data() {
    check_committed("default", &[], 1e-4, &["--device", "cpu"]);
}

#[test]
fn a_run_by_default_on_cuda() {
    check_committed("default", &[], 1e-4, &["--device", "cuda"]);
}

/// The order of sums is another, and nothing else.
#[test]
fn a_run_by_default_by_two_ranks() {
    let [alone, together] = ["1", "2"]
        .map(|ranks| check_committed("default", &[], 1e-4, &["--device", "cpu", "--ranks", ranks]));
    let [alone, together] = [&alone, &together].map(losses);
    for (found, expected) in together.iter().zip(&alone) {
        let (loss, expected) = (number(&found["loss"]), number(&expected["loss"]));
        assert!(
            (loss - expected).abs() < 1e-5 * expected,
            "{found}, one rank's loss is {expected}"
        );
    }
}

#[test]
fn a_run_as_published_on_committed_data() {
    check_committed("published", &AS_PUBLISHED, BFLOAT16, &["--device", "cpu"]);
}

/// A run on the demo against `tests/golden/loop.py`'s, scores to a relative `tolerance`, with some flags; CUDA is the
/// pretended one.
fn check_committed(case: &str, settings: &[&str], tolerance: f64, flags: &[&str]) -> Project {
    let golden = golden::committed("loop.json");
    let demo = std::fs::read(data("demo/instructions.json")).expect("the demo");
    let demo: Vec<Value> = serde_json::from_slice(&demo).expect("JSON");
    let chosen = golden::positions(&golden, "rows").into_iter().map(|row| demo[row].clone());
    let project = Project::new();
    project.write("data.json", Value::from_iter(chosen).to_string());
    let mut host = project.host();
    phantom::lend(&mut host);
    host.args(["--plugins", "ifd,diversity", "--ratio", "16", "--out", "run"])
        .args(flags)
        .args(["--data", "data.json", "--model"])
        .arg(data("demo/model"));
    let shared =
        ["model.dtype=float32", "train.gradient_accumulation=4", "train.learning_rate=1e-3"];
    for setting in shared.iter().chain(settings) {
        host.args(["--set", setting]);
    }
    Outcome::of(&mut host).succeeded();
    let expected = &golden[case];
    for epoch in 0..3 {
        check_scores(&project, &expected["epochs_log"][epoch], epoch, tolerance);
        check_selection(&project, &expected["epochs_log"][epoch], epoch);
    }
    check_losses(&project, &expected["micro_batches"]);
    check_changes(&project.path("run/model/model.safetensors"), &expected["changes"]);
    project
}

/// How each tensor changed in training, at a few places, against the norm of its change.
fn check_changes(model: &Path, expected: &Value) {
    let [begun, ended] = [&data("demo/model/model.safetensors"), model]
        .map(|path| std::fs::read(path).expect("a model"));
    let begun = SafeTensors::deserialize(&begun).expect("safetensors");
    let ended = SafeTensors::deserialize(&ended).expect("safetensors");
    for (name, expected) in expected.as_object().expect("tensors") {
        let [begun, ended] = [&begun, &ended].map(|model| {
            widened(&model.tensor(name).unwrap_or_else(|_| panic!("no tensor `{name}`")))
        });
        let change = |place: usize| ended[place] - begun[place];
        let norm = (0..begun.len()).map(|place| change(place).powi(2)).sum::<f64>().sqrt();
        let relative = (norm / number(&expected["norm"]) - 1.0).abs();
        assert!(relative < 1e-3, "the change of `{name}` is off by {relative:e} of its norm");
        let values = golden::numbers(expected, "values");
        let mean = norm / (begun.len() as f64).sqrt();
        for (place, value) in golden::positions(expected, "places").into_iter().zip(values) {
            let off = (change(place) - value).abs() / mean;
            assert!(off < 0.05, "`{name}[{place}]` changed by {}, not {value}", change(place));
        }
    }
}

/// How far a score may be from the one that was rounded, with one that lies beside the middle between
/// two bfloat16 numbers rounded either way.
const BFLOAT16: f64 = 0.5 / 128.0 + 1e-5;

/// The published program's ways that are not our defaults.
const AS_PUBLISHED: [&str; 5] = [
    "data.texts=published",
    "plugins.ifd.score_dtype=bfloat16",
    "plugins.iterative.pool=reference",
    "train.micro_batch=1",
    "train.shuffle=same",
];

/// The run's folder, where there are goldens to check it by.
fn check(case: &Case) -> Option<Project> {
    let expected = golden::shared(&format!("golden/loop/{}.json", case.golden))?;
    let project = Project::new();
    train(&project, case);
    for epoch in 0..case.epochs {
        check_scores(&project, &expected["epochs_log"][epoch], epoch, BFLOAT16);
        check_selection(&project, &expected["epochs_log"][epoch], epoch);
    }
    if case.epochs == 3 {
        check_losses(&project, &expected["micro_batches"]);
    }
    Some(project)
}

fn train(project: &Project, case: &Case) {
    let data = golden::shared("alpaca/alpaca_first5000.json.zst").expect("the data is there too");
    let model =
        golden::shared_path("models/tinystories-656k-chat").expect("the model is there too");
    let rows = &data.as_array().expect("an array")[..NUM_SAMPLES];
    let data = project.write("data.json", Value::from(rows).to_string());
    let mut host = project.host();
    host.args(["--plugins", case.plugins, "--ratio", "0.05", "--template", "llama-3.1"])
        .args(["--device", "cpu", "--out", "run"])
        .args(["--model".as_ref(), model.as_os_str()])
        .args(["--data".as_ref(), data.as_os_str()]);
    for setting in AS_PUBLISHED.iter().chain(case.settings) {
        host.args(["--set", setting]);
    }
    Outcome::of(&mut host).succeeded();
}

/// The published program drops a sample without a score for ever; ours keeps it, ineligible.
fn check_scores(project: &Project, expected: &Value, epoch: usize, tolerance: f64) {
    let lines: Vec<Value> = rows(project, &format!("run/epochs/{epoch}/scores.jsonl"))
        .into_iter()
        .filter(|line| line["scored_at"] == epoch && (epoch == 0 || !line["score"].is_null()))
        .collect();
    let ids: Vec<&Value> = lines.iter().map(|line| &line["id"]).collect();
    let expected_ids: Vec<&Value> = array(&expected["scored_ids"]).iter().collect();
    assert_eq!(ids, expected_ids, "epoch {epoch}: scored");
    for (line, expected) in lines.iter().zip(array(&expected["ifd_float32"])) {
        let (Some(score), Some(expected)) = (line["score"].as_f64(), expected.as_f64()) else {
            assert!(line["score"].is_null() && expected.is_null(), "epoch {epoch}: {line}");
            continue;
        };
        let off = (score - expected).abs() / expected;
        assert!(off < tolerance, "epoch {epoch}: {line}, expected {expected}");
    }
}

fn check_selection(project: &Project, expected: &Value, epoch: usize) {
    let selection: Value =
        serde_json::from_str(&project.read(&format!("run/epochs/{epoch}/selection.json")))
            .expect("a selection");
    assert_eq!(selection["selected"], expected["selected_ids"], "epoch {epoch}: picked");
}

/// Of every sample trained on, in the order of training.
fn losses(project: &Project) -> Vec<Value> {
    (0..3).flat_map(|epoch| rows(project, &format!("run/epochs/{epoch}/losses.jsonl"))).collect()
}

fn check_losses(project: &Project, expected: &Value) {
    let lines = losses(project);
    assert_eq!(lines.len(), array(expected).len());
    for (line, expected) in lines.iter().zip(array(expected)) {
        assert_eq!(line["id"], expected["id"], "the order within an epoch");
        assert_eq!(line["step"], expected["step_before"]);
        assert_eq!(line["tokens"], expected["n_label"]);
        let (loss, expected) = (number(&line["loss"]), number(&expected["loss"]));
        assert!((loss - expected).abs() < 1e-4 * expected, "{line}, expected a loss of {expected}");
    }
}

/// ‖ours − theirs‖ / ‖theirs‖, tensor by tensor.
fn check_weights(ours: &Path, theirs: &Path) {
    let [ours, theirs] = [ours, theirs].map(|path| std::fs::read(path).expect("a model"));
    let ours = SafeTensors::deserialize(&ours).expect("safetensors");
    let theirs = SafeTensors::deserialize(&theirs).expect("safetensors");
    for (name, expected) in theirs.tensors() {
        let found = ours.tensor(&name).unwrap_or_else(|_| panic!("no tensor `{name}`"));
        assert_eq!(found.shape(), expected.shape(), "`{name}`");
        let (found, expected) = (floats(found.data()), floats(expected.data()));
        let norm = |values: &[f64]| values.iter().map(|value| value * value).sum::<f64>().sqrt();
        let differences: Vec<f64> = found.iter().zip(&expected).map(|(a, b)| a - b).collect();
        let relative = norm(&differences) / norm(&expected);
        assert!(relative < 1e-3, "`{name}` differs by {relative:e} of its norm");
    }
}

/// The demo's weights are bfloat16, which is the upper half of a float32.
fn widened(tensor: &TensorView<'_>) -> Vec<f64> {
    match tensor.dtype() {
        Dtype::BF16 => {
            let halves = tensor.data().chunks_exact(2);
            floats(&halves.flat_map(|half| [0, 0, half[0], half[1]]).collect::<Vec<u8>>())
        }
        Dtype::F32 => floats(tensor.data()),
        other => panic!("a tensor of {other:?}"),
    }
}

fn floats(bytes: &[u8]) -> Vec<f64> {
    bytes
        .chunks_exact(4)
        .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]).into())
        .collect()
}

fn rows(project: &Project, name: &str) -> Vec<Value> {
    project.read(name).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn array(value: &Value) -> &[Value] {
    value.as_array().expect("an array")
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}
