//! A model's `config.json`: what it says of sizes and layers.

#![no_main]

use iterit_fuzz::{expect_words, file, folder};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    file("config.json", bytes);
    if let Some(limits) = expect_words(iterit_torch::limits(&folder())) {
        assert!(limits.positions > 0 && limits.vocabulary > 0, "{limits:?}");
    }
});
