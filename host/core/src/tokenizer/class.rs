//! Which class transformers 5 opens a tokenizer folder with, and what that class sets by itself.
//!
//! `PreTrainedTokenizerFast` and its like take `tokenizer.json` as it stands. The classes here take its
//! vocabulary and merges only, and split text by rules of their own. Of those that language models use, as
//! of transformers 5.24; see `AutoTokenizer.from_pretrained` there.

use super::folder::{Folder, ModelOptions};
use serde_json::{Value, json};

/// A class with rules of its own.
#[derive(Debug)]
pub(super) struct Class {
    /// Its name in transformers 5.
    pub(super) name: &'static str,
    /// Names it gives to tokens where a folder does not.
    pub(super) defaults: &'static [(&'static str, &'static str)],
    rules: fn(&Value) -> Rules,
}

/// How a class splits text.
#[derive(Debug, PartialEq)]
pub(super) struct Rules {
    pub(super) normalizer: Value,
    pub(super) pre_tokenizer: Value,
    pub(super) model: ModelOptions,
}

const ENDOFTEXT: &str = "<|endoftext|>";

const LLAMA: Class = Class {
    name: "LlamaTokenizer",
    defaults: &[("bos_token", "<s>"), ("eos_token", "</s>"), ("unk_token", "<unk>")],
    rules: |config| {
        let scheme = match (config["add_prefix_space"].as_bool(), config["legacy"].as_bool()) {
            (Some(false), _) => "never",
            (_, Some(true)) => "always",
            _ => "first",
        };
        Rules { normalizer: Value::Null, pre_tokenizer: metaspace(scheme), model: with_bytes(None) }
    },
};

const CODE_LLAMA: Class = Class {
    name: "CodeLlamaTokenizer",
    defaults: LLAMA.defaults,
    rules: |config| {
        let scheme = if config["add_prefix_space"] == false { "never" } else { "first" };
        let model = with_bytes(Some(text(config, "unk_token", "<unk>")));
        Rules { normalizer: Value::Null, pre_tokenizer: metaspace(scheme), model }
    },
};

const GEMMA: Class = Class {
    name: "GemmaTokenizer",
    defaults: &[
        ("bos_token", "<bos>"),
        ("eos_token", "<eos>"),
        ("unk_token", "<unk>"),
        ("pad_token", "<pad>"),
        ("mask_token", "<mask>"),
    ],
    rules: |config| Rules {
        normalizer: json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"}),
        pre_tokenizer: json!({"type": "Split", "pattern": {"String": " "},
            "behavior": "MergedWithPrevious", "invert": false}),
        model: with_bytes(Some(text(config, "unk_token", "<unk>"))),
    },
};

const QWEN2: Class = Class {
    name: "Qwen2Tokenizer",
    defaults: &[("eos_token", ENDOFTEXT), ("unk_token", ENDOFTEXT), ("pad_token", ENDOFTEXT)],
    rules: |config| {
        let words = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
        Rules { pre_tokenizer: split_then_bytes(words, config), ..bytes(nfc()) }
    },
};

const QWEN3_5: Class = Class {
    name: "Qwen3_5Tokenizer",
    defaults: QWEN2.defaults,
    rules: |config| {
        let words = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
        Rules { pre_tokenizer: split_then_bytes(words, config), ..bytes(nfc()) }
    },
};

const GPT2: Class = Class {
    name: "GPT2Tokenizer",
    defaults: &[("bos_token", ENDOFTEXT), ("eos_token", ENDOFTEXT), ("unk_token", ENDOFTEXT)],
    rules: |config| Rules { pre_tokenizer: byte_level(config), ..bytes(Value::Null) },
};

const GPT_NEOX: Class = Class {
    name: "GPTNeoXTokenizer",
    defaults: &[
        ("bos_token", ENDOFTEXT),
        ("eos_token", ENDOFTEXT),
        ("unk_token", ENDOFTEXT),
        ("pad_token", "<|padding|>"),
    ],
    rules: |config| Rules { pre_tokenizer: byte_level(config), ..bytes(nfc()) },
};

const COHERE: Class = Class {
    name: "CohereTokenizer",
    defaults: &[
        ("bos_token", "<BOS_TOKEN>"),
        ("eos_token", "<|END_OF_TURN_TOKEN|>"),
        ("unk_token", "<UNK>"),
        ("sep_token", "<SEP>"),
        ("pad_token", "<PAD>"),
        ("cls_token", "<CLS>"),
        ("mask_token", "<MASK_TOKEN>"),
    ],
    rules: |config| {
        let digits = json!({"type": "Digits", "individual_digits": true});
        let both = json!({"type": "Sequence", "pretokenizers": [digits, byte_level(config)]});
        Rules { pre_tokenizer: both, ..bytes(nfc()) }
    },
};

static CLASSES: [Class; 8] = [LLAMA, CODE_LLAMA, GEMMA, QWEN2, QWEN3_5, GPT2, GPT_NEOX, COHERE];

