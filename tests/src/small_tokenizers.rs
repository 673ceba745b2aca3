//! Model folders with little tokenizers, in which spans can be counted by hand: one token a character,
//! words with the blank before them as GPT-2 has them, and as SentencePiece has them.

use serde_json::{Map, Value, json};
use std::fs;
use tempfile::TempDir;

/// Tokens that are never cut, with the ids 0, 1 …
const SPECIAL: [&str; 5] = ["<s>", "</s>", "<|im_start|>", "<|im_end|>", "<unk>"];

/// One token a character, from the line feed to `~`.
pub(crate) fn characters() -> TempDir {
    let characters = ('\n'..='~').map(String::from).collect();
    folder(json!({
        "normalizer": null, "decoder": null,
        "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "[\\s\\S]"},
                          "behavior": "Isolated", "invert": false},
        "model": {"type": "WordLevel", "vocab": vocabulary(characters), "unk_token": "<unk>"},
    }))
}

/// Bytes as GPT-2 writes them, and these words, each with the blank before it as one token.
pub(crate) fn byte_level(words: &[&str]) -> TempDir {
    let (pieces, merges) = merged(words, "\u{120}", ('!'..='~').chain('\u{a1}'..='\u{143}'));
    folder(json!({
        "normalizer": null,
        "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "post_processor": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "vocab": vocabulary(pieces), "merges": merges},
    }))
}

/// Characters as SentencePiece has them, blanks as `▁`, one put before every text; bytes for other
/// characters; and these words, each with the blank before it as one token.
pub(crate) fn sentence_piece(words: &[&str]) -> TempDir {
    let (mut pieces, merges) = merged(words, "\u{2581}", ('!'..='~').chain(['\u{2581}', '\n']));
    pieces.extend((0..=255u8).map(|byte| format!("<0x{byte:02X}>")));
    folder(json!({
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "\u{2581}"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "\u{2581}"},
        ]},
        "pre_tokenizer": null, "decoder": null,
        "model": {"type": "BPE", "vocab": vocabulary(pieces), "merges": merges,
                  "unk_token": "<unk>", "fuse_unk": true, "byte_fallback": true},
    }))
}

/// The pieces and merges by which every word becomes one token, the blank before it included.
fn merged(
    words: &[&str],
    blank: &str,
    characters: impl Iterator<Item = char>,
) -> (Vec<String>, Vec<[String; 2]>) {
    let mut pieces: Vec<String> = characters.map(String::from).collect();
    let mut merges = Vec::new();
    for word in words {
        let mut piece = blank.to_owned();
        for character in word.chars() {
            let longer = format!("{piece}{character}");
            if !pieces.contains(&longer) {
                merges.push([piece, character.into()]);
                pieces.push(longer.clone());
            }
            piece = longer;
        }
    }
    (pieces, merges)
}

fn vocabulary(pieces: Vec<String>) -> Map<String, Value> {
    let pieces = SPECIAL.into_iter().map(String::from).chain(pieces).enumerate();
    pieces.map(|(id, piece)| (piece, json!(id))).collect()
}

fn folder(tokenizer: Value) -> TempDir {
    let mut whole = tokenizer;
    whole["version"] = json!("1.0");
    for absent in ["truncation", "padding", "post_processor"] {
        if whole.get(absent).is_none() {
            whole[absent] = Value::Null;
        }
    }
    whole["added_tokens"] = (0..)
        .zip(SPECIAL)
        .map(|(id, token)| {
            json!({"id": id, "content": token, "single_word": false, "lstrip": false,
                   "rstrip": false, "normalized": false, "special": true})
        })
        .collect();
    let folder = of_tokenizer(whole, ["<s>", "</s>"]);
    let config = json!({"eos_token_id": 1});
    fs::write(folder.path().join("config.json"), config.to_string()).expect("a file");
    folder
}

/// A folder with this tokenizer, and these texts for bos and eos.
pub(crate) fn of_tokenizer(tokenizer: Value, [bos, eos]: [&str; 2]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, value: Value| {
        fs::write(folder.path().join(name), value.to_string()).expect("a file");
    };
    write("tokenizer.json", tokenizer);
    write("tokenizer_config.json", json!({"bos_token": bos, "eos_token": {"content": eos}}));
    folder
}
