//! Llama 1 to 3, <https://arxiv.org/abs/2407.21783>: pre-norm, gated feed-forward, rotary positions,
//! grouped queries; biases only where `attention_bias` or `mlp_bias` ask for them.

use super::Architecture;
use super::decoder::{DecoderShape, Embeddings};
use crate::config::Config;
use crate::layers::attention::AttentionShape;
use crate::layers::linear::Bias;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "LlamaForCausalLM", model_type: "llama", shape };

/// What the fields mean for Llama; its relatives start from this.
pub(super) fn shape(config: &Config) -> Result<DecoderShape, String> {
    let fields = &config.fields;
    let heads = fields.num_attention_heads;
    let head_dim = match fields.head_dim {
        Some(head_dim) => head_dim,
        None if fields.hidden_size.is_multiple_of(heads) => fields.hidden_size / heads,
        None => {
            return Err(format!(
                "`hidden_size` {} does not divide into {heads} attention heads",
                fields.hidden_size
            ));
        }
    };
    Ok(DecoderShape {
        vocab_size: fields.vocab_size as i64,
        hidden_size: fields.hidden_size as i64,
        intermediate_size: fields.intermediate_size as i64,
        num_hidden_layers: fields.num_hidden_layers,
        max_position_embeddings: fields.max_position_embeddings,
        rms_norm_eps: fields.rms_norm_eps,
        initializer_range: fields.initializer_range,
        embeddings: Embeddings::from_tied(fields.tie_word_embeddings),
        attention: AttentionShape {
            hidden_size: fields.hidden_size as i64,
            num_attention_heads: heads as i64,
            num_key_value_heads: fields.num_key_value_heads.unwrap_or(heads) as i64,
            head_dim: head_dim as i64,
            qkv_bias: Bias::from(fields.attention_bias),
            output_bias: Bias::from(fields.attention_bias),
            query_key_norm_eps: None,
        },
        mlp_bias: Bias::from(fields.mlp_bias),
        rope: config.rope(head_dim)?,
    })
}
