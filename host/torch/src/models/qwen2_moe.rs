//! Qwen 2 and 1.5 with experts, <https://arxiv.org/abs/2407.10671>: experts in most layers, or all, with one
//! that every token passes through by a gate. A window slides in every other layer up to some layer.

use super::common::{self, Sizes};
use super::{Architecture, DecoderShape, qwen3_moe};
use crate::config::{Fields, LayerType, RopeDefaults};
use crate::layers::attention::AttentionShape;
use crate::layers::experts::{ExpertsShape, RouterWeights, SharedExpert};
use crate::layers::feed_forward::{FeedForwardShape, GatedShape};
use crate::layers::linear::LinearKind;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "Qwen2MoeForCausalLM", model_type: "qwen2_moe", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let attention = AttentionShape {
        inputs_kind: LinearKind::with_bias(fields.flag("qkv_bias")),
        ..sizes.attention()
    };
    let weights = RouterWeights::normalized(fields.flag("norm_topk_prob"));
    let experts = FeedForwardShape::from(experts(fields, weights));
    let gated = FeedForwardShape::from(common::gated(fields, "hidden_act"));
    let norm = common::rms_norm(fields);
    let sparse = qwen3_moe::sparse_layers(fields, sizes.layers);
    let block = |(window, is_sparse)| {
        let attention = AttentionShape { window, ..attention.clone() };
        let feed_forward = if is_sparse { experts.clone() } else { gated.clone() };
        common::block(attention, feed_forward, norm)
    };
    let blocks = windows(fields, sizes.layers).into_iter().zip(sparse).map(block).collect();
    let rope = fields.rope(sizes.head_dim, RopeDefaults::default());
    common::decoder(fields, &sizes, blocks, vec![rope])
}

/// Qwen's experts, and one that all tokens pass through.
pub(super) fn experts(fields: &Fields<'_>, weights: RouterWeights) -> ExpertsShape {
    let size = fields.size("shared_expert_intermediate_size");
    ExpertsShape {
        shared: Some(SharedExpert {
            name: "shared_expert",
            shape: GatedShape::plain(size, fields.activation("hidden_act")),
            gate: Some("shared_expert_gate"),
        }),
        ..qwen3_moe::experts(fields, weights)
    }
}

/// The window of each layer.
fn windows(fields: &Fields<'_>, layers: usize) -> Vec<Option<usize>> {
    let window = fields.size_if_any("sliding_window");
    let window = window.filter(|_| fields.flag("use_sliding_window"));
    let end = fields.number("max_window_layers") as usize;
    let types = fields.layer_types(layers, |layer| match window {
        Some(_) if layer.is_multiple_of(2) && layer < end => LayerType::Sliding,
        _ => LayerType::Full,
    });
    types.into_iter().map(|it| window.filter(|_| it == LayerType::Sliding)).collect()
}
