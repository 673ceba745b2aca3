//! Layers whose adapters PEFT does not load. transformers 5 stacks the experts of some architectures, and
//! PEFT 0.21 takes whatever in such a model is called as an expert's matrices once were for the stacked
//! experts: a shared expert and the feed-forward of a layer without experts go by the same names, and what
//! a file holds for them is left out without a word. An adapter has none of these layers.

use crate::models::decoder::AskedLinear;

/// The architectures that PEFT treats so: those of transformers' `_MODEL_TO_CONVERSION_PATTERN` that are
/// converted as `qwen2_moe`, which itself is not among them. `tests/golden/adapted.py` compares the list.
const MODEL_TYPES: [&str; 8] = [
    "deepseek_v2",
    "deepseek_v3",
    "dots1",
    "ernie4_5_moe",
    "glm4_moe",
    "olmoe",
    "qwen3_moe",
    "qwen3_next",
];

/// What it takes for the experts' own.
const TAKEN: [&str; 3] = ["gate_proj", "up_proj", "down_proj"];

/// Whether PEFT leaves out the adapter of a layer in a model of this type.
pub(super) fn is_taken_for_experts(model_type: &str, layer: &AskedLinear) -> bool {
    MODEL_TYPES.contains(&model_type) && TAKEN.contains(&layer.last_part())
}
