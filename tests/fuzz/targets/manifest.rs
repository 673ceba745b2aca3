//! A shared library that says it is a plugin.

#![no_main]

use iterit_fuzz::{expect_words, file};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    expect_words(iterit_manifest::read(&file("libplugin.so", bytes)));
});
