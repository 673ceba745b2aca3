//! Sequences one behind the other, on a pretended GPU: they are answered and trained on as those that are padded beside
//! one another, within what bfloat16 rounds; and models that the kernel does not suit are padded.

use crate::phantom::{self, Report};
use crate::support::{Outcome, Project, checkpoint, data, scores_of};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// How far a loss may be from that of the other layout: nats of a mean that is scored, a part of one that is trained.
const TOLERANCE: f64 = 2e-2;

/// Samples of several lengths; every other one begins with the same long prompt.
fn project() -> Project {
    let project = Project::new();
    let shared = "Say once more, and in the same words, what was said before. ".repeat(4);
    let row = |index: usize| {
        let instruction = if index.is_multiple_of(2) { shared.as_str() } else { "Say it." };
        let output = "It is said. ".repeat(1 + index * 7 % 5);
        json!({"instruction": format!("{instruction} {index}"), "input": "", "output": output})
    };
    project.write("data.json", Value::from((0..40).map(row).collect::<Vec<_>>()).to_string());
    project
}

/// Runs a command on the pretended GPU; how often attention ran over sequences one behind the other.
fn run(project: &Project, layout: &str, verb: &[&str], model: &Path, settings: &[&str]) -> u64 {
    let mut host = project.host();
    phantom::lend_counted(&mut host, &project.path("report.json"));
    host.env("ITERIT_LAYOUT", layout).args(verb).arg("--model").arg(model);
    host.args(["--device", "cuda", "--data", "data.json"]);
    for setting in settings {
        host.args(["--set", setting]);
    }
    Outcome::of(&mut host).succeeded();
    Report::read(project, "report.json").launches_of("_flash_attention_forward")
}

/// The two losses of IFD, sample by sample, and how often attention ran.
fn scores(project: &Project, layout: &str, model: &Path, settings: &[&str]) -> (Vec<f64>, u64) {
    let out = format!("{layout}.jsonl");
    let launches =
        run(project, layout, &["score", "--plugins", "ifd", "--out", &out], model, settings);
    let part = |line: &Value, name: &str| line["parts"]["ifd"][name].as_f64().expect("a loss");
    let lines = scores_of(&project.read(&out));
    fs::remove_file(project.path(&out)).expect("a file");
    let both = |line: &Value| ["conditional_nll", "unconditional_nll"].map(|name| part(line, name));
    (lines.iter().flat_map(both).collect(), launches)
}

/// Losses and norms of gradients, step by step, and how often attention ran.
fn steps(project: &Project, layout: &str, settings: &[&str]) -> (Vec<[f64; 2]>, u64) {
    let settings =
        [&["train.epochs=1", "train.batch=10", "train.learning_rate=1e-4"][..], settings].concat();
    let verb = ["--plugins", "full", "--ratio", "1", "--out", layout];
    let launches = run(project, layout, &verb, &data("demo/model"), &settings);
    let lines = scores_of(&project.read(&format!("{layout}/metrics.jsonl")));
    fs::remove_dir_all(project.path(layout)).expect("a run");
    let number = |line: &Value, name: &str| line[name].as_f64().expect("a number");
    let trained = lines.iter().filter(|line| line["grad_norm"].is_number());
    (trained.map(|line| ["loss", "grad_norm"].map(|name| number(line, name))).collect(), launches)
}

/// The model with other fields in its configuration.
fn changed(project: &Project, model: &Path, fields: &Value) -> PathBuf {
    for entry in fs::read_dir(model).expect("a model") {
        let path = entry.expect("a file").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        project.write(&format!("changed/{name}"), fs::read(&path).expect("a file"));
    }
    let mut config: Value =
        serde_json::from_str(&project.read("changed/config.json")).expect("JSON");
    for (name, value) in fields.as_object().expect("fields") {
        config[name] = value.clone();
    }
    project.write("changed/config.json", config.to_string());
    project.path("changed")
}

#[test]
fn scores_are_those_of_padded_rows() {
    let project = project();
    let windowed = json!({"model_type": "mistral", "architectures": ["MistralForCausalLM"], "sliding_window": 12});
    let windowed = changed(&project, &data("demo/model"), &windowed);
    for (model, settings) in [
        (&data("demo/model"), &["model.dtype=bfloat16"][..]),
        (&data("demo/model"), &["model.dtype=bfloat16-pure"]),
        (&windowed, &["model.dtype=bfloat16"]),
    ] {
        let [(flattened, launches), (padded, none)] =
            ["flattened", "padded"].map(|layout| scores(&project, layout, model, settings));
        assert!(launches > 0 && none == 0, "{settings:?}: {launches}, {none}");
        assert_eq!((flattened.len(), padded.len()), (80, 80));
        for (index, (one, other)) in flattened.iter().zip(&padded).enumerate() {
            assert!((one - other).abs() < TOLERANCE, "{settings:?}, {index}: {one}, {other}");
        }
    }
}

#[test]
fn steps_are_those_of_padded_rows() {
    let project = project();
    for settings in [
        &["model.dtype=bfloat16"][..],
        &["model.dtype=bfloat16-pure", "train.activation_checkpointing=true"],
        &["model.dtype=bfloat16", "train.micro_batch=3"],
        &["model.dtype=bfloat16", "train.lora.rank=4", "train.lora.dropout=0.3"],
    ] {
        let [(flattened, launches), (padded, none)] =
            ["flattened", "padded"].map(|layout| steps(&project, layout, settings));
        assert!(launches > 0 && none == 0, "{settings:?}: {launches}, {none}");
        assert_eq!((flattened.len(), padded.len()), (4, 4));
        for (one, other) in flattened.iter().flatten().zip(padded.iter().flatten()) {
            assert!((one - other).abs() < TOLERANCE * other, "{settings:?}: {one}, {other}");
        }
    }
}

/// In 32 bits there is no such kernel, and none for heads of 12 features.
#[test]
fn what_the_kernel_does_not_suit_is_padded() {
    let project = project();
    for (model, settings) in [
        (data("demo/model"), ["model.dtype=float32"]),
        (checkpoint("qwen3"), ["model.dtype=bfloat16"]),
    ] {
        let settings = [&settings[..], &["data.template=alpaca"]].concat();
        assert_eq!(scores(&project, "flattened", &model, &settings).1, 0, "{settings:?}");
    }
}
