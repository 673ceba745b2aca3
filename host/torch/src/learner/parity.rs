//! What transformers computes on tiny checkpoints of every architecture, in float64: losses, logits and
//! the norm of every tensor's gradient; however sequences are batched, and whatever they share.

use super::*;
use crate::Activations;
use crate::tensor_file::{self, Content, TensorFile};
use crate::trainable::Parameter;
use iterit_core::learner::{LossNormalization, Unwatched};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use tch::{Kind, Tensor};

/// Relative, of losses in f32; those below 1 by as much as one of 1.
const LOSS: f64 = 1e-5;
const LOGIT: f64 = 1e-4;
const GRADIENT: f64 = 1e-4;

/// Every folder of `tests/golden/architectures`, in order.
fn folders() -> Vec<PathBuf> {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/architectures");
    let folders = std::fs::read_dir(all).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = folders.filter(|path| path.is_dir()).collect();
    folders.sort();
    assert!(folders.len() >= 9, "{folders:?}");
    folders
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// A fixed sequence, and what transformers says of it.
struct Expected {
    sequence: Sequence,
    nll: Vec<f64>,
    last_logits: Vec<f64>,
}

fn expected(folder: &Path) -> Vec<Expected> {
    let value = json(&folder.join("expected.json"));
    let sequences = value["sequences"].as_array().unwrap();
    let one = |value: &Value| {
        let tokens: Vec<u32> = serde_json::from_value(value["tokens"].clone()).unwrap();
        Expected {
            sequence: Sequence { scored: (1..tokens.len()).into(), tokens },
            nll: serde_json::from_value(value["nll"].clone()).unwrap(),
            last_logits: serde_json::from_value(value["last_logits"].clone()).unwrap(),
        }
    };
    sequences.iter().map(one).collect()
}

fn load(folder: &Path) -> TorchLearner {
    TorchLearner::load(folder, LearnerOptions::default())
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
}

/// The largest difference, relative to the value or to 1 where that is larger.
fn worst(got: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(got.len(), expected.len());
    let difference = |(&got, expected): (&f32, &f64)| {
        (f64::from(got) - expected).abs() / expected.abs().max(1.0)
    };
    let worst = got.iter().zip(expected).map(difference).fold(0.0, f64::max);
    assert!(got.iter().all(|it| it.is_finite()), "{got:?}");
    worst
}

fn name(folder: &Path) -> String {
    folder.file_name().unwrap().to_string_lossy().into_owned()
}

#[test]
fn losses_and_logits_are_those_of_transformers() {
    for folder in folders() {
        let (name, expected) = (name(&folder), expected(&folder));
        let mut learner = load(&folder);
        let mut losses: f64 = 0.0;
        // Side by side, the short one padded; and one at a time.
        let sequences: Vec<Sequence> = expected.iter().map(|it| it.sequence.clone()).collect();
        let together = learner.token_nll(&sequences, &Unwatched).unwrap();
        for (it, together) in expected.iter().zip(&together) {
            let alone = learner.token_nll(std::slice::from_ref(&it.sequence), &Unwatched).unwrap();
            losses = losses.max(worst(together, &it.nll)).max(worst(&alone[0], &it.nll));
        }
        let logits = expected.iter().map(|it| {
            let logits = learner.next_logits(&it.sequence.tokens).unwrap();
            worst(&logits, &it.last_logits)
        });
        let logits = logits.fold(0.0, f64::max);
        eprintln!("{name}: losses {losses:.1e}, logits {logits:.1e}");
        assert!(
            losses < LOSS && logits < LOGIT,
            "{name}: losses {losses:.1e}, logits {logits:.1e}"
        );
    }
}

#[test]
fn matrices_that_are_laid_out_give_the_losses_of_transformers() {
    for folder in folders() {
        let (name, expected) = (name(&folder), expected(&folder));
        // So small a batch that every question is long.
        let options =
            LearnerOptions { scoring_tokens: NonZeroUsize::new(1), ..LearnerOptions::default() };
        let mut learner = TorchLearner::load(&folder, options).unwrap();
        if learner.laid_out(1000) == 0 {
            return eprintln!("skipped: this libtorch lays nothing out");
        }
        let sequences: Vec<Sequence> = expected.iter().map(|it| it.sequence.clone()).collect();
        let got = learner.token_nll(&sequences, &Unwatched).unwrap();
        for (got, it) in got.iter().zip(&expected) {
            let difference = worst(got, &it.nll);
            assert!(difference < LOSS, "{name}: {difference:.1e}");
        }
    }
}

#[test]
fn sequences_that_begin_alike_are_scored_as_alone() {
    for folder in folders() {
        let (name, expected) = (name(&folder), expected(&folder));
        let Expected { sequence, nll, .. } = &expected[0];
        let mut learner = load(&folder);
        // Cut at several ends, so that rows behind the shared beginning are padded.
        let ends = [150, 149, 131, 150, 140, 123];
        let cut = |&end: &usize| Sequence {
            tokens: sequence.tokens[..end].to_vec(),
            scored: (110..end).into(),
        };
        let cuts: Vec<Sequence> = ends.iter().map(cut).collect();
        let shareable: Vec<&[u32]> = cuts.iter().map(Sequence::unasked).collect();
        let groups = crate::prefix::groups(&shareable);
        assert!(groups.iter().any(|group| group.prefix == 109 && group.members.len() == 6));
        let got = learner.token_nll(&cuts, &Unwatched).unwrap();
        for (got, end) in got.iter().zip(ends) {
            let difference = worst(got, &nll[109..end - 1]);
            assert!(difference < LOSS, "{name}: {difference:.1e}");
        }
    }
}

#[test]
fn gradients_are_those_of_transformers() {
    let step = StepOptions {
        learning_rate: 0.0,
        max_grad_norm: f64::INFINITY,
        loss_normalization: LossNormalization::Sample,
    };
    for folder in folders() {
        let (name, expected) = (name(&folder), expected(&folder));
        let samples: Vec<Sequence> = expected.into_iter().map(|it| it.sequence).collect();
        let norms = json(&folder.join("expected.json"))["gradient_norms"].clone();
        let norms: BTreeMap<String, f64> = serde_json::from_value(norms).unwrap();
        let norms: BTreeMap<&str, f64> = norms.iter().map(|(k, v)| (in_body(k), *v)).collect();
        for activations in [Activations::Keep, Activations::Recompute] {
            let mut learner = load(&folder);
            learner.options.activations = activations;
            learner.reach(&samples);
            let asked: Vec<&[Sequence]> = samples.iter().map(std::slice::from_ref).collect();
            learner.gradient(&asked, &step).unwrap();
            let largest = norms.values().copied().fold(0.0, f64::max);
            let mut worst: (f64, String) = (0.0, String::new());
            let mut count = 0;
            for Parameter { name: tensor_name, tensor, .. } in learner.trainable.iter() {
                let got = tensor.grad().to_kind(tch::Kind::Double).norm().double_value(&[]);
                let expected = norms[in_body(tensor_name)];
                // A gradient that is next to nothing beside the others is compared with those.
                let difference = (got - expected).abs() / expected.max(1e-3 * largest);
                if difference >= worst.0 {
                    worst = (difference, tensor_name.to_owned());
                }
                count += 1;
            }
            eprintln!("{name}: gradients {:.1e} at {}", worst.0, worst.1);
            assert_eq!(count, norms.len(), "{name}: tensors with a gradient");
            assert!(worst.0 < GRADIENT, "{name}: {worst:?}");
        }
    }
}

/// The name of a tensor wherever its model lies.
fn in_body(name: &str) -> &str {
    let places = ["model.language_model.", "language_model.model.", "language_model.", "model."];
    places.iter().find_map(|place| name.strip_prefix(place)).unwrap_or(name)
}

/// As GPT-2 was first saved, and other models without their head.
#[test]
fn a_body_without_its_first_name_is_the_same_model() {
    for (model, body) in [("gpt2", "transformer."), ("opt", "model."), ("gpt_neox", "gpt_neox.")] {
        let folder = folders().into_iter().find(|folder| name(folder) == model).unwrap();
        let copy = tempfile::tempdir().unwrap();
        std::fs::copy(folder.join("config.json"), copy.path().join("config.json")).unwrap();
        let stored = TensorFile::open(&folder.join("model.safetensors")).unwrap();
        let bare = |name: String| name.strip_prefix(body).map(str::to_owned).unwrap_or(name);
        let read = |name: String| (bare(name.clone()), stored.read(&name).unwrap());
        let mut tensors: Vec<(String, Tensor)> = stored.names().into_iter().map(read).collect();
        let mask = Tensor::ones([1, 1, 4, 4], (Kind::Float, Device::Cpu));
        tensors.push(("h.0.attn.bias".into(), mask));
        let contents: Vec<_> =
            tensors.iter().map(|(name, it)| (name.as_str(), Content::Tensor(it))).collect();
        tensor_file::write(&copy.path().join("model.safetensors"), &contents).unwrap();
        let sequences: Vec<Sequence> =
            expected(&folder).into_iter().map(|it| it.sequence).collect();
        let ask = |folder: &Path| load(folder).token_nll(&sequences, &Unwatched).unwrap();
        assert_eq!(ask(copy.path()), ask(&folder), "{model}");
        assert_eq!(load(copy.path()).extra.names().len(), 0, "{model}");
    }
}

/// As Qwen 3 VL with experts was published; transformers writes them upright.
#[test]
fn experts_that_lie_on_their_side_are_the_same() {
    let folder = folders().into_iter().find(|it| name(it) == "qwen3-vl-moe-wrapped").unwrap();
    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(folder.join("config.json"), copy.path().join("config.json")).unwrap();
    let stored = TensorFile::open(&folder.join("model.safetensors")).unwrap();
    let lying = |name: String| {
        let tensor = stored.read(&name).unwrap();
        let lies = name.contains(".experts.");
        (name, if lies { tensor.transpose(1, 2).contiguous() } else { tensor })
    };
    let tensors: Vec<(String, Tensor)> = stored.names().into_iter().map(lying).collect();
    let contents: Vec<_> =
        tensors.iter().map(|(name, it)| (name.as_str(), Content::Tensor(it))).collect();
    tensor_file::write(&copy.path().join("model.safetensors"), &contents).unwrap();
    let mut learner = load(copy.path());
    for Expected { sequence, nll, .. } in expected(&folder) {
        let got = learner.token_nll(&[sequence], &Unwatched).unwrap();
        assert!(worst(&got[0], &nll) < LOSS);
    }
}

#[test]
fn the_configuration_of_transformers_4_means_the_same() {
    let mut count = 0;
    for folder in folders() {
        let older = folder.join("config.4.json");
        if !older.exists() {
            continue;
        }
        count += 1;
        let copy = tempfile::tempdir().unwrap();
        std::fs::copy(older, copy.path().join("config.json")).unwrap();
        let weights = "model.safetensors";
        std::fs::copy(folder.join(weights), copy.path().join(weights)).unwrap();
        let sequences: Vec<Sequence> =
            expected(&folder).into_iter().map(|it| it.sequence).collect();
        let ask = |folder: &Path| load(folder).token_nll(&sequences, &Unwatched).unwrap();
        assert_eq!(ask(copy.path()), ask(&folder), "{}", name(&folder));
    }
    assert!(count >= 5, "{count} folders have one");
}