/// The class that a `model_type` is registered with. `TokenizersBackend` is the plain one.
fn registered(model_type: &str) -> Option<&'static str> {
    Some(match model_type {
        "code_llama" => "CodeLlamaTokenizer",
        "cohere" | "cohere2" => "CohereTokenizer",
        "gemma" | "gemma2" | "gemma3" | "gemma3_text" | "gemma3n" | "gemma3n_text" => {
            "GemmaTokenizer"
        }
        "gpt2" | "gptj" | "gpt_neo" | "codegen" | "opt" | "phi" | "starcoder2" => "GPT2Tokenizer",
        "gpt_neox" | "olmo" | "olmoe" | "mpt" => "GPTNeoXTokenizer",
        "qwen2" | "qwen2_moe" | "qwen2_vl" | "qwen2_5_vl" | "qwen3" | "qwen3_moe"
        | "qwen3_next" | "qwen3_vl" | "qwen3_vl_moe" => "Qwen2Tokenizer",
        "qwen3_5" | "qwen3_5_text" | "qwen3_5_moe" | "qwen3_5_moe_text" => "Qwen3_5Tokenizer",
        "glm" | "glm4" | "glm4_moe" | "gpt_bigcode" | "granite" | "granitemoe"
        | "granitemoehybrid" | "granitemoeshared" | "olmo2" | "olmo3" | "stablelm" | "mistral"
        | "mistral3" | "ministral" | "ministral3" | "mixtral" => PLAIN,
        distrusted if DISTRUSTED.contains(&distrusted) => PLAIN,
        _ => return None,
    })
}

const PLAIN: &str = "TokenizersBackend";

/// Where transformers 5 goes by the `model_type` whatever `tokenizer_class` says.
const DISTRUSTED: [&str; 11] = [
    "internlm2",
    "internlm3",
    "minicpm3",
    "nemotron",
    "phi3",
    "phimoe",
    "ernie4_5",
    "qwen2",
    "qwen3_5",
    "qwen3_5_moe",
    "qwen3_5_moe_text",
];

impl Class {
    /// The class with rules of its own that transformers 5 opens a folder with; `None` where it takes
    /// `tokenizer.json` as it stands.
    pub(super) fn of(folder: &Folder) -> Option<&'static Self> {
        let declared = folder.tokenizer_config["tokenizer_class"].as_str();
        let declared = declared.or_else(|| folder.config["tokenizer_class"].as_str());
        let declared = declared.map(|name| name.strip_suffix("Fast").unwrap_or(name));
        let model_type = folder.config["model_type"].as_str().unwrap_or_default();
        let is_distrusted = DISTRUSTED.contains(&model_type);
        let is_byte_level = folder.pipeline.has_byte_level();
        let name = match (declared, registered(model_type)) {
            (None, None) => return None,
            (None, Some(registered)) => registered,
            (Some("LlamaTokenizer"), _) if is_byte_level && !is_distrusted => return None,
            (Some(_), Some(PLAIN)) => return None,
            (Some(_), Some(registered)) if is_distrusted => registered,
            (Some(declared), _) => declared,
        };
        CLASSES.iter().find(|class| class.name == name)
    }

    /// How it splits text, under a `tokenizer_config.json`.
    pub(super) fn rules(&self, tokenizer_config: &Value) -> Rules {
        (self.rules)(tokenizer_config)
    }
}

/// Byte pairs over the bytes of words.
fn bytes(normalizer: Value) -> Rules {
    let model = ModelOptions {
        kind: Some("BPE".into()),
        continuing_subword_prefix: Some(String::new()),
        end_of_word_suffix: Some(String::new()),
        ..ModelOptions::default()
    };
    Rules { normalizer, pre_tokenizer: Value::Null, model }
}

/// Byte pairs over characters, and bytes for those that are unknown.
fn with_bytes(unk_token: Option<String>) -> ModelOptions {
    ModelOptions {
        kind: Some("BPE".into()),
        unk_token,
        fuse_unk: true,
        byte_fallback: true,
        ..ModelOptions::default()
    }
}

fn nfc() -> Value {
    json!({"type": "NFC"})
}

fn metaspace(scheme: &str) -> Value {
    json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": false})
}

fn byte_level(config: &Value) -> Value {
    json!({"type": "ByteLevel", "add_prefix_space": prefix_space(config), "trim_offsets": true,
        "use_regex": true})
}

fn split_then_bytes(words: &str, config: &Value) -> Value {
    json!({"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": words}, "behavior": "Isolated", "invert": false},
        {"type": "ByteLevel", "add_prefix_space": prefix_space(config), "trim_offsets": true,
            "use_regex": false},
    ]})
}

fn prefix_space(config: &Value) -> bool {
    config["add_prefix_space"].as_bool().unwrap_or(false)
}

fn text(config: &Value, name: &str, default: &str) -> String {
    let value = &config[name];
    value.as_str().or_else(|| value["content"].as_str()).unwrap_or(default).to_owned()
}
