//! Mixtral, <https://arxiv.org/abs/2401.04088>: Mistral with experts in every layer.

use super::common::{self, Sizes};
use super::{Architecture, DecoderShape};
use crate::config::{Fields, RopeDefaults};
use crate::layers::attention::AttentionShape;
use crate::layers::experts::{ExpertGate, ExpertLayout, ExpertsShape, RouterShape, RouterWeights};

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "MixtralForCausalLM", model_type: "mixtral", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let window = fields.size_if_any("sliding_window");
    let attention = AttentionShape { window, ..sizes.attention() };
    let mut block = common::block(attention, experts(fields), common::rms_norm(fields));
    block.feed_forward.name = "block_sparse_moe";
    let defaults = RopeDefaults { theta: 1_000_000.0, ..RopeDefaults::default() };
    let rope = fields.rope(sizes.head_dim, defaults);
    common::decoder(fields, &sizes, vec![block; sizes.layers], vec![rope])
}

fn experts(fields: &Fields<'_>) -> ExpertsShape {
    let weights = RouterWeights::normalized(true);
    ExpertsShape {
        num_experts: fields.size("num_local_experts") as i64,
        intermediate_size: fields.size("intermediate_size") as i64,
        layout: ExpertLayout::Separate(["w1", "w3", "w2"]),
        gate: ExpertGate::Activated(fields.activation("hidden_act")),
        router: RouterShape::softmax("gate", fields.size("num_experts_per_tok"), weights),
        shared: None,
    }
}
