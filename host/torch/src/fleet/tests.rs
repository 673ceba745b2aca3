//! Ranks as threads of one process: they share nothing but the wire.

use super::*;
use crate::options::Base;
use crate::testing;
use crate::{Activations, LearnerOptions, LoraInit, LoraOptions, Precision, Sharding, Targets};
use iterit_core::config::MicroBatch;
use iterit_core::learner::LossNormalization;
use iterit_core::sdk::Pooling;
use serde_json::json;
use std::num::NonZeroUsize;
use std::thread;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(60);

const OPTIONS: StepOptions = StepOptions {
    learning_rate: 1e-2,
    max_grad_norm: 1.0,
    loss_normalization: LossNormalization::Sample,
};

fn model() -> TorchLearner {
    let one = NonZeroUsize::new(1);
    let scoring_tokens = NonZeroUsize::new(300);
    let options = LearnerOptions { threads: one, scoring_tokens, ..LearnerOptions::default() };
    testing::learner(&json!({}), options)
}

fn host(size: usize, limit: Duration) -> Rendezvous {
    Rendezvous::open(Place::on_this_machine(size), limit).unwrap()
}

fn find(at: &Place, rank: usize, limit: Duration) -> Result<Rendezvous> {
    Rendezvous::open(Place { rank, hosts: false, ..at.clone() }, limit)
}

fn only(fleet: Result<Vec<Fleet>>) -> Result<Fleet> {
    fleet.map(|mut all| all.pop().expect("one model"))
}

/// Runs `work` on rank 0 while the others serve; how these ended.
fn with_fleet<T>(size: usize, work: impl FnOnce(&mut Fleet) -> T) -> (T, Vec<Result<()>>) {
    with_fleet_of(size, &model, work)
}

/// The same of any model.
fn with_fleet_of<T>(
    size: usize,
    model: &(dyn Fn() -> TorchLearner + Sync),
    work: impl FnOnce(&mut Fleet) -> T,
) -> (T, Vec<Result<()>>) {
    let at = host(size, LIMIT);
    let place = at.place().clone();
    thread::scope(|scope| {
        let place = &place;
        let hand = |rank| {
            let serving = move || serve(vec![model()], Card::new(), find(place, rank, LIMIT)?);
            scope.spawn(serving)
        };
        let hands: Vec<_> = (1..size).map(hand).collect();
        let mut fleet = only(Fleet::join(vec![model()], Card::new(), at)).unwrap();
        let done = work(&mut fleet);
        drop(fleet);
        (done, hands.into_iter().map(|it| it.join().unwrap()).collect())
    })
}

#[test]
fn ranks_answer_to_the_byte_as_one() {
    let sequences = testing::sequences(40);
    let embedding = Embedding { layer: -1, pooling: Pooling::Mean };
    let bits = |rows: &[Vec<f32>]| rows.concat().iter().map(|it| it.to_bits()).collect::<Vec<_>>();
    let mut alone = model();
    let nll = alone.token_nll(&sequences, &Unwatched).unwrap();
    let statistics = alone.logit_statistics(&sequences, &Unwatched).unwrap();
    let embedded = alone.embeddings(&sequences, embedding, &Unwatched).unwrap().into_values();
    for size in [1, 2, 3] {
        let ((), ended) = with_fleet(size, |fleet| {
            let found = fleet.token_nll(&sequences, &Unwatched).unwrap();
            assert_eq!(bits(&found), bits(&nll), "{size}");
            let found = fleet.logit_statistics(&sequences, &Unwatched).unwrap();
            // NaN is not equal to itself, so as text.
            assert_eq!(format!("{found:?}"), format!("{statistics:?}"), "{size}");
            let found = fleet.embeddings(&sequences, embedding, &Unwatched).unwrap();
            assert_eq!(
                bits(&[found.into_values()]),
                bits(std::slice::from_ref(&embedded)),
                "{size}"
            );
            assert_eq!(fleet.token_nll(&[], &Unwatched).unwrap().len(), 0);
        });
        assert!(ended.iter().all(Result::is_ok), "{ended:?}");
    }
}

#[test]
fn every_number_is_found_by_one_rank_and_every_rank_finds_some() {
    let sequences = testing::sequences(40);
    let found = |rank| {
        let mut part = model().with_share(Share { rank, size: 3 });
        let losses = part.token_nll(&sequences, &Unwatched).unwrap().concat();
        losses.iter().map(|it| usize::from(it.to_bits() != (-0.0f32).to_bits())).collect()
    };
    let parts: [Vec<usize>; 3] = [0, 1, 2].map(found);
    for index in 0..parts[0].len() {
        assert_eq!(parts.iter().map(|part| part[index]).sum::<usize>(), 1, "number {index}");
    }
    let counts = parts.map(|part| part.iter().sum::<usize>());
    assert!(counts.iter().all(|&it| it > 0), "{counts:?}");
}

/// Eight samples each.
fn three_steps(learner: &mut dyn Learner, sequences: &[Sequence]) -> Vec<StepOutcome> {
    let step = |batch: &[Sequence]| {
        let samples: Vec<&[Sequence]> = batch.iter().map(std::slice::from_ref).collect();
        learner.step(&samples, &OPTIONS).unwrap()
    };
    sequences.chunks(8).map(step).collect()
}

