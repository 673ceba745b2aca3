//! GLM-4 of 2024, <https://arxiv.org/abs/2406.12793>: Llama with one matrix for gate and up, biases on
//! queries, keys and values, and half of each head turned in pairs.

use super::common::{self, Sizes};
use super::{Architecture, DecoderShape};
use crate::config::{Fields, RopeDefaults};
use crate::layers::attention::AttentionShape;
use crate::layers::block::BlockShape;
use crate::layers::feed_forward::{GateUp, GatedShape};
use crate::layers::linear::LinearKind;
use crate::layers::rope::{Rope, RopeLayout};

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "GlmForCausalLM", model_type: "glm", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let blocks = vec![block(fields, &sizes); sizes.layers];
    common::decoder(fields, &sizes, blocks, vec![rope(fields, sizes.head_dim)])
}

pub(super) fn block(fields: &Fields<'_>, sizes: &Sizes) -> BlockShape {
    let attention = AttentionShape {
        inputs_kind: LinearKind::with_bias(fields.flag("attention_bias")),
        ..sizes.attention()
    };
    let feed_forward = GatedShape {
        inputs: GateUp::Stacked("gate_up_proj"),
        ..common::gated(fields, "hidden_act")
    };
    common::block(attention, feed_forward, common::rms_norm(fields))
}

pub(super) fn rope(fields: &Fields<'_>, head_dim: usize) -> Rope {
    let defaults = RopeDefaults { partial_rotary_factor: Some(0.5), ..RopeDefaults::default() };
    Rope { layout: RopeLayout::Pairs, ..fields.rope(head_dim, defaults) }
}
