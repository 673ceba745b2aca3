//! Qwen 3.5, <https://huggingface.co/docs/transformers/model_doc/qwen3_5>: three layers of a gated delta net
//! to one of attention, whose heads have norms, a gate on what they gather, and turn by a quarter. Norms
//! keep w − 1. It is published within a model that sees; text alone has the same position in time, height
//! and width, so that its rotary embedding is the plain one.

use super::common::{self, Sizes};
use super::{Architecture, DecoderShape};
use crate::config::{Fields, RopeDefaults};
use crate::layers::attention::{AttentionShape, NormStage, NormWidth, OutputGate, QueryKeyNorm};
use crate::layers::block::{BlockShape, MixerShape, Part};
use crate::layers::feed_forward::FeedForwardShape;
use crate::layers::gated_delta::{DeltaProjections, GatedDeltaShape};
use crate::layers::linear::LinearKind;
use crate::layers::norm::{NormKind, NormShape};

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "Qwen3_5ForCausalLM", model_type: "qwen3_5_text", shape };

/// One layer in so many is attention, where neither the layers nor the interval are given.
const INTERVAL: usize = 4;

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let gated = common::gated(fields, "hidden_act");
    decoder(fields, DeltaProjections::Separate, |_| gated.clone().into())
}

/// With another layout of the delta net's matrices, or other feed-forwards, by layer.
pub(super) fn decoder(
    fields: &Fields<'_>,
    projections: DeltaProjections,
    feed_forward: impl Fn(usize) -> FeedForwardShape,
) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let norm = NormShape { kind: NormKind::RmsOnePlus, eps: fields.number("rms_norm_eps") };
    let attention =
        Part { name: "self_attn", shape: MixerShape::Attention(attention(fields, &sizes, norm)) };
    let delta =
        Part { name: "linear_attn", shape: MixerShape::GatedDelta(delta(fields, projections)) };
    let interval = fields.size_if_any("full_attention_interval").unwrap_or(INTERVAL);
    let names = [("linear_attention", &delta), ("full_attention", &attention)];
    let mixers = fields.layer_types_by_name(&names, sizes.layers, |layer| {
        if (layer + 1).is_multiple_of(interval) { &attention } else { &delta }
    });
    let block = |(layer, mixer): (usize, &Part<MixerShape>)| BlockShape {
        mixer: mixer.clone(),
        ..common::block(sizes.attention(), feed_forward(layer), norm)
    };
    let blocks = mixers.into_iter().enumerate().map(block).collect();
    let defaults = RopeDefaults { partial_rotary_factor: Some(0.25), ..RopeDefaults::default() };
    let rope = fields.rope(sizes.head_dim, defaults);
    common::decoder_with(fields, &sizes, norm, blocks, vec![rope])
}

fn attention(fields: &Fields<'_>, sizes: &Sizes, norm: NormShape) -> AttentionShape {
    let kind = LinearKind::with_bias(fields.flag("attention_bias"));
    let names = ["q_norm", "k_norm"];
    AttentionShape {
        inputs_kind: kind,
        output_kind: kind,
        query_key_norm: Some(QueryKeyNorm {
            norm,
            width: NormWidth::Head,
            stage: NormStage::BeforeTurning,
            names,
        }),
        output_gate: OutputGate::BesideQueries,
        ..sizes.attention()
    }
}

fn delta(fields: &Fields<'_>, projections: DeltaProjections) -> GatedDeltaShape {
    let size = |name: &str| fields.size(name) as i64;
    GatedDeltaShape {
        num_key_heads: size("linear_num_key_heads"),
        num_value_heads: size("linear_num_value_heads"),
        key_head_dim: size("linear_key_head_dim"),
        value_head_dim: size("linear_value_head_dim"),
        kernel: size("linear_conv_kernel_dim"),
        projections,
        activation: fields.activation("hidden_act"),
        eps: fields.number("rms_norm_eps"),
    }
}
