//! JSON and what may stand in its place under its name: packed files, Parquet and Arrow go by their first
//! bytes.

#![no_main]

use iterit_core::dataset::{self, DataFormat};
use iterit_fuzz::{expect_words, file};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let read = dataset::load(&[file("rows.json", bytes)], DataFormat::Auto);
    if let Some(dataset) = expect_words(read) {
        assert!(!dataset.rows.is_empty(), "a file without samples is an error");
        assert_eq!(dataset.samples().len(), dataset.rows.len());
    }
});
