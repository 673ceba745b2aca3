//! A chat template of a stranger, shown a conversation with tools, a thought and calls.

#![no_main]

use iterit_core::template::{ChatTemplate, Ending};
use iterit_core::tokenizer::{SpecialToken, SpecialTokens};
use iterit_fuzz::expect_words;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use std::sync::LazyLock;

static TOOLS: LazyLock<Value> = LazyLock::new(|| {
    json!([{"type": "function", "function": {"name": "sum", "description": "Adds.",
        "parameters": {"type": "object", "properties": {"a": {"type": "number"}}}}}])
});

static MESSAGES: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let call = json!({"type": "function", "function": {"name": "sum", "arguments": {"a": 1.5}}});
    vec![
        json!({"role": "system", "content": "Be brief."}),
        json!({"role": "user", "content": "<b>1</b> + ½ & \"c\"?\n\n日本語 "}),
        json!({"role": "assistant", "content": null, "reasoning_content": "Hm.", "tool_calls": [call]}),
        json!({"role": "tool", "content": [{"type": "text", "text": "1.5"}]}),
        json!({"role": "assistant", "content": "1.5", "weight": 0}),
    ]
});

static SPECIAL: LazyLock<SpecialTokens> = LazyLock::new(|| {
    let token = |text: &str| Some(SpecialToken { text: text.into(), id: None });
    SpecialTokens { bos: token("<s>"), eos: token("</s>"), ..SpecialTokens::default() }
});

fuzz_target!(|source: &str| {
    let Some(template) = expect_words(ChatTemplate::new("strange", source)) else { return };
    for ending in [Ending::Closed, Ending::GenerationPrompt] {
        let rendered = template.render_marked(&MESSAGES, Some(&TOOLS), ending, &SPECIAL);
        if let Some(rendering) = expect_words(rendered) {
            for marked in rendering.generated() {
                assert!(rendering.text().get(marked.clone()).is_some(), "whole characters");
            }
        }
    }
});
