//! The equations beside the tensors of small models, byte for byte where both are exact. Peaks are measured in
//! `tests/src/memory.rs`.

use crate::share::Share;
use crate::testing::{learner, sequences, variants};
use crate::{AdamWOptions, Base, LearnerOptions, LoraInit, LoraOptions, Moments};
use crate::{Precision, Targets, TorchLearner};
use iterit_core::learner::{Learner, LossNormalization, Sequence, StepOptions};
use serde_json::json;
use tch::Tensor;

fn bytes<'a>(tensors: impl Iterator<Item = &'a Tensor>) -> u64 {
    tensors.map(|it| (it.numel() * it.kind().elt_size_in_bytes()) as u64).sum()
}

/// Standing memory as the equations have it, and as the tensors are after a step.
#[track_caller]
fn check(mut learner: TorchLearner, name: &str) {
    let samples = sequences(4);
    let samples: Vec<&[Sequence]> = samples.iter().map(std::slice::from_ref).collect();
    let options = StepOptions {
        learning_rate: 1e-3,
        max_grad_norm: 1.0,
        loss_normalization: LossNormalization::Sample,
    };
    learner.step(&samples, &options).unwrap();
    let need = learner.memory(&samples, 1000).unwrap();
    let (resident, trained) = (learner.facts().resident_bytes, learner.trained_tensors());
    assert_eq!(need.weights + need.gradients + need.optimizer, resident, "{name}");
    assert_eq!(need.gradients, bytes(trained.iter()), "{name}");
    assert_eq!(need.optimizer, bytes(learner.moments().iter()), "{name}");
    assert!(need.training >= need.weights + need.optimizer + need.activations, "{name}");
}

#[test]
fn what_stands_is_what_the_tensors_take() {
    for changes in variants() {
        for precision in [Precision::Float32, Precision::Bfloat16, Precision::PureBfloat16] {
            let options = LearnerOptions { precision, ..LearnerOptions::default() };
            for moments in [Moments::AsTrained, Moments::Bfloat16, Moments::EightBits] {
                let adamw = AdamWOptions { moments, ..AdamWOptions::default() };
                let options = LearnerOptions { adamw, ..options };
                // Matrices of more than 4096 numbers.
                let mut changes = changes.clone();
                changes["hidden_size"] = 96.into();
                check(learner(&changes, options), &format!("{changes} {precision} {moments:?}"));
            }
            let lora = LoraOptions {
                rank: 3,
                alpha: 6.0,
                targets: Targets::Named(vec!["q_proj".into(), "down_proj".into()]),
                rank_stabilized: false,
                init: LoraInit::Kaiming,
            };
            for base in [Base::Frozen, Base::Int8, Base::Nf4] {
                let learner = learner(&changes, LearnerOptions { base, ..options });
                let learner = learner.adapt(&lora, 0.0, 1).unwrap();
                check(learner, &format!("{changes} {precision} {base:?}"));
            }
        }
    }
}

/// What the rank with the most has.
#[test]
fn ranks_share_the_moments() {
    let samples = sequences(12);
    let samples: Vec<&[Sequence]> = samples.iter().map(std::slice::from_ref).collect();
    for size in [1, 2, 3, 5] {
        let part = |rank| {
            let options = LearnerOptions::default();
            let mut part = learner(&json!({}), options).with_share(Share { rank, size });
            part.begin_step(&samples).unwrap();
            let need = part.memory(&samples, 1000).unwrap();
            (bytes(part.moments().iter()), need.optimizer)
        };
        let parts: Vec<(u64, u64)> = (0..size).map(part).collect();
        let most = parts.iter().map(|(found, _)| *found).max().unwrap();
        assert!(parts.iter().all(|(_, told)| *told == most), "{size}: {parts:?}");
    }
}
