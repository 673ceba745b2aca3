//! Mistral, <https://arxiv.org/abs/2310.06825>: Llama without biases, and with a sliding window. Up to
//! the window's length the two are the same function, so the window becomes the longest sequence.

use super::decoder::DecoderShape;
use super::{Architecture, llama};
use crate::config::Config;
use crate::layers::linear::Bias;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "MistralForCausalLM", model_type: "mistral", shape };

fn shape(config: &Config) -> Result<DecoderShape, String> {
    let mut shape = llama::shape(config)?;
    if let Some(window) = config.fields.sliding_window {
        shape.max_position_embeddings = shape.max_position_embeddings.min(window);
    }
    shape.attention.qkv_bias = Bias::Without;
    shape.attention.output_bias = Bias::Without;
    shape.mlp_bias = Bias::Without;
    Ok(shape)
}
