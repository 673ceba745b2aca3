//! GLM 4.5 and 4.6, <https://arxiv.org/abs/2508.06471>: experts behind the first layers, picked by σ of their
//! scores and a correction that no gradient teaches, with one that every token passes through; half of
//! each head turns, and in some models queries and keys have norms.

use super::common::{self, Sizes};
use super::{Architecture, DecoderShape};
use crate::config::{Fields, RopeDefaults};
use crate::layers::attention::{AttentionShape, NormStage, NormWidth, QueryKeyNorm};
use crate::layers::experts::{
    Correction, ExpertGate, ExpertLayout, ExpertsShape, Groups, RouterScores, RouterShape,
    RouterWeights, SharedExpert,
};
use crate::layers::feed_forward::{FeedForwardShape, GatedShape};
use crate::layers::linear::LinearKind;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "Glm4MoeForCausalLM", model_type: "glm4_moe", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let norm = common::rms_norm(fields);
    let query_key_norm = QueryKeyNorm {
        norm,
        width: NormWidth::Head,
        stage: NormStage::BeforeTurning,
        names: ["q_norm", "k_norm"],
    };
    let attention = AttentionShape {
        inputs_kind: LinearKind::with_bias(fields.flag("attention_bias")),
        query_key_norm: fields.flag("use_qk_norm").then_some(query_key_norm),
        ..sizes.attention()
    };
    let feed_forwards = feed_forwards(fields, sizes.layers);
    let block = |feed_forward| common::block(attention.clone(), feed_forward, norm);
    let blocks = feed_forwards.into_iter().map(block).collect();
    let defaults = RopeDefaults { partial_rotary_factor: Some(0.5), ..RopeDefaults::default() };
    let rope = fields.rope(sizes.head_dim, defaults);
    common::decoder(fields, &sizes, blocks, vec![rope])
}

/// Plain in the first layers, then experts.
pub(super) fn feed_forwards(fields: &Fields<'_>, layers: usize) -> Vec<FeedForwardShape> {
    let gated = FeedForwardShape::from(common::gated(fields, "hidden_act"));
    let experts = FeedForwardShape::from(experts(fields));
    let dense = fields.number("first_k_dense_replace") as usize;
    (0..layers).map(|layer| if layer < dense { gated.clone() } else { experts.clone() }).collect()
}

fn experts(fields: &Fields<'_>) -> ExpertsShape {
    let size = fields.size("moe_intermediate_size");
    let activation = fields.activation("hidden_act");
    let size_or_one = |name: &str| fields.size_if_any(name).unwrap_or(1) as i64;
    let groups =
        Groups { count: size_or_one("n_group"), picked: size_or_one("topk_group"), judged_by: 2 };
    let weights = match fields.flag("norm_topk_prob") {
        true => RouterWeights::OfTheirSum { eps: 1e-20 },
        false => RouterWeights::AsTheyAre,
    };
    ExpertsShape {
        num_experts: fields.size("n_routed_experts") as i64,
        intermediate_size: size as i64,
        layout: ExpertLayout::GATE_UP_DOWN,
        gate: ExpertGate::Activated(activation),
        router: RouterShape {
            scores: RouterScores::Sigmoid,
            correction: Some(Correction { name: "gate.e_score_correction_bias", leading: &[] }),
            groups: (groups.count > 1).then_some(groups),
            scale: fields.number("routed_scaling_factor"),
            ..RouterShape::softmax("gate", fields.size("num_experts_per_tok"), weights)
        },
        shared: Some(SharedExpert {
            name: "shared_experts",
            shape: GatedShape::plain(size * fields.size("n_shared_experts"), activation),
            gate: None,
        }),
    }
}
