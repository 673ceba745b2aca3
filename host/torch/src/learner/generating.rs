//! Generation held against transformers token for token, and against asking anew for every token.

use super::*;
use iterit_core::config::DeviceChoice;
use iterit_core::learner::{Sampling, Unwatched};
use serde::Deserialize;
use std::path::PathBuf;

/// `tests/golden/generation.json`, one architecture.
#[derive(Deserialize)]
struct Golden {
    model: String,
    texts: Vec<Text>,
}

#[derive(Deserialize)]
struct Text {
    beginning: Vec<u32>,
    added: Vec<u32>,
}

fn golden_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden")
}

fn load(name: &str) -> TorchLearner {
    let options = LearnerOptions { device: DeviceChoice::Cpu, ..LearnerOptions::default() };
    TorchLearner::load(&golden_folder().join(name), options).unwrap()
}

fn greedy(max_new_tokens: usize) -> Generation {
    Generation { max_new_tokens, sampling: Sampling::Greedy, stop_ids: Vec::new() }
}

fn generate(learner: &mut TorchLearner, texts: &[Vec<u32>], how: &Generation) -> Vec<Vec<u32>> {
    learner.generate(texts, how, &mut |_| Ok(false), &Unwatched).unwrap()
}

#[test]
fn greedy_tokens_are_those_of_transformers() {
    let golden = std::fs::read(golden_folder().join("generation.json")).unwrap();
    let golden: Vec<Golden> = serde_json::from_slice(&golden).unwrap();
    assert!(golden.len() >= 3);
    for Golden { model, texts } in golden {
        assert_eq!(texts.len(), 50);
        let beginnings: Vec<Vec<u32>> = texts.iter().map(|it| it.beginning.clone()).collect();
        let added = generate(&mut load(&model), &beginnings, &greedy(texts[0].added.len()));
        for (index, (added, text)) in added.iter().zip(&texts).enumerate() {
            assert_eq!(added, &text.added, "{model}, text {index}");
        }
    }
}

/// The likeliest tokens one after the other, every time over the whole text.
fn one_by_one(learner: &mut TorchLearner, text: &[u32], count: usize) -> Vec<u32> {
    let mut tokens = text.to_vec();
    for _ in 0..count {
        let logits = learner.next_logits(&tokens).unwrap();
        let larger = |best: usize, at: usize| if logits[at] > logits[best] { at } else { best };
        tokens.push((0..logits.len()).fold(0, larger) as u32);
    }
    tokens.split_off(text.len())
}

/// Also where positions are turned in another way from some length on, in the midst of a text.
#[test]
fn a_cache_changes_no_token_of_any_architecture() {
    let folders = std::fs::read_dir(golden_folder().join("architectures")).unwrap();
    let mut names: Vec<String> = folders
        .map(|folder| format!("architectures/{}", folder.unwrap().file_name().to_string_lossy()))
        .collect();
    names.sort();
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        let mut learner = load(&name);
        let texts: Vec<Vec<u32>> =
            [3, 60, 7].map(|length| (0..length).map(|i| 3 + i * 37 % 190).collect()).into();
        let added = generate(&mut learner, &texts, &greedy(8));
        for (text, added) in texts.iter().zip(&added) {
            assert_eq!(added, &one_by_one(&mut learner, text, 8), "{name}");
        }
    }
}

#[test]
fn a_text_ends_where_it_is_told_to() {
    let mut learner = load("models/llama-tied");
    let texts = vec![vec![5, 9, 4], vec![7, 8]];
    let whole = generate(&mut learner, &texts, &greedy(12));
    let stop = whole[0][4];
    let first = |added: &[u32]| added.iter().position(|&it| it == stop).map_or(12, |at| at + 1);
    let stopping = Generation { stop_ids: vec![stop], ..greedy(12) };
    let stopped = generate(&mut learner, &texts, &stopping);
    for (whole, stopped) in whole.iter().zip(&stopped) {
        assert_eq!(stopped, &whole[..first(whole)]);
    }
    let mut enough = |added: &[u32]| Ok(added.len() == 3);
    let short = learner.generate(&texts, &greedy(12), &mut enough, &Unwatched).unwrap();
    assert!(short.iter().zip(&whole).all(|(short, whole)| short == &whole[..3]));
    assert_eq!(generate(&mut learner, &texts, &greedy(0)), [[0; 0], [0; 0]]);
}

#[test]
fn what_is_drawn_does_not_depend_on_what_is_asked_beside() {
    let mut learner = load("models/llama-tied");
    let drawing = |seed| Generation {
        sampling: Sampling::Nucleus { temperature: 1.0, top_p: 0.9, seed },
        ..greedy(10)
    };
    let texts = vec![vec![5, 9, 4], vec![7, 8], vec![3; 30]];
    let together = generate(&mut learner, &texts, &drawing(1));
    assert_eq!(together[..1], generate(&mut learner, &texts[..1], &drawing(1)));
    assert_ne!(together, generate(&mut learner, &texts, &drawing(2)));
}

#[test]
fn what_cannot_be_continued_is_refused() {
    let mut learner = load("models/llama-tied");
    let mut check = |text: Vec<u32>, new: usize, words: &str| {
        let refused = learner.generate(&[text], &greedy(new), &mut |_| Ok(false), &Unwatched);
        let message = refused.unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
    };
    check(Vec::new(), 1, "beginning 0 has no tokens");
    check(vec![5], 1 << 20, "the model's limit is");
    check(vec![1 << 20], 1, "the model knows ids below");
}
