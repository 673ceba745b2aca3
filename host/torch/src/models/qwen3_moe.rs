//! Qwen 3 with experts, <https://arxiv.org/abs/2505.09388>: Qwen 3 of which most feed-forwards, or all, are
//! experts. A window, where there is one, slides in every layer.

use super::common::{self, Sizes};
use super::{Architecture, DecoderShape, qwen3};
use crate::config::{Fields, RopeDefaults};
use crate::layers::attention::AttentionShape;
use crate::layers::experts::{ExpertGate, ExpertLayout, ExpertsShape, RouterShape, RouterWeights};
use crate::layers::feed_forward::FeedForwardShape;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "Qwen3MoeForCausalLM", model_type: "qwen3_moe", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let window = fields.size_if_any("sliding_window");
    let window = window.filter(|_| fields.flag("use_sliding_window"));
    let attention = AttentionShape { window, ..qwen3::attention(fields, &sizes) };
    let norm_topk_prob = fields.flag("norm_topk_prob");
    let experts = experts(fields, RouterWeights::normalized(norm_topk_prob));
    let gated = common::gated(fields, "hidden_act");
    let norm = common::rms_norm(fields);
    let block = |is_sparse| {
        let feed_forward: FeedForwardShape =
            if is_sparse { experts.clone().into() } else { gated.clone().into() };
        common::block(attention.clone(), feed_forward, norm)
    };
    let blocks = sparse_layers(fields, sizes.layers).into_iter().map(block).collect();
    let rope = fields.rope(sizes.head_dim, RopeDefaults::default());
    common::decoder(fields, &sizes, blocks, vec![rope])
}

/// Those of Qwen's models, without one that all tokens pass through.
pub(super) fn experts(fields: &Fields<'_>, weights: RouterWeights) -> ExpertsShape {
    ExpertsShape {
        num_experts: fields.size("num_experts") as i64,
        intermediate_size: fields.size("moe_intermediate_size") as i64,
        layout: ExpertLayout::GATE_UP_DOWN,
        gate: ExpertGate::Activated(fields.activation("hidden_act")),
        router: RouterShape::softmax("gate", fields.size("num_experts_per_tok"), weights),
        shared: None,
    }
}

/// Which layers have experts: one in every `decoder_sparse_step`, but for those that are named.
pub(super) fn sparse_layers(fields: &Fields<'_>, layers: usize) -> Vec<bool> {
    let step = fields.size_if_any("decoder_sparse_step").unwrap_or(1);
    let dense = fields.numbers("mlp_only_layers").unwrap_or_default();
    let is_sparse =
        |layer: usize| (layer + 1).is_multiple_of(step) && !dense.contains(&(layer as i64));
    (0..layers).map(is_sparse).collect()
}
