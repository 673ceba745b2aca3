//! Qwen 2 and 2.5, <https://arxiv.org/abs/2412.15115>: Llama with biases on queries, keys and values. A
//! sliding window that is in use becomes the longest sequence, up to which it changes nothing.

use super::decoder::DecoderShape;
use super::{Architecture, llama};
use crate::config::Config;
use crate::layers::linear::Bias;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "Qwen2ForCausalLM", model_type: "qwen2", shape };

fn shape(config: &Config) -> Result<DecoderShape, String> {
    let mut shape = llama::shape(config)?;
    limit_to_window(config, &mut shape);
    shape.attention.qkv_bias = Bias::With;
    shape.attention.output_bias = Bias::Without;
    shape.mlp_bias = Bias::Without;
    Ok(shape)
}

/// Qwen's window slides only when `use_sliding_window` says so.
pub(super) fn limit_to_window(config: &Config, shape: &mut DecoderShape) {
    let in_use = config.fields.use_sliding_window.unwrap_or(false);
    if let Some(window) = config.fields.sliding_window.filter(|_| in_use) {
        shape.max_position_embeddings = shape.max_position_embeddings.min(window);
    }
}
