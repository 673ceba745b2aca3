//! The learner against independent versions of what it does: one sequence at a time in f64, one
//! micro-batch, the published values.

use super::*;
use crate::Activations;
use crate::models::reference::Reference;
use crate::testing::{VOCABULARY, learner, sequences, variants};
use crate::{AdamWOptions, Moments, Precision};
use iterit_core::config::MicroBatch;
use iterit_core::learner::{LossNormalization, Scored, Unwatched};
use iterit_core::sdk::Pooling;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use tch::{Kind, Tensor};

const STEP: StepOptions = StepOptions {
    learning_rate: 1e-2,
    max_grad_norm: 1.0,
    loss_normalization: LossNormalization::Sample,
};

fn non_zero(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap()
}

/// Every sequence a sample of its own.
fn alone(sequences: &[Sequence]) -> Vec<&[Sequence]> {
    sequences.iter().map(std::slice::from_ref).collect()
}

fn weights(learner: &TorchLearner) -> Vec<Tensor> {
    learner.weights.iter().map(|(_, tensor)| tensor.detach().copy()).collect()
}

/// The largest difference, relative to the largest value.
fn distance(a: &[Tensor], b: &[Tensor]) -> f64 {
    let largest = |tensor: Tensor| tensor.abs().max().double_value(&[]);
    let differences = a.iter().zip(b).map(|(a, b)| largest(a - b) / largest(b.copy()).max(1e-3));
    differences.fold(0.0, f64::max)
}

#[test]
fn losses_are_those_of_one_sequence_at_a_time_in_f64() {
    let sequences = sequences(40);
    for changes in variants() {
        let mut learner = learner(&changes, LearnerOptions::default());
        let reference = Reference::new(&learner.shape, &learner.weights);
        let expected: Vec<Vec<f64>> = sequences
            .iter()
            .map(|Sequence { tokens, scored }| match scored.is_empty() {
                true => Vec::new(),
                false => {
                    let all = reference.token_nll(tokens);
                    scored.positions().map(|position| all[position - 1]).collect()
                }
            })
            .collect();
        for scoring_tokens in [None, Some(non_zero(200)), Some(non_zero(1))] {
            learner.options.scoring_tokens = scoring_tokens;
            let got = learner.token_nll(&sequences, &Unwatched).unwrap();
            for (got, expected) in got.iter().zip(&expected) {
                assert_eq!(got.len(), expected.len());
                for (&got, &expected) in got.iter().zip(expected) {
                    let difference = (f64::from(got) - expected).abs();
                    assert!(difference < 4e-6 * expected.max(1.0), "{got} {expected} {changes}");
                }
            }
        }
    }
}

#[test]
fn logit_statistics_average_over_scored_tokens() {
    let sequences = sequences(12);
    let mut learner = learner(&json!({}), LearnerOptions::default());
    let got = learner.logit_statistics(&sequences, &Unwatched).unwrap();
    for (index, (sequence, got)) in sequences.iter().zip(&got).enumerate() {
        assert_eq!(got.tokens as usize, sequence.scored.len());
        if sequence.scored.is_empty() {
            assert!(got.entropy.is_nan() && got.margin.is_nan());
            continue;
        }
        // Asking for one token's loss under every continuation gives its distribution.
        let mut sums = [0.0; 2];
        for position in sequence.scored.positions() {
            let ask = |token| Sequence {
                tokens: [&sequence.tokens[..position], &[token]].concat(),
                scored: (position..position + 1).into(),
            };
            let asked: Vec<Sequence> = (0..VOCABULARY).map(ask).collect();
            let losses = learner.token_nll(&asked, &Unwatched).unwrap();
            let mut p: Vec<f64> = losses.iter().map(|loss| (-f64::from(loss[0])).exp()).collect();
            p.sort_by(f64::total_cmp);
            sums[0] -= p.iter().map(|p| p * p.ln()).sum::<f64>();
            sums[1] += p[p.len() - 1] - p[p.len() - 2];
        }
        let count = sequence.scored.len() as f64;
        assert!((got.entropy - sums[0] / count).abs() < 1e-5, "{index}");
        assert!((got.margin - sums[1] / count).abs() < 1e-5, "{index}");
    }
}

