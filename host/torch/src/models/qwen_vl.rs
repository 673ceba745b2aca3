//! The text models within Qwen 2 VL, 2.5 VL and 3 VL, <https://arxiv.org/abs/2502.13923>,
//! <https://arxiv.org/abs/2511.21631>: those of Qwen 2 and 3. Their rotary embeddings have a position in time,
//! height and width; text alone has three times the same, which is the plain one.

use super::common::{self, Sizes};
use super::{Architecture, DecoderShape, qwen2, qwen3, qwen3_moe};
use crate::config::{Fields, RopeDefaults};
use crate::layers::attention::AttentionShape;
use crate::layers::experts::{ExpertLayout, ExpertsShape, RouterWeights};
use crate::layers::feed_forward::FeedForwardShape;
use crate::layers::linear::LinearKind;
use crate::layers::rope::Rope;
use serde_json::{Value, json};

pub(super) const QWEN2_VL: Architecture =
    Architecture { class: "Qwen2VLTextModel", model_type: "qwen2_vl_text", shape: second };

pub(super) const QWEN2_5_VL: Architecture =
    Architecture { class: "Qwen2_5_VLTextModel", model_type: "qwen2_5_vl_text", shape: second };

pub(super) const QWEN3_VL: Architecture =
    Architecture { class: "Qwen3VLTextModel", model_type: "qwen3_vl_text", shape: third };

pub(super) const QWEN3_VL_MOE: Architecture =
    Architecture { class: "Qwen3VLMoeTextModel", model_type: "qwen3_vl_moe_text", shape: sparse };

/// Of Qwen 2 VL and 2.5 VL.
fn second(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let attention = AttentionShape { inputs_kind: LinearKind::Biased, ..sizes.attention() };
    let blocks = qwen2::blocks(fields, &sizes, &attention);
    common::decoder(fields, &sizes, blocks, vec![rope(fields, sizes.head_dim)])
}

/// Of Qwen 3 VL.
fn third(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let attention = qwen3::attention(fields, &sizes);
    let gated = common::gated(fields, "hidden_act");
    let block = common::block(attention, gated, common::rms_norm(fields));
    let ropes = vec![rope(fields, sizes.head_dim)];
    common::decoder(fields, &sizes, vec![block; sizes.layers], ropes)
}

/// Of Qwen 3 VL with experts, all of a layer in one tensor; as published, they lie on their side.
fn sparse(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let attention = qwen3::attention(fields, &sizes);
    let norm = common::rms_norm(fields);
    let layout = ExpertLayout::STACKED;
    let experts = qwen3_moe::experts(fields, RouterWeights::normalized(true));
    let experts = FeedForwardShape::from(ExpertsShape { layout, ..experts });
    let gated = FeedForwardShape::from(common::gated(fields, "hidden_act"));
    let block = |is_sparse| {
        let feed_forward = if is_sparse { experts.clone() } else { gated.clone() };
        common::block(attention.clone(), feed_forward, norm)
    };
    let blocks = qwen3_moe::sparse_layers(fields, sizes.layers).into_iter().map(block).collect();
    common::decoder(fields, &sizes, blocks, vec![rope(fields, sizes.head_dim)])
}

/// `mrope` of text alone is no other than `default`.
fn rope(fields: &Fields<'_>, head_dim: usize) -> Rope {
    let parameters = fields.object("rope_parameters");
    let mut parameters = fields.object("rope_scaling").or(parameters).unwrap_or_default();
    let named = |name: &str| parameters.get(name).and_then(Value::as_str);
    if named("rope_type").or_else(|| named("type")) == Some("mrope") {
        parameters.insert("rope_type".into(), json!("default"));
    }
    fields.rope_of(&parameters, head_dim, RopeDefaults::default())
}