/// Losses, gradient norms and weights after some steps, of 1 rank and of more.
#[test]
fn ranks_train_as_one() {
    let sequences = testing::sequences(24);
    let train = |learner: &mut dyn Learner| three_steps(learner, &sequences);
    let mut alone = model();
    let expected = train(&mut alone);
    for size in [1, 2, 3] {
        let run = || with_fleet(size, |fleet| (train(fleet), fleet.own.fingerprint().unwrap()));
        let ((found, mark), ended) = run();
        assert!(ended.iter().all(Result::is_ok), "{ended:?}");
        for (found, expected) in found.iter().zip(&expected) {
            let close = |a: f64, b: f64| (a - b).abs() <= 1e-5 * b.abs();
            assert!(close(found.loss, expected.loss), "{size}: {found:?}, {expected:?}");
            assert!(close(found.grad_norm, expected.grad_norm), "{size}: {found:?}, {expected:?}");
            let pairs = found.losses.iter().zip(&expected.losses);
            assert!(pairs.clone().all(|(a, b)| close(*a, *b) || a.is_nan() && b.is_nan()));
        }
        let ((again, mark_again), _) = run();
        assert_eq!(format!("{found:?} {mark}"), format!("{again:?} {mark_again}"), "{size}");
    }
}

/// Stage 2 of ZeRO: what gradients do on their way changes nothing but the order of sums. Untied heads, tied ones,
/// adapters, experts that some tokens do not meet, recomputed activations; ranks with more micro-batches than others.
#[test]
fn ranks_that_keep_a_part_of_the_gradient_train_as_one() {
    let sequences = testing::sequences(24);
    let train = |learner: &mut dyn Learner| three_steps(learner, &sequences);
    let experts = json!({
        "model_type": "mixtral", "architectures": ["MixtralForCausalLM"], "num_local_experts": 6,
        "num_experts_per_tok": 1,
    });
    let (float32, bfloat16) = (Precision::Float32, Precision::Bfloat16);
    let (trained, frozen) = (Base::Trained, Base::Frozen);
    let (keep, recompute) = (Activations::Keep, Activations::Recompute);
    let cases = [
        (json!({}), trained, keep, float32),
        (json!({}), trained, recompute, float32),
        (json!({ "tie_word_embeddings": true }), trained, keep, float32),
        (json!({ "tie_word_embeddings": true }), trained, keep, bfloat16),
        (json!({}), trained, recompute, bfloat16),
        (json!({ "num_hidden_layers": 1 }), trained, keep, float32),
        (json!({}), frozen, keep, float32),
        (experts, trained, keep, float32),
    ];
    for (changes, base, activations, precision) in cases {
        let make = || {
            let options = LearnerOptions {
                threads: NonZeroUsize::new(1),
                sharding: Sharding::Gradients,
                micro_batch: MicroBatch::Samples(NonZeroUsize::new(2).unwrap()),
                base,
                activations,
                precision,
                ..LearnerOptions::default()
            };
            let learner = testing::learner(&changes, options);
            if base == trained { learner } else { learner.adapt(&lora(), 0.0, 1).unwrap() }
        };
        let case = format!("{changes} {base:?} {activations:?} {precision}");
        let tolerance = if precision == float32 { 1e-5 } else { 2e-2 };
        let expected = train(&mut make());
        for size in [1, 2, 3] {
            let run = || {
                let work = |fleet: &mut Fleet| (train(fleet), fleet.own.fingerprint().unwrap());
                with_fleet_of(size, &make, work)
            };
            let ((found, mark), ended) = run();
            assert!(ended.iter().all(Result::is_ok), "{case}: {ended:?}");
            for (found, expected) in found.iter().zip(&expected) {
                let off = |a: f64, b: f64| (a - b).abs() / b.abs();
                let [loss, norm] =
                    [off(found.loss, expected.loss), off(found.grad_norm, expected.grad_norm)];
                assert!(loss < tolerance && norm < tolerance, "{case} {size}: {loss} {norm}");
            }
            assert_eq!(run().0.1, mark, "{case}: another end of {size} ranks");
        }
    }
}

fn lora() -> LoraOptions {
    LoraOptions {
        rank: 4,
        alpha: 8.0,
        targets: Targets::AllLinear,
        rank_stabilized: false,
        init: LoraInit::Kaiming,
    }
}

/// A checkpoint of three ranks, taken back by one, two and three.
#[test]
fn any_number_of_ranks_reads_a_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let sequences = testing::sequences(16);
    let samples: Vec<&[Sequence]> = sequences.iter().map(std::slice::from_ref).collect();
    let (expected, _) = with_fleet(3, |fleet| {
        fleet.step(&samples[..8], &OPTIONS).unwrap();
        fleet.save(folder.path()).unwrap();
        fleet.step(&samples[8..], &OPTIONS).unwrap()
    });
    assert!(folder.path().join("optimizer-00002.safetensors").exists());
    for size in [1, 2, 3] {
        let (found, _) = with_fleet(size, |fleet| {
            fleet.restore(folder.path()).unwrap();
            fleet.step(&samples[8..], &OPTIONS).unwrap()
        });
        assert!((found.loss - expected.loss).abs() <= 1e-5 * expected.loss, "{size}");
        assert!((found.grad_norm - expected.grad_norm).abs() <= 1e-5 * expected.grad_norm);
        if size == 3 {
            assert_eq!(format!("{found:?}"), format!("{expected:?}"));
        }
    }
}

