//! Adapters against PEFT: the same data, order, initial values and optimizer. Expected values:
//! `tests/golden/lora.py`.

use super::*;
use crate::Activations;
use crate::AdamWOptions;
use crate::Precision;
use crate::lora::LoraOptions;
use crate::tensor_file::TensorFile;
use crate::testing::{learner, sequences};
use crate::{LoraInit, Targets};
use iterit_core::config::MicroBatch;
use iterit_core::learner::{LossNormalization, Unwatched};
use serde_json::Value;
use std::fs;
use tch::{Kind, Tensor};

/// Of losses, relative, over all steps.
const LOSS: f64 = 1e-4;
/// Of logits after all steps.
const LOGITS: f64 = 1e-4;
/// Of matrices after all steps; AdamW turns the sign of a gradient near zero into a whole step.
const MATRIX: f64 = 2e-4;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden")
}

struct Case {
    name: String,
    folder: PathBuf,
    expected: Value,
}

fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = fs::read_dir(golden().join("lora"))
        .unwrap()
        .map(|entry| {
            let folder = entry.unwrap().path();
            let text = fs::read(folder.join("expected.json")).unwrap();
            let name = folder.file_name().unwrap().to_string_lossy().into_owned();
            Case { name, folder, expected: serde_json::from_slice(&text).unwrap() }
        })
        .collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(cases.len() >= 5, "{}", cases.len());
    cases
}

impl Case {
    fn options(&self) -> LearnerOptions {
        let weight_decay = self.number("weight_decay");
        let adamw = AdamWOptions { weight_decay, ..AdamWOptions::default() };
        let base = match self.expected["base"].as_str() {
            None => Base::Frozen,
            Some("int8") => Base::Int8,
            Some("nf4") => Base::Nf4,
            Some(other) => panic!("{other}"),
        };
        LearnerOptions { base, adamw, ..LearnerOptions::default() }
    }

    fn base(&self, options: LearnerOptions) -> TorchLearner {
        let checkpoint = golden().join(self.expected["checkpoint"].as_str().unwrap());
        TorchLearner::load(&checkpoint, options).unwrap()
    }

    fn number(&self, name: &str) -> f64 {
        self.expected[name].as_f64().unwrap()
    }

    fn numbers(&self, name: &str) -> Vec<f64> {
        serde_json::from_value(self.expected[name].clone()).unwrap()
    }

    fn samples(&self) -> Vec<Sequence> {
        let sample = |sample: &Value| {
            let tokens: Vec<u32> = serde_json::from_value(sample["tokens"].clone()).unwrap();
            let [start, end]: [usize; 2] =
                serde_json::from_value(sample["scored"].clone()).unwrap();
            Sequence { tokens, scored: (start..end).into() }
        };
        self.expected["samples"].as_array().unwrap().iter().map(sample).collect()
    }

    /// Goes through all steps; losses and gradient norms.
    fn train(&self, learner: &mut TorchLearner) -> (Vec<f64>, Vec<f64>) {
        let samples = self.samples();
        let options = StepOptions {
            learning_rate: self.number("learning_rate"),
            max_grad_norm: self.number("max_grad_norm"),
            loss_normalization: LossNormalization::Sample,
        };
        let steps: Vec<Vec<usize>> =
            serde_json::from_value(self.expected["steps"].clone()).unwrap();
        let step = |step: &Vec<usize>| {
            let chosen: Vec<&[Sequence]> =
                step.iter().map(|&index| std::slice::from_ref(&samples[index])).collect();
            let outcome = learner.step(&chosen, &options).unwrap();
            (outcome.loss, outcome.grad_norm)
        };
        steps.iter().map(step).unzip()
    }

    /// Losses and logits of the model as it is after all steps.
    fn check_answers(&self, learner: &mut TorchLearner) {
        let samples = self.samples();
        let nll: Vec<Vec<f64>> = serde_json::from_value(self.expected["nll"].clone()).unwrap();
        let found = learner.token_nll(&samples[..nll.len()], &Unwatched).unwrap();
        let found: Vec<f64> = found.into_iter().flatten().map(f64::from).collect();
        close(&self.name, &found, &nll.concat(), LOSS);
        let logits: Vec<Vec<f64>> =
            serde_json::from_value(self.expected["logits"].clone()).unwrap();
        for (sample, expected) in samples.iter().zip(&logits) {
            let found = learner.next_logits(&sample.tokens).unwrap();
            let found: Vec<f64> = found.into_iter().map(f64::from).collect();
            close(&self.name, &found, expected, LOGITS);
        }
    }
}

