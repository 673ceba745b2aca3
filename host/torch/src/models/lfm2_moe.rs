//! LFM 2 with experts, <https://huggingface.co/LiquidAI/LFM2-8B-A1B>: LFM 2 whose feed-forwards behind the first
//! layers are experts, picked by σ of their scores and a correction that no gradient teaches.

use super::{Architecture, DecoderShape, lfm2};
use crate::config::Fields;
use crate::layers::activation::Activation;
use crate::layers::experts::{
    Correction, ExpertGate, ExpertLayout, ExpertsShape, RouterScores, RouterShape, RouterWeights,
};
use crate::layers::feed_forward::FeedForwardShape;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "Lfm2MoeForCausalLM", model_type: "lfm2_moe", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let gated = FeedForwardShape::from(lfm2::gated(fields.size("intermediate_size")));
    let experts = FeedForwardShape::from(experts(fields));
    let dense = fields.number("num_dense_layers") as usize;
    if !fields.has("layer_types") {
        fields.fault("missing field `layer_types`".into());
    }
    lfm2::decoder(fields, |layer| if layer < dense { gated.clone() } else { experts.clone() })
}

fn experts(fields: &Fields<'_>) -> ExpertsShape {
    let weights = match fields.flag("norm_topk_prob") {
        true => RouterWeights::OfTheirSum { eps: 1e-6 },
        false => RouterWeights::AsTheyAre,
    };
    let correction = Correction { name: "expert_bias", leading: &[] };
    ExpertsShape {
        num_experts: fields.size("num_experts") as i64,
        intermediate_size: fields.size("moe_intermediate_size") as i64,
        layout: ExpertLayout::Separate(["w1", "w3", "w2"]),
        gate: ExpertGate::Activated(Activation::Silu),
        router: RouterShape {
            scores: RouterScores::Sigmoid,
            correction: fields.flag("use_expert_bias").then_some(correction),
            scale: fields.number("routed_scaling_factor"),
            ..RouterShape::softmax("gate", fields.size("num_experts_per_tok"), weights)
        },
        shared: None,
    }
}