#[test]
fn embeddings_are_pooled_hidden_states() {
    let sequences = sequences(9);
    let mut learner = learner(&json!({}), LearnerOptions::default());
    let expected: Vec<Vec<Vec<f64>>> = {
        let reference = Reference::new(&learner.shape, &learner.weights);
        sequences.iter().map(|sequence| reference.hidden(&sequence.tokens)).collect()
    };
    for pooling in [Pooling::Mean, Pooling::Last] {
        let last = Embedding { pooling, layer: -1 };
        let got = learner.embeddings(&sequences, last, &Unwatched).unwrap();
        assert_eq!((got.rows(), got.columns()), (9, 32));
        for (row, hidden) in expected.iter().enumerate() {
            for (i, &value) in got.row(row).iter().enumerate() {
                let expected = match pooling {
                    Pooling::Mean => hidden.iter().map(|h| h[i]).sum::<f64>() / hidden.len() as f64,
                    Pooling::Last => hidden[hidden.len() - 1][i],
                };
                assert!((f64::from(value) - expected).abs() < 1e-5, "{value} {expected}");
            }
        }
        let same = Embedding { pooling, layer: 3 };
        assert_eq!(learner.embeddings(&sequences, same, &Unwatched).unwrap(), got);
    }

    let table = &learner.weights.iter().next().unwrap().1.copy();
    let embedding = Embedding { pooling: Pooling::Last, layer: 0 };
    for layer in [0, -4] {
        let embedding = Embedding { layer, ..embedding };
        let got = learner.embeddings(&sequences, embedding, &Unwatched).unwrap();
        let last = i64::from(*sequences[5].tokens.last().unwrap());
        assert_eq!(got.row(5), Vec::<f32>::try_from(table.get(last).detach()).unwrap());
    }
    for layer in [4, -5] {
        let embedding = Embedding { layer, ..embedding };
        let message = learner.embeddings(&sequences, embedding, &Unwatched).unwrap_err();
        assert!(message.to_string().contains("expected -4 to 3"), "{message}");
    }
}

/// What a step's gradients should be, in one piece: every sample alone, a graph through the whole loss.
fn explicit_gradients(learner: &TorchLearner, samples: &[Sequence], token: bool) -> Vec<Tensor> {
    let (shape, weights) = (&learner.shape, &learner.weights);
    let (packed, adapters) = (&learner.packed, learner.adapters.as_ref());
    let model = Model { shape, weights, packed, adapters };
    let decoder = model.decoder(None);
    let counts = samples.iter().map(|sample| sample.scored.len());
    let num_tokens: usize = counts.clone().sum();
    let num_samples = counts.filter(|&count| count > 0).count();
    let mut total = Tensor::zeros([], (Kind::Float, Device::Cpu));
    for sample in samples.iter().filter(|sample| !sample.scored.is_empty()) {
        let tokens: Vec<i64> = sample.tokens.iter().map(|&token| i64::from(token)).collect();
        let length = tokens.len();
        let reach = learner.positions.reach_of(length);
        let place = crate::models::place::Place::start(&learner.positions, reach, length);
        let tokens = Tensor::from_slice(&tokens);
        let hidden = decoder.hidden_after(decoder.num_layers(), &tokens.unsqueeze(0), &place);
        let logits = decoder.head().logits(&hidden.squeeze_dim(0)); // [T, V]
        let count = sample.scored.len() as i64;
        let scored: Vec<i64> = sample.scored.positions().map(|it| it as i64).collect();
        let scored = Tensor::from_slice(&scored);
        let losses = logits.index_select(0, &(&scored - 1)).cross_entropy_loss::<Tensor>(
            &tokens.index_select(0, &scored),
            None,
            tch::Reduction::Sum,
            -100,
            0.0,
        );
        let divisor = if token { num_tokens } else { num_samples * count as usize };
        total += losses / divisor as f64;
    }
    total.backward();
    take_gradients(learner)
}

fn take_gradients(learner: &TorchLearner) -> Vec<Tensor> {
    let gradients = learner.weights.iter().map(|(_, tensor)| tensor.grad().copy()).collect();
    learner.trainable.clear_gradients().unwrap();
    gradients
}