/// Relative to the value or 1.
#[track_caller]
fn close(name: &str, found: &[f64], expected: &[f64], tolerance: f64) -> f64 {
    assert_eq!(found.len(), expected.len(), "{name}");
    let difference = |(a, b): (&f64, &f64)| (a - b).abs() / b.abs().max(1.0);
    let worst = found.iter().zip(expected).map(difference).fold(0.0, f64::max);
    assert!(worst < tolerance, "{name}: {worst:.1e}");
    worst
}

fn matrices(folder: &Path) -> Vec<(String, Tensor)> {
    let file = TensorFile::open(&folder.join("adapter_model.safetensors")).unwrap();
    file.names().into_iter().map(|name| (name.clone(), file.read(&name).unwrap())).collect()
}

#[test]
fn thirty_steps_are_those_of_peft() {
    for case in cases() {
        for activations in [Activations::Keep, Activations::Recompute] {
            let options = LearnerOptions { activations, ..case.options() };
            let base = case.base(options);
            let mut learner = base.adapt_by(&case.folder.join("start"), None, 0).unwrap();
            let (losses, norms) = case.train(&mut learner);
            let loss = close(&case.name, &losses, &case.numbers("losses"), LOSS);
            let norm = close(&case.name, &norms, &case.numbers("grad_norms"), 10.0 * LOSS);
            eprintln!("{}: losses {loss:.1e}, gradient norms {norm:.1e}", case.name);
            case.check_answers(&mut learner);
        }
    }
}

#[test]
fn an_adapter_of_peft_answers_as_in_peft_alone_and_merged() {
    for case in cases() {
        let trained = case.folder.join("trained");
        let mut learner = case.base(case.options()).adapt_by(&trained, None, 0).unwrap();
        case.check_answers(&mut learner);
        let out = tempfile::tempdir().unwrap();
        learner.export_merged(out.path()).unwrap();
        let mut merged = TorchLearner::load(out.path(), LearnerOptions::default()).unwrap();
        case.check_answers(&mut merged);
    }
}

#[test]
fn what_is_written_is_what_peft_writes() {
    for case in cases() {
        let start = case.folder.join("start");
        let mut learner = case.base(case.options()).adapt_by(&start, None, 0).unwrap();
        let out = tempfile::tempdir().unwrap();
        learner.export(out.path()).unwrap();
        assert_eq!(matrices(out.path()), matrices(&start), "{}", case.name);
        case.train(&mut learner);
        learner.export(out.path()).unwrap();
        let (found, expected) = (matrices(out.path()), matrices(&case.folder.join("trained")));
        for ((name, found), (expected_name, expected)) in found.iter().zip(&expected) {
            let difference = (found - expected).abs().max().double_value(&[]);
            assert!(name == expected_name && difference < MATRIX, "{name}: {difference:.1e}");
        }
        let read = |folder: &Path| -> Value {
            serde_json::from_slice(&fs::read(folder.join("adapter_config.json")).unwrap()).unwrap()
        };
        let (found, expected) = (read(out.path()), read(&start));
        for (field, value) in found.as_object().unwrap() {
            // Of all linear layers PEFT writes whole names, where their ends say as much.
            let ends = field != "target_modules" || case.name != "all-linear";
            if field != "base_model_name_or_path" && ends {
                assert_eq!(value, &expected[field], "{}: {field}", case.name);
            }
        }
    }
}

#[test]
fn an_adapter_for_something_else_is_refused_with_every_fault() {
    let cases = cases();
    let of = |name: &str| cases.iter().find(|case| case.name == name).unwrap();
    let refused = |case: &Case, folder: &Path, faults: &[&str]| {
        let refused = case.base(case.options()).adapt_by(folder, None, 0);
        let message = refused.err().expect("a fault").to_string();
        assert!(faults.iter().all(|fault| message.contains(fault)), "{message}");
    };
    refused(
        of("all-linear"),
        &of("fused").folder.join("start"),
        &[
            "qkv_proj.lora_A.weight` belongs to no linear layer",
            "layers.2.mlp.down_proj.lora_A.weight` belongs to no linear layer",
            "layers.0.mlp.down_proj.lora_A.weight` has shape [4, 40]: expected [4, 56]",
        ],
    );
    let nowhere = tempfile::tempdir().unwrap();
    refused(of("tied"), nowhere.path(), &["there is no adapter_config.json"]);
    let start = of("tied").folder.join("start");
    let config = fs::read_to_string(start.join("adapter_config.json")).unwrap();
    let place = nowhere.path().join("adapter_config.json");
    fs::write(&place, &config).unwrap();
    refused(of("tied"), nowhere.path(), &["there is no adapter_model.safetensors"]);
    fs::copy(
        start.join("adapter_model.safetensors"),
        nowhere.path().join("adapter_model.safetensors"),
    )
    .unwrap();
    fs::write(&place, config.replace("\"r\": 2", "\"r\": 3")).unwrap();
    refused(of("tied"), nowhere.path(), &["has shape [2, 32]: expected [3, 32]"]);
    fs::write(&place, config.replace("\"use_dora\": false", "\"use_dora\": true")).unwrap();
    refused(of("tied"), nowhere.path(), &["`use_dora` is true, which is not supported"]);
}

