//! StableLM, <https://arxiv.org/abs/2402.17834>: Llama with norms by mean and variance, a part of each head
//! that turns, and in some models attention and feed-forward side by side behind one norm.

use super::common::{self, Sizes};
use super::{Architecture, DecoderShape};
use crate::config::{Fields, RopeDefaults};
use crate::layers::attention::AttentionShape;
use crate::layers::block::{BlockShape, NormPlaces};
use crate::layers::linear::LinearKind;
use crate::layers::norm::NormKind;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "StableLmForCausalLM", model_type: "stablelm", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes {
        key_value_heads: fields.size("num_key_value_heads"),
        ..Sizes::of_whole_heads(fields)
    };
    let norm = common::layer_norm(fields, NormKind::Layer, "layer_norm_eps");
    let attention = AttentionShape {
        inputs_kind: LinearKind::with_bias(fields.flag("use_qkv_bias")),
        ..sizes.attention()
    };
    let block = common::block(attention, common::gated(fields, "hidden_act"), norm);
    let norms = match fields.flag("use_parallel_residual") {
        true => NormPlaces::Parallel { mixer: "input_layernorm", feed_forward: None },
        false => block.norms,
    };
    let blocks = vec![BlockShape { norms, ..block }; sizes.layers];
    let defaults = RopeDefaults { partial_rotary_factor: Some(0.25), ..RopeDefaults::default() };
    let rope = fields.rope(sizes.head_dim, defaults);
    common::decoder_with(fields, &sizes, norm, blocks, vec![rope])
}