#[test]
fn gradients_do_not_depend_on_how_a_step_is_cut() {
    let samples = sequences(12);
    for changes in variants() {
        let mut learner = learner(&changes, LearnerOptions::default());
        learner.reach(&samples);
        for normalization in [LossNormalization::Sample, LossNormalization::Token] {
            let token = normalization == LossNormalization::Token;
            let expected = explicit_gradients(&learner, &samples, token);
            let options = StepOptions { loss_normalization: normalization, ..STEP };
            for micro_batch in [MicroBatch::Auto, MicroBatch::Samples(non_zero(1))] {
                for (activations, lanes) in [
                    (Activations::Keep, 1),
                    (Activations::Keep, 2),
                    (Activations::Recompute, 1),
                    (Activations::Recompute, 3),
                ] {
                    learner.lanes = lanes;
                    learner.options =
                        LearnerOptions { micro_batch, activations, ..learner.options };
                    let asked: Vec<&[Sequence]> =
                        samples.iter().map(std::slice::from_ref).collect();
                    learner.gradient(&asked, &options).unwrap();
                    let difference = distance(&take_gradients(&learner), &expected);
                    assert!(
                        difference < 2e-5,
                        "{difference} {micro_batch:?} {activations:?} {lanes}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_step_says_what_each_sample_lost() {
    let samples = sequences(12);
    let mut learner = learner(&json!({}), LearnerOptions::default());
    let nll = learner.token_nll(&samples, &Unwatched).unwrap();
    let sum = |losses: &Vec<f32>| losses.iter().map(|&loss| f64::from(loss)).sum::<f64>();
    let outcome =
        learner.step(&alone(&samples), &StepOptions { learning_rate: 0.0, ..STEP }).unwrap();
    let mut means = Vec::new();
    for (losses, &mean) in nll.iter().zip(&outcome.losses) {
        assert_eq!(losses.is_empty(), mean.is_nan());
        if !losses.is_empty() {
            assert!((mean - sum(losses) / losses.len() as f64).abs() < 1e-5);
            means.push(mean);
        }
    }
    assert!((outcome.loss - means.iter().sum::<f64>() / means.len() as f64).abs() < 1e-6);
    let by_token = StepOptions { loss_normalization: LossNormalization::Token, ..STEP };
    let outcome = learner.step(&alone(&samples), &by_token).unwrap();
    let count = nll.iter().flatten().count() as f64;
    assert!((outcome.loss - nll.iter().map(sum).sum::<f64>() / count).abs() < 1e-5);
}

#[test]
fn training_in_every_precision_lowers_the_loss() {
    let samples = sequences(6);
    for precision in [Precision::Float32, Precision::Bfloat16, Precision::PureBfloat16] {
        for activations in [Activations::Keep, Activations::Recompute] {
            let options = LearnerOptions { precision, activations, ..LearnerOptions::default() };
            let mut learner = learner(&json!({"tie_word_embeddings": true}), options);
            let asked = |learner: &mut TorchLearner| {
                let losses = learner.token_nll(&samples, &Unwatched).unwrap();
                let means = losses.iter().map(|row| row.iter().sum::<f32>() / row.len() as f32);
                f64::from(means.sum::<f32>()) / samples.len() as f64
            };
            let first = asked(&mut learner);
            for _ in 0..15 {
                // Asking between steps sees the weights as they are then.
                let before = asked(&mut learner);
                let trained = learner.step(&alone(&samples), &STEP).unwrap().loss;
                assert!((before - trained).abs() < 1e-3 * trained, "{precision}");
            }
            let last = asked(&mut learner);
            assert!(last < 0.6 * first, "{precision} {first} {last}");
        }
    }
}

#[test]
fn a_checkpoint_continues_to_the_same_bits() {
    let samples = sequences(6);
    let precisions = [Precision::Float32, Precision::Bfloat16, Precision::PureBfloat16];
    // Matrices of more than 4096 numbers.
    let wide = json!({"hidden_size": 96});
    let kept = [Moments::AsTrained, Moments::Bfloat16, Moments::EightBits];
    for (precision, moments) in precisions.into_iter().flat_map(|it| kept.map(|kept| (it, kept))) {
        let adamw = AdamWOptions { moments, seed: 5, ..AdamWOptions::default() };
        let options = LearnerOptions { precision, adamw, ..LearnerOptions::default() };
        let mut straight = learner(&wide, options);
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        straight.save(folders[0].path()).unwrap();
        straight.step(&alone(&samples), &STEP).unwrap();
        straight.step(&alone(&samples), &STEP).unwrap();
        straight.save(folders[1].path()).unwrap();
        let outcome = straight.step(&alone(&samples), &STEP).unwrap();

        let mut resumed = TorchLearner::random(straight.config.clone(), 99, options).unwrap();
        resumed.restore(folders[1].path()).unwrap();
        assert_eq!(resumed.step(&alone(&samples), &STEP).unwrap(), outcome);
        assert_eq!(weights(&resumed), weights(&straight));
        // Back to the very start, moments forgotten.
        resumed.restore(folders[0].path()).unwrap();
        (0..3).for_each(|_| drop(resumed.step(&alone(&samples), &STEP).unwrap()));
        assert_eq!(weights(&resumed), weights(&straight));
    }
}

#[test]
fn a_checkpoint_of_something_else_is_refused_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut saved = learner(&json!({}), LearnerOptions::default());
    saved.step(&alone(&sequences(2)), &STEP).unwrap();
    saved.save(folder.path()).unwrap();

    let check = |learner: &mut TorchLearner, fault: &str| {
        let before = weights(learner);
        let message = learner.restore(folder.path()).unwrap_err().to_string();
        assert!(message.contains(fault), "{message}");
        assert_eq!(weights(learner), before);
    };
    let wide = json!({"intermediate_size": 50});
    check(&mut learner(&wide, LearnerOptions::default()), "gate_proj.weight` is (Float, [48, 32])");
    let precision = Precision::Bfloat16;
    let other = LearnerOptions { precision, ..LearnerOptions::default() };
    check(&mut learner(&json!({}), other), "dtype is float32, the run's bfloat16");
    let optimizer = folder.path().join("optimizer.safetensors");
    let whole = std::fs::read(&optimizer).unwrap();
    std::fs::write(&optimizer, &whole[..whole.len() - 1]).unwrap();
    check(&mut learner(&json!({}), LearnerOptions::default()), "truncated");
}

#[test]
fn an_export_loads_again() {
    for changes in variants() {
        let folder = tempfile::tempdir().unwrap();
        let mut learner = learner(&changes, LearnerOptions::default());
        learner.export(folder.path()).unwrap();
        let mut loaded = TorchLearner::load(folder.path(), LearnerOptions::default()).unwrap();
        assert_eq!(weights(&loaded), weights(&learner));
        assert_eq!(loaded.facts(), learner.facts());
        let nll =
            |learner: &mut TorchLearner| learner.token_nll(&sequences(5), &Unwatched).unwrap();
        assert_eq!(nll(&mut loaded), nll(&mut learner));

        let file = std::fs::read(folder.path().join("model.safetensors")).unwrap();
        let names = safetensors::SafeTensors::deserialize(&file).unwrap();
        let tied = changes["tie_word_embeddings"] == true;
        assert_eq!(names.names().contains(&"lm_head.weight"), !tied);
    }
}

#[test]
fn an_export_says_which_type_it_has() {
    for (precision, dtype) in [
        (Precision::Float32, "float32"),
        (Precision::Bfloat16, "bfloat16"),
        (Precision::PureBfloat16, "bfloat16"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let options = LearnerOptions { precision, ..LearnerOptions::default() };
        learner(&json!({}), options).export(folder.path()).unwrap();
        let config = std::fs::read(folder.path().join("config.json")).unwrap();
        let config: Value = serde_json::from_slice(&config).unwrap();
        assert_eq!(config["torch_dtype"], dtype);
        let file = std::fs::read(folder.path().join("model.safetensors")).unwrap();
        let tensors = safetensors::SafeTensors::deserialize(&file).unwrap();
        let expected =
            if dtype == "float32" { safetensors::Dtype::F32 } else { safetensors::Dtype::BF16 };
        assert!(tensors.iter().all(|(_, tensor)| tensor.dtype() == expected));
    }
}

#[test]
fn questions_that_make_no_sense_are_refused() {
    let mut learner = learner(&json!({"max_position_embeddings": 8}), LearnerOptions::default());
    let mut check = |tokens: Vec<u32>, fault: &str| {
        let sequence = [Sequence { scored: (1..tokens.len()).into(), tokens }];
        let asked = learner.token_nll(&sequence, &Unwatched).unwrap_err().to_string();
        let trained = learner.step(&alone(&sequence), &STEP).unwrap_err().to_string();
        assert!(asked.contains(fault) && trained.contains(fault), "{asked}\n{trained}");
    };
    check(vec![1, VOCABULARY], "token id 61 in sequence 0, but the model knows ids below 61");
    // The last of them is not run.
    check(vec![1; 10], "sequence 0 has 10 tokens, the model's limit is 8");
    let unscored = [Sequence { tokens: vec![1, 2], scored: Scored::default() }];
    let message = learner.step(&alone(&unscored), &STEP).unwrap_err().to_string();
    assert!(message.contains("no sample of this step has a token that carries loss"), "{message}");
}

#[test]
fn a_diverged_step_is_an_error_and_leaves_the_weights() {
    let mut learner = learner(&json!({}), LearnerOptions::default());
    {
        let _no_grad = tch::no_grad_guard();
        let (_, second) = learner.weights.iter().nth(1).unwrap();
        let _ = second.shallow_clone().fill_(f64::INFINITY);
    }
    let before = weights(&learner);
    let message = learner.step(&alone(&sequences(2)), &STEP).unwrap_err().to_string();
    assert!(message.contains("training diverged: the loss is NaN"), "{message}");
    assert!(weights(&learner).iter().zip(&before).all(|(a, b)| a.equal(b)));
    let message = learner.token_nll(&sequences(2), &Unwatched).unwrap_err().to_string();
    assert!(message.contains("is not a finite number"), "{message}");
}

#[test]
fn what_libtorch_throws_becomes_one_line() {
    let shapes = || {
        let tensor = |size: i64| Tensor::zeros([size], (Kind::Float, Device::Cpu));
        let _ = tensor(2) + tensor(3);
        Ok(())
    };
    let message = guarded(shapes).unwrap_err().to_string();
    assert!(message.starts_with("libtorch: The size of tensor a (2)"), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
}

/// Counts tokens, and stops after some.
struct StopAfter {
    limit: u64,
    done: AtomicU64,
    total: AtomicU64,
}

impl Watch for StopAfter {
    fn progress(&self, done: u64, total: u64) {
        assert!(done <= total);
        self.done.store(done, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
    }
    fn is_cancelled(&self) -> bool {
        self.done.load(Ordering::Relaxed) > self.limit
    }
}

#[test]
fn long_work_is_watched_and_stops() {
    let sequences = sequences(40);
    let options =
        LearnerOptions { scoring_tokens: Some(non_zero(100)), ..LearnerOptions::default() };
    let mut learner = learner(&json!({}), options);
    let watch = |limit| StopAfter { limit, done: AtomicU64::new(0), total: AtomicU64::new(0) };
    let patient = watch(u64::MAX);
    learner.token_nll(&sequences, &patient).unwrap();
    let total = patient.total.load(Ordering::Relaxed);
    assert!(total > 0 && patient.done.load(Ordering::Relaxed) == total);

    let impatient = watch(100);
    let stopped = learner.token_nll(&sequences, &impatient);
    assert!(matches!(stopped, Err(Error::Cancelled)));
    assert!(impatient.done.load(Ordering::Relaxed) < total / 2);
    let embedding = Embedding { pooling: Pooling::Mean, layer: -1 };
    assert!(matches!(learner.embeddings(&sequences, embedding, &watch(1)), Err(Error::Cancelled)));
}

#[test]
fn answers_are_the_same_to_the_byte_however_many_batches_run_at_once() {
    let sequences = sequences(60);
    let options =
        LearnerOptions { scoring_tokens: Some(non_zero(100)), ..LearnerOptions::default() };
    let mut learner = learner(&json!({}), options);
    let embedding = Embedding { pooling: Pooling::Mean, layer: -1 };
    let mut answers = |lanes| {
        learner.lanes = lanes;
        (
            learner.token_nll(&sequences, &Unwatched).unwrap(),
            learner.logit_statistics(&sequences, &Unwatched).unwrap(),
            learner.embeddings(&sequences, embedding, &Unwatched).unwrap(),
        )
    };
    let two = answers(2);
    for lanes in [3, 7] {
        let more = answers(lanes);
        assert!(two.0 == more.0 && two.2 == more.2, "{lanes}");
        let text = |it: &Vec<LogitStatistics>| format!("{it:?}");
        assert_eq!(text(&two.1), text(&more.1), "{lanes}");
    }
    let one = answers(1);
    for (one, two) in one.0.iter().flatten().zip(two.0.iter().flatten()) {
        assert!((one - two).abs() < 1e-5 * two.abs().max(1.0), "{one} {two}");
    }
}

/// Published losses of real text under a real model, when the data is there.
#[test]
fn losses_agree_with_the_published_program() {
    let Some(data) = std::env::var_os("ITERIT_TEST_DATA").map(std::path::PathBuf::from) else {
        eprintln!("skipped: ITERIT_TEST_DATA is not set");
        return;
    };
    let read = |file: &str| -> Value {
        let text = std::fs::read(data.join("golden/ifd").join(file)).unwrap();
        serde_json::from_slice(&text).unwrap()
    };
    let prompts = read("prompts_20.json");
    let scores = read("scores_tinystories-656k-chat_200.json");
    let model = data.join("models/tinystories-656k-chat");
    let mut learner = TorchLearner::load(&model, LearnerOptions::default()).unwrap();

    let mut sequences = Vec::new();
    let mut expected = Vec::new();
    for prompt in prompts["prompts"].as_array().unwrap() {
        let row = &scores["rows"][prompt["id"].as_u64().unwrap() as usize];
        for (ids, start, loss) in
            [("whole_ids", "cond_start", "cond_loss"), ("direct_ids", "prior_start", "prior_loss")]
        {
            let tokens: Vec<u32> = serde_json::from_value(prompt[ids].clone()).unwrap();
            let [start, length] =
                [start, "answer_len"].map(|it| row[it].as_u64().unwrap() as usize);
            sequences.push(Sequence { tokens, scored: (start..start + length).into() });
            expected.push(row[loss].as_f64().unwrap());
        }
    }
    assert_eq!(sequences.len(), 40);
    let got = learner.token_nll(&sequences, &Unwatched).unwrap();
    for (losses, expected) in got.iter().zip(expected) {
        let mean = losses.iter().map(|&loss| f64::from(loss)).sum::<f64>() / losses.len() as f64;
        assert!((mean - expected).abs() < 2e-6 * expected, "{mean} {expected}");
    }
}

/// Losses and logits that transformers gives on committed checkpoints, one of each architecture.
#[test]
fn every_architecture_agrees_with_transformers() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/models");
    for name in ["llama-tied", "llama-untied", "llama-untied-5", "mistral", "qwen2", "qwen3"] {
        let folder = models.join(name);
        let mut learner = TorchLearner::load(&folder, LearnerOptions::default()).unwrap();
        let expected = std::fs::read(folder.join("expected.json")).unwrap();
        let expected: Value = serde_json::from_slice(&expected).unwrap();
        for sequence in expected["sequences"].as_array().unwrap() {
            let values = |field: &str| -> Vec<f64> {
                serde_json::from_value(sequence[field].clone()).unwrap()
            };
            let tokens: Vec<u32> = serde_json::from_value(sequence["tokens"].clone()).unwrap();
            let asked = [Sequence { scored: (1..tokens.len()).into(), tokens }];
            let got = learner.token_nll(&asked, &Unwatched).unwrap();
            close(name, &got[0], &values("nll"));
            let logits = learner.next_logits(&asked[0].tokens).unwrap();
            close(name, &logits, &values("last_logits"));
        }
    }
}

fn close(name: &str, got: &[f32], expected: &[f64]) {
    assert_eq!(got.len(), expected.len());
    for (&got, expected) in got.iter().zip(expected) {
        assert!((f64::from(got) - expected).abs() < 2e-5, "{name}: {got} {expected}");
    }
}
