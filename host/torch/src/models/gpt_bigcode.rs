//! GPT-BigCode, StarCoder's architecture, <https://arxiv.org/abs/2305.06161>: GPT-2 with upright matrices
//! and, in most models, one key and one value for all heads.

use super::common::Sizes;
use super::{Architecture, DecoderShape, gpt2};
use crate::config::Fields;
use crate::layers::attention::{AttentionShape, Projections};
use crate::layers::linear::LinearKind;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "GPTBigCodeForCausalLM", model_type: "gpt_bigcode", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::of_whole_heads(fields);
    let (key_value_heads, inputs) = match fields.flag("multi_query") {
        true => (1, Projections::Stacked("c_attn")),
        false => (sizes.heads as i64, Projections::Interleaved("c_attn")),
    };
    let attention = AttentionShape {
        num_key_value_heads: key_value_heads,
        scale: gpt2::scale(fields, &sizes),
        inputs,
        inputs_kind: LinearKind::Biased,
        ..sizes.attention()
    };
    let block = gpt2::block(fields, &sizes, attention, LinearKind::Biased);
    gpt2::decoder(fields, &sizes, vec![block; sizes.layers])
}