fn lora() -> LoraOptions {
    let targets = Targets::Named(vec!["q_proj".into(), "down_proj".into(), "up_proj".into()]);
    LoraOptions { rank: 3, alpha: 6.0, targets, rank_stabilized: false, init: LoraInit::Kaiming }
}

const STEP: StepOptions = StepOptions {
    learning_rate: 1e-2,
    max_grad_norm: 1.0,
    loss_normalization: LossNormalization::Sample,
};

fn adapted(options: LearnerOptions, dropout: f64) -> TorchLearner {
    let base = if options.base == Base::Trained { Base::Frozen } else { options.base };
    let options = LearnerOptions { base, ..options };
    learner(&serde_json::json!({}), options).adapt(&lora(), dropout, 11).unwrap()
}

fn trained(learner: &TorchLearner) -> Vec<Tensor> {
    learner.trainable.iter().map(|it| it.tensor.detach().copy()).collect()
}

fn step(learner: &mut TorchLearner, samples: &[Sequence]) -> StepOutcome {
    let samples: Vec<&[Sequence]> = samples.iter().map(std::slice::from_ref).collect();
    learner.step(&samples, &STEP).unwrap()
}

#[test]
fn an_adapter_that_changes_nothing_is_no_file() {
    let mut learner = adapted(LearnerOptions::default(), 0.0);
    let out = tempfile::tempdir().unwrap();
    let message = learner.export(out.path()).unwrap_err().to_string();
    assert!(message.contains("every lora_B is zero"), "{message}");
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0);
    step(&mut learner, &sequences(4));
    learner.export(out.path()).unwrap();
    let mut names: Vec<_> =
        fs::read_dir(out.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["adapter_config.json", "adapter_model.safetensors"]);
    let message = testing_learner().export_merged(out.path()).unwrap_err().to_string();
    assert!(message.contains("no adapter to merge"), "{message}");
}

fn testing_learner() -> TorchLearner {
    learner(&serde_json::json!({}), LearnerOptions::default())
}

/// Two steps, so that both matrices have moved.
#[test]
fn dropout_does_not_depend_on_how_a_step_is_cut_or_run() {
    let samples = sequences(9);
    let run = |micro_batch, activations| {
        let options = LearnerOptions { micro_batch, activations, ..LearnerOptions::default() };
        let mut learner = adapted(options, 0.4);
        let losses: Vec<f64> = (0..2).map(|_| step(&mut learner, &samples).loss).collect();
        (losses, trained(&learner))
    };
    let (losses, expected) = run(MicroBatch::Auto, Activations::Keep);
    let one = MicroBatch::Samples(NonZeroUsize::new(1).unwrap());
    let four = MicroBatch::Samples(NonZeroUsize::new(4).unwrap());
    for (micro_batch, activations) in [
        (MicroBatch::Auto, Activations::Recompute),
        (one, Activations::Keep),
        (four, Activations::Recompute),
    ] {
        let (found, matrices) = run(micro_batch, activations);
        close("losses", &found, &losses, 1e-5);
        for (a, b) in matrices.iter().zip(&expected) {
            assert!((a - b).abs().max().double_value(&[]) < 1e-4);
        }
    }
    let mut without = adapted(LearnerOptions::default(), 0.0);
    step(&mut without, &samples);
    assert!((step(&mut without, &samples).loss - losses[1]).abs() > 1e-5, "nothing is dropped");
}

