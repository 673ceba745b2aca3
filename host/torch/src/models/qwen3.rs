//! Qwen 3 (dense), <https://arxiv.org/abs/2505.09388>: Llama with norms on the queries and keys of each
//! head, heads of 128 features unless the file says otherwise, and biases only by `attention_bias`.

use super::decoder::DecoderShape;
use super::{Architecture, llama, qwen2};
use crate::config::Config;
use crate::layers::linear::Bias;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "Qwen3ForCausalLM", model_type: "qwen3", shape };

/// Features of a head where `head_dim` is absent.
const HEAD_DIM: usize = 128;

fn shape(config: &Config) -> Result<DecoderShape, String> {
    let mut config = config.clone();
    config.fields.head_dim.get_or_insert(HEAD_DIM);
    let mut shape = llama::shape(&config)?;
    qwen2::limit_to_window(&config, &mut shape);
    shape.attention.query_key_norm_eps = Some(shape.rms_norm_eps);
    shape.mlp_bias = Bias::Without;
    Ok(shape)
}
