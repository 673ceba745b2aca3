//! What the tests of several modules share: numbers, small models with every variant switched on,
//! and sequences that look like chat.

use crate::config::Config;
use crate::layers::Role;
use crate::trainable::{Parameter, Trainable};
use crate::{LearnerOptions, TorchLearner};
use iterit_core::learner::{Scored, Sequence};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

pub(crate) const VOCABULARY: u32 = 61;

/// Numbers around zero that look random and are the same everywhere, f64.
pub(crate) fn numbers(shape: &[i64], seed: f64) -> Tensor {
    let count: i64 = shape.iter().product();
    let places = Tensor::arange(count, (Kind::Double, Device::Cpu));
    ((places * 12.9898 + seed).sin() * 43758.5453).frac().view(shape)
}

/// A Llama of three layers with grouped queries; `changes` are laid over it.
pub(crate) fn config(changes: &Value) -> Config {
    let mut fields = json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": VOCABULARY,
        "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256,
        "initializer_range": 0.2, "torch_dtype": "float32",
    });
    fields.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    Config::parse(&fields.to_string()).unwrap()
}

/// Models that between them use everything a decoder can do.
pub(crate) fn variants() -> Vec<Value> {
    let llama3 = json!({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
        "high_freq_factor": 4.0, "original_max_position_embeddings": 32});
    vec![
        json!({"tie_word_embeddings": true}),
        json!({"rope_scaling": llama3, "rope_theta": 5000.0, "num_key_value_heads": 1}),
        json!({"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 100.0},
               "attention_bias": true, "mlp_bias": true, "num_key_value_heads": 4}),
        json!({"model_type": "mistral", "sliding_window": 8}),
        json!({"model_type": "qwen2", "num_hidden_layers": 1}),
        json!({"model_type": "qwen3", "head_dim": 12, "use_sliding_window": true,
               "sliding_window": 30, "max_window_layers": 1}),
    ]
}

/// A learner whose norms and biases are not the ones and zeros they start as.
pub(crate) fn learner(changes: &Value, options: LearnerOptions) -> TorchLearner {
    let learner = TorchLearner::random(config(changes), 7, options).unwrap();
    unsettle(learner.trainable());
    learner
}

fn unsettle(trainable: &Trainable) {
    let _no_grad = tch::no_grad_guard();
    for (index, Parameter { tensor, role, .. }) in trainable.iter().enumerate() {
        if *role != Role::Weight {
            let numbers = Tensor::arange(tensor.numel() as i64, (Kind::Double, Device::Cpu));
            let wave = (numbers + index as f64).sin() * 0.3;
            let _ = tensor.shallow_clone().g_add_(&wave.to_kind(tensor.kind()));
        }
    }
}

/// `count` prompts and responses of different lengths. Two in three begin with the same system
/// message, the others with another; every eleventh has nothing to score, and some have two spans.
pub(crate) fn sequences(count: usize) -> Vec<Sequence> {
    let token = |i: usize, t: usize| ((i * 31 + t * 17 + i * t) % VOCABULARY as usize) as u32;
    let sequence = |i: usize| {
        let system = if i.is_multiple_of(3) { 24 } else { 40 };
        let (prompt, response) = (1 + i * 5 % 13, 1 + i * 7 % 29);
        let head = (0..system).map(|t| token(system, t));
        let tail = (0..prompt + response).map(|t| token(1000 + i, t));
        let start = system + prompt;
        // Some have tokens after the scored ones.
        let end = start + response - usize::from(i % 5 == 1 && response > 1);
        let scored = match i % 11 {
            10 => Scored::default(),
            // Two answers, and what was said between them.
            4 if end > start + 4 => Scored::new([start..start + 2, start + 3..end]),
            _ => (start..end).into(),
        };
        Sequence { tokens: head.chain(tail).collect(), scored }
    };
    (0..count).map(sequence).collect()
}
