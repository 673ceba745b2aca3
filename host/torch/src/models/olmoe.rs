//! OLMoE, <https://arxiv.org/abs/2409.02060>: Llama with experts in every layer, and norms over all queries
//! and over all keys.

use super::common::{self, Sizes};
use super::{Architecture, DecoderShape};
use crate::config::{Fields, RopeDefaults};
use crate::layers::attention::{AttentionShape, NormStage, NormWidth, QueryKeyNorm};
use crate::layers::experts::{ExpertGate, ExpertLayout, ExpertsShape, RouterShape, RouterWeights};
use crate::layers::linear::LinearKind;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "OlmoeForCausalLM", model_type: "olmoe", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let norm = common::rms_norm(fields);
    let kind = LinearKind::with_bias(fields.flag("attention_bias"));
    let attention = AttentionShape {
        inputs_kind: kind,
        output_kind: kind,
        query_key_norm: Some(QueryKeyNorm {
            norm,
            width: NormWidth::Full,
            stage: NormStage::BeforeTurning,
            names: ["q_norm", "k_norm"],
        }),
        ..sizes.attention()
    };
    let block = common::block(attention, experts(fields), norm);
    let rope = fields.rope(sizes.head_dim, RopeDefaults::default());
    common::decoder(fields, &sizes, vec![block; sizes.layers], vec![rope])
}

fn experts(fields: &Fields<'_>) -> ExpertsShape {
    let weights = RouterWeights::normalized(fields.flag("norm_topk_prob"));
    ExpertsShape {
        num_experts: fields.size("num_experts") as i64,
        intermediate_size: fields.size("intermediate_size") as i64,
        layout: ExpertLayout::GATE_UP_DOWN,
        gate: ExpertGate::Activated(fields.activation("hidden_act")),
        router: RouterShape::softmax("gate", fields.size("num_experts_per_tok"), weights),
        shared: None,
    }
}