#[test]
fn a_fault_that_all_know_of_ends_nothing() {
    let unknown = Sequence { tokens: vec![1, testing::VOCABULARY], scored: (1..2).into() };
    let ((), ended) = with_fleet(3, |fleet| {
        let error = fleet.token_nll(std::slice::from_ref(&unknown), &Unwatched).unwrap_err();
        assert!(error.to_string().starts_with("token id 61"), "{error}");
        assert_eq!(fleet.token_nll(&[], &Unwatched).unwrap().len(), 0);
        let error = fleet.restore("nowhere".as_ref()).unwrap_err().to_string();
        assert!(error.contains("nowhere"), "{error}");
        assert_eq!(fleet.token_nll(&testing::sequences(5), &Unwatched).unwrap().len(), 5);
    });
    assert!(ended.iter().all(Result::is_ok), "{ended:?}");
}

#[test]
fn a_wish_to_stop_stops_all_and_ends_nothing() {
    struct Impatient;
    impl Watch for Impatient {
        fn progress(&self, _: u64, _: u64) {}
        fn is_cancelled(&self) -> bool {
            true
        }
    }
    let sequences = testing::sequences(40);
    let ((), ended) = with_fleet(2, |fleet| {
        let stopped = fleet.token_nll(&sequences, &Impatient);
        assert!(matches!(stopped, Err(Error::Cancelled)), "{stopped:?}");
        assert_eq!(fleet.token_nll(&sequences, &Unwatched).unwrap().len(), 40);
    });
    assert!(ended.iter().all(Result::is_ok), "{ended:?}");
}

#[test]
fn ranks_of_another_kind_are_named_by_all() {
    let at = host(2, LIMIT);
    let place = at.place().clone();
    let card = |version: &str| Card::from([("version".to_owned(), version.to_owned())]);
    let other = json!({ "num_hidden_layers": 1 });
    thread::scope(|scope| {
        let hand = scope.spawn(|| {
            let model = testing::learner(&other, LearnerOptions::default());
            serve(vec![model], card("2"), find(&place, 1, LIMIT)?)
        });
        let own = Fleet::join(vec![model()], card("1"), at).err().unwrap().to_string();
        let theirs = hand.join().unwrap().unwrap_err().to_string();
        assert_eq!(own, theirs);
        for words in ["rank 1 has the model", "rank 1 has version 2, rank 0 1", "hint: "] {
            assert!(own.contains(words), "{own}");
        }
    });
}

#[test]
fn a_rank_that_never_comes_is_waited_for_no_longer_than_the_limit() {
    let start = Instant::now();
    let at = host(2, Duration::from_secs(1));
    let error = Fleet::join(vec![model()], Card::new(), at).err().unwrap().to_string();
    assert!(error.starts_with("rank 1 of 2 has not come: waited 1 s; it was to load"), "{error}");
    assert!(start.elapsed() < LIMIT, "{:?}", start.elapsed());
}

#[test]
fn a_rank_that_is_gone_is_named() {
    let at = host(2, LIMIT);
    let place = at.place().clone();
    thread::scope(|scope| {
        scope.spawn(|| {
            let at = find(&place, 1, LIMIT)?;
            let announcer = at.announcer()?;
            let wire = joined(vec![model()], Card::new(), at)?;
            announcer.gone(1, "signal: 9 (SIGKILL)");
            drop(wire);
            Ok::<(), Error>(())
        });
        let mut fleet = only(Fleet::join(vec![model()], Card::new(), at)).unwrap();
        // What is on its way when a rank goes fails at once, and what comes later knows why.
        let error = fleet.token_nll(&testing::sequences(9), &Unwatched).unwrap_err().to_string();
        assert!(error.lines().count() <= 2, "{error}");
        let error = fleet.token_nll(&[], &Unwatched).unwrap_err().to_string();
        assert!(error.starts_with("a rank was lost: "), "{error}");
    });
}

/// It has not said that it goes, so its silence alone tells of it.
#[test]
fn a_rank_that_falls_silent_is_named() {
    let limit = Duration::from_secs(2);
    let at = host(2, limit);
    let place = at.place().clone();
    thread::scope(|scope| {
        scope.spawn(|| joined(vec![model()], Card::new(), find(&place, 1, limit)?).map(drop));
        let mut fleet = only(Fleet::join(vec![model()], Card::new(), at)).unwrap();
        let error = fleet.token_nll(&testing::sequences(9), &Unwatched).unwrap_err().to_string();
        assert!(error.starts_with("rank 1 of 2 (process "), "{error}");
        assert!(error.contains(") shows no sign of life: waited 2 s; it was to "), "{error}");
    });
}
