//! What a training step costs beside its arithmetic, in numbers that may fall and not rise: operators launched, copies,
//! waits of the host, and memory. Counted on the pretended GPU by what a run of six steps has more than one of four.

use crate::phantom::{self, Report};
use crate::support::{Outcome, Project, data};
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// Samples a step, all in one micro-batch.
const BATCH: usize = 4;

/// Launches of one Llama layer, forward and backward: two norms, seven products (each three times: once forward, twice
/// back), attention, rotations, gate, and sums; and of all the rest of a step. In `bfloat16-pure` each parameter is
/// updated by itself, through float32 and rounded by chance.
const LAUNCHES: [(&str, u64, u64); 3] =
    [("float32", 61, 33), ("bfloat16", 73, 42), ("bfloat16-pure", 280, 98)];

/// The kernels of attention: of sequences one behind the other, and of rows in 32 bits.
const FLASH: &str = "_flash_attention_backward";
const EFFICIENT: &str = "_scaled_dot_product_efficient_attention_backward";

#[test]
fn a_step_waits_once_and_launches_no_more_than_before() {
    let project = Project::new();
    let two_layers = with_layers(&project, 2);
    for (dtype, of_layer, of_rest) in LAUNCHES {
        let whole = Step::count(&project, &data("demo/model"), dtype);
        let half = Step::count(&project, &two_layers, dtype);
        let (layer, rest) =
            ((whole.launches - half.launches) / 2, 2 * half.launches - whole.launches);
        eprintln!("{dtype}: {layer} launches a layer, {rest} beside them; {whole:?}");
        assert_eq!((whole.waits, whole.copies_in, whole.copies_out), (1, 1, 1), "{dtype}");
        assert!(layer <= of_layer && rest <= of_rest, "{dtype}: {layer} a layer and {rest}");
        // One kernel of attention, and never its plain steps.
        let fused = if dtype == "float32" { EFFICIENT } else { FLASH };
        assert_eq!(whole.attention, fused, "{dtype}");
    }
}

/// With scores of all pairs of 4,096 tokens a step would not fit where it fits without.
#[test]
fn nothing_grows_with_the_square_of_the_length() {
    const LENGTH: u64 = 4096;
    let project = Project::new();
    let model = with_layers(&project, 1);
    let config = project.read("layers-1/config.json");
    let mut config: Value = serde_json::from_str(&config).expect("JSON");
    config["max_position_embeddings"] = json!(2 * LENGTH);
    project.write("layers-1/config.json", config.to_string());
    let tokenizer = project.read("layers-1/tokenizer_config.json");
    let mut tokenizer: Value = serde_json::from_str(&tokenizer).expect("JSON");
    tokenizer["model_max_length"] = Value::Null;
    project.write("layers-1/tokenizer_config.json", tokenizer.to_string());
    let row =
        json!({"instruction": "say", "input": "", "output": "word ".repeat(2 * LENGTH as usize)});
    project.write("long.json", json!([row, row]).to_string());
    let settings = ["model.dtype=bfloat16", &format!("model.max_length={LENGTH}"), "train.batch=1"];
    let report = train(&project, &model, "long.json", &settings);
    let square = LENGTH * LENGTH * 2;
    let largest = report.number("/largest_allocation");
    assert!(largest < square, "{largest} bytes at once, a square of the length is {square}");
    assert!(report.launches_of(FLASH) > 0);
}

/// What one step asks of the device.
#[derive(Debug)]
struct Step {
    launches: u64,
    waits: u64,
    copies_in: u64,
    copies_out: u64,
    attention: &'static str,
}

impl Step {
    fn count(project: &Project, model: &Path, dtype: &str) -> Self {
        // Enough samples in both that what they begin with is run apart where they are scored.
        let [four, six] = [4, 6].map(|steps| {
            let name = format!("{steps}-steps.json");
            let output = "It is said, and then once more.";
            let row = json!({"instruction": "say it", "input": "", "output": output});
            project.write(&name, Value::from(vec![row; steps * BATCH]).to_string());
            let settings = [
                &format!("model.dtype={dtype}"),
                &format!("train.batch={BATCH}"),
                &format!("train.micro_batch={BATCH}"),
            ];
            train(project, model, &name, &settings.map(String::as_str))
        });
        let per_step = |place: &str| (six.number(place) - four.number(place)) / 2;
        let ran = |kernel: &str| per_step(&format!("/launches_by_operator/aten::{kernel}")) > 0;
        Self {
            launches: per_step("/launches"),
            waits: per_step("/waits"),
            copies_in: per_step("/copies_in/count"),
            copies_out: per_step("/copies_out/count"),
            attention: [FLASH, EFFICIENT]
                .into_iter()
                .find(|it| ran(it))
                .unwrap_or("in plain steps"),
        }
    }
}

/// An epoch over all of the data, and what the device was asked meanwhile.
fn train(project: &Project, model: &Path, data: &str, settings: &[&str]) -> Report {
    let out = tempfile::tempdir_in(project.path(".")).expect("a folder");
    let mut host = project.host();
    host.args(["--plugins", "full", "--ratio", "1", "--device", "cuda", "--data", data, "--out"]);
    host.arg(out.path().join("run")).arg("--model").arg(model);
    for setting in ["train.epochs=1", "train.max_grad_norm=1e-3"].iter().chain(settings) {
        host.args(["--set", setting]);
    }
    Outcome::of(phantom::lend_counted(&mut host, &project.path("report.json"))).succeeded();
    Report::read(project, "report.json")
}

/// The demo's model with fewer layers.
fn with_layers(project: &Project, layers: usize) -> PathBuf {
    let name = format!("layers-{layers}");
    for entry in fs::read_dir(data("demo/model")).expect("the demo's model") {
        let path = entry.expect("a file").path();
        let file = path.file_name().expect("a name").to_string_lossy().into_owned();
        let mut bytes = fs::read(&path).expect("a file");
        if file == "config.json" {
            let mut config: Value = serde_json::from_slice(&bytes).expect("JSON");
            config["num_hidden_layers"] = layers.into();
            bytes = config.to_string().into_bytes();
        } else if file == "model.safetensors" {
            bytes = without_layers_from(layers, &bytes);
        }
        project.write(&format!("{name}/{file}"), bytes);
    }
    project.path(&name)
}

fn without_layers_from(layers: usize, file: &[u8]) -> Vec<u8> {
    let stored = SafeTensors::deserialize(file).expect("safetensors");
    let layer_of =
        |name: &str| name.strip_prefix("model.layers.")?.split('.').next()?.parse::<usize>().ok();
    let kept: Vec<(String, TensorView<'_>)> = stored
        .tensors()
        .into_iter()
        .filter(|(name, _)| layer_of(name).is_none_or(|layer| layer < layers))
        .collect();
    safetensors::serialize(kept, None).expect("safetensors")
}