#[test]
fn a_checkpoint_with_dropout_continues_to_the_same_bits() {
    let samples = sequences(6);
    for precision in [Precision::Float32, Precision::Bfloat16, Precision::PureBfloat16] {
        let options = LearnerOptions { precision, ..LearnerOptions::default() };
        let mut straight = adapted(options, 0.25);
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..3 {
            step(&mut straight, &samples);
        }
        straight.save(folder.path()).unwrap();
        let expected: Vec<StepOutcome> = (0..3).map(|_| step(&mut straight, &samples)).collect();

        let mut resumed = adapted(options, 0.25);
        resumed.restore(folder.path()).unwrap();
        let found: Vec<StepOutcome> = (0..3).map(|_| step(&mut resumed, &samples)).collect();
        assert_eq!(found, expected, "{precision}");
        assert_eq!(trained(&resumed), trained(&straight), "{precision}");
        let weights = TensorFile::open(&folder.path().join("weights.safetensors")).unwrap();
        assert!(weights.names().iter().all(|name| name.contains(".lora_")), "the adapter alone");
        assert!(resumed.trainable.iter().all(|it| it.tensor.kind() == Kind::Float));
    }
}

/// Questions are answered by the sum that training steps on, to 1e-5 in float32.
#[test]
fn an_adapted_model_is_asked_as_it_is_trained() {
    let samples = sequences(8);
    for (precision, tolerance) in [(Precision::Float32, 1e-5), (Precision::Bfloat16, 1e-3)] {
        let mut learner = adapted(LearnerOptions { precision, ..LearnerOptions::default() }, 0.0);
        let first = step(&mut learner, &samples).loss;
        for _ in 0..10 {
            let asked = learner.token_nll(&samples, &Unwatched).unwrap();
            let mean =
                |row: &Vec<f32>| row.iter().map(|&x| f64::from(x)).sum::<f64>() / row.len() as f64;
            let asked = asked.iter().map(mean).sum::<f64>() / samples.len() as f64;
            let trained = step(&mut learner, &samples).loss;
            assert!((asked - trained).abs() < tolerance * trained, "{asked} {trained}");
        }
        assert!(step(&mut learner, &samples).loss < 0.95 * first, "{precision}");
        assert!(learner.weights.iter().all(|(_, weight)| !weight.grad().defined()));
    }
}

/// Two adapters over one base are trained as each over its own, and hold the same tensors.
#[test]
fn learners_over_one_base_do_not_meet() {
    let samples = sequences(6);
    for base in [Base::Frozen, Base::Nf4] {
        let options = LearnerOptions { base, ..LearnerOptions::default() };
        let shared = learner(&serde_json::json!({}), options);
        let alone = |seed| {
            let mut learner =
                learner(&serde_json::json!({}), options).adapt(&lora(), 0.1, seed).unwrap();
            (step(&mut learner, &samples), step(&mut learner, &samples))
        };
        let mut one = shared.sharing(options).adapt(&lora(), 0.1, 1).unwrap();
        let mut two = shared.sharing(options).adapt(&lora(), 0.1, 2).unwrap();
        let data = |learner: &TorchLearner| learner.weights.iter().next().unwrap().1.data_ptr();
        assert_eq!(data(&one), data(&shared));
        let first = [step(&mut one, &samples), step(&mut two, &samples)];
        let second = [step(&mut one, &samples), step(&mut two, &samples)];
        assert_eq!([alone(1), alone(2)].map(|steps| steps.0), first, "{base:?}");
        assert_eq!([alone(1), alone(2)].map(|steps| steps.1), second, "{base:?}");
    }
}

#[test]
fn memory_is_the_frozen_weights_and_the_adapter_with_its_moments() {
    let options = LearnerOptions { precision: Precision::Bfloat16, ..LearnerOptions::default() };
    let facts = adapted(options, 0.0).facts();
    let whole = testing_learner().facts();
    // q: 3 · (32 + 32), up and down: 3 · (32 + 48), in three layers.
    let adapter = 3 * (3 * 64 + 2 * 3 * 80);
    assert_eq!((facts.trained, facts.parameters), (adapter, whole.parameters + adapter));
    assert_eq!(facts.resident_bytes, whole.parameters * 2 + adapter * 16);
    let facts = adapted(LearnerOptions { base: Base::Nf4, ..options }, 0.0).facts();
    // Embedding, head and norms are as they were; 4.5 bits are left of every other number.
    let kept = 2 * 61 * 32 + 7 * 32;
    let packed = whole.parameters - kept;
    assert_eq!(facts.parameters, whole.parameters + adapter);
    assert_eq!(facts.resident_bytes, kept * 2 + packed * 9 / 16 + adapter * 16);
    assert_eq!(facts.dtype, "bfloat16 over nf4");
}
