//! Granite with experts, <https://github.com/ibm-granite/granite-3.0-language-models>: Granite whose
//! feed-forwards are experts, all of a layer in one tensor.

use super::common::{self, Sizes};
use super::{Architecture, DecoderShape, granite};
use crate::config::{Fields, RopeDefaults};
use crate::layers::block::BlockShape;
use crate::layers::experts::{
    ExpertGate, ExpertLayout, ExpertsShape, RouterScores, RouterShape, RouterWeights,
};

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "GraniteMoeForCausalLM", model_type: "granitemoe", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let attention = granite::attention(fields, &sizes);
    let mut block = BlockShape {
        residual_multiplier: Some(fields.number("residual_multiplier")),
        ..common::block(attention, experts(fields), common::rms_norm(fields))
    };
    block.feed_forward.name = "block_sparse_moe";
    let rope = fields.rope(sizes.head_dim, RopeDefaults::default());
    granite::decoder(fields, &sizes, vec![block; sizes.layers], vec![rope])
}

fn experts(fields: &Fields<'_>) -> ExpertsShape {
    let picked = fields.size("num_experts_per_tok");
    ExpertsShape {
        num_experts: fields.size("num_local_experts") as i64,
        intermediate_size: fields.size("intermediate_size") as i64,
        layout: ExpertLayout::Stacked(["input_linear.weight", "output_linear.weight"]),
        gate: ExpertGate::Activated(fields.activation("hidden_act")),
        router: RouterShape {
            scores: RouterScores::SoftmaxOfPicked,
            ..RouterShape::softmax("router.layer", picked, RouterWeights::AsTheyAre)
        },
        shared: None,
    }
}
