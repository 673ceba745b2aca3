//! A tokenizer's files, parted by lines of three dashes: `tokenizer_config.json`, `special_tokens_map.json`,
//! `added_tokens.json` and `tokenizer.json`, which where it is empty is a small one that is right.

#![no_main]

use iterit_core::tokenizer::Tokenizer;
use iterit_fuzz::{expect_words, file, folder, parts};
use libfuzzer_sys::fuzz_target;

const SMALL: &[u8] = include_bytes!("../../golden/models/llama-tied/tokenizer.json");

const TEXT: &str = "<s>Hello, wörld</s>\n\n日本語 1234  <|im_end|>";

fuzz_target!(|bytes: &[u8]| {
    let [config, map, added, tokenizer] = parts(bytes);
    for (name, part) in [
        ("tokenizer_config.json", config),
        ("special_tokens_map.json", map),
        ("added_tokens.json", added),
    ] {
        let is_missing = part.trim_ascii().is_empty();
        file(name, if is_missing { b"{}" } else { part });
    }
    file("tokenizer.json", if tokenizer.trim_ascii().is_empty() { SMALL } else { tokenizer });
    let Some(tokenizer) = expect_words(Tokenizer::open(&folder())) else { return };
    let encoded = expect_words(tokenizer.encode(TEXT));
    let Some(tokens) = expect_words(tokenizer.encode_with_offsets(TEXT)) else { return };
    assert_eq!(encoded.as_ref(), Some(&tokens.ids), "ids do not depend on what else is asked");
    assert_eq!(tokens.ids.len(), tokens.offsets.len());
    assert!(tokens.ids.iter().all(|&id| (id as usize) < tokenizer.vocab_size()));
    expect_words(tokenizer.decode(&tokens.ids));
    expect_words(tokenizer.ends_in_special(TEXT));
});
