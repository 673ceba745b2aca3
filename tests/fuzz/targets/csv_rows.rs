//! Comma-separated values, and those separated otherwise.

#![no_main]

use iterit_core::dataset::{self, DataFormat};
use iterit_fuzz::{expect_words, file};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let read = dataset::load(&[file("rows.csv", bytes)], DataFormat::Auto);
    if let Some(dataset) = expect_words(read) {
        assert!(!dataset.rows.is_empty(), "a file without samples is an error");
    }
});
