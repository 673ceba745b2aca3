//! Parquet, Arrow's files and Arrow's streams; what begins like none of them is made to.

#![no_main]

use iterit_core::dataset::{self, DataFormat};
use iterit_fuzz::{expect_words, file};
use libfuzzer_sys::fuzz_target;

const FIRST: [&[u8]; 3] = [b"PAR1", b"ARROW1", b"\xff\xff\xff\xff"];

fuzz_target!(|bytes: &[u8]| {
    if FIRST.iter().any(|first| bytes.starts_with(first)) {
        expect_words(dataset::load(&[file("rows", bytes)], DataFormat::Auto));
    }
});
