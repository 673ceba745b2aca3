//! A model's weights, beside a `config.json` that is right.

#![no_main]

use iterit_fuzz::{expect_words, file, folder};
use iterit_torch::{LearnerOptions, TorchLearner};
use libfuzzer_sys::fuzz_target;
use std::sync::Once;

/// Of one layer, with weights of 88 numbers.
const CONFIG: &[u8] = br#"{"model_type": "llama", "vocab_size": 4, "hidden_size": 2,
    "intermediate_size": 4, "num_hidden_layers": 1, "num_attention_heads": 1,
    "num_key_value_heads": 1, "max_position_embeddings": 8, "tie_word_embeddings": true}"#;

fuzz_target!(init: {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| drop(file("config.json", CONFIG)));
}, |bytes: &[u8]| {
    file("model.safetensors", bytes);
    expect_words(TorchLearner::load(&folder(), LearnerOptions::default()));
});
