//! ERNIE 4.5 with experts, <https://huggingface.co/baidu/ERNIE-4.5-21B-A3B-PT>: ERNIE 4.5 with experts in some
//! layers, picked by softmax and a correction that no gradient teaches, experts that every token passes
//! through, and, where there are biases, one of the head.

use super::common::{self, Sizes};
use super::{Architecture, DecoderShape};
use crate::config::{Fields, RopeDefaults};
use crate::layers::attention::AttentionShape;
use crate::layers::experts::{
    Correction, ExpertGate, ExpertLayout, ExpertsShape, RouterShape, RouterWeights, SharedExpert,
};
use crate::layers::feed_forward::{FeedForwardShape, GatedShape};
use crate::layers::linear::LinearKind;
use crate::layers::rope::{Rope, RopeLayout};

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "Ernie4_5_MoeForCausalLM", model_type: "ernie4_5_moe", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let kind = LinearKind::with_bias(fields.flag("use_bias"));
    let attention = AttentionShape { inputs_kind: kind, output_kind: kind, ..sizes.attention() };
    let gated = GatedShape { kind, ..common::gated(fields, "hidden_act") };
    let (gated, experts) = (FeedForwardShape::from(gated), experts(fields, kind).into());
    let norm = common::rms_norm(fields);
    let block = |is_sparse| {
        let feed_forward: &FeedForwardShape = if is_sparse { &experts } else { &gated };
        common::block(attention.clone(), feed_forward.clone(), norm)
    };
    let blocks = sparse_layers(fields, sizes.layers).into_iter().map(block).collect();
    let defaults = RopeDefaults { theta: 500_000.0, ..RopeDefaults::default() };
    let rope = fields.rope(sizes.head_dim, defaults);
    let rope = Rope { layout: RopeLayout::Pairs, ..rope };
    DecoderShape { head: kind, ..common::decoder(fields, &sizes, blocks, vec![rope]) }
}

/// One layer in so many, from the first to the last that may have experts.
fn sparse_layers(fields: &Fields<'_>, layers: usize) -> Vec<bool> {
    let interval = fields.size_if_any("moe_layer_interval").unwrap_or(1);
    let first = fields.number("moe_layer_start_index") as usize;
    let last = fields.number("moe_layer_end_index");
    let last = if last < 0.0 { layers } else { last as usize };
    let is_sparse =
        |layer: usize| (layer + 1).is_multiple_of(interval) && (first..=last).contains(&layer);
    (0..layers).map(is_sparse).collect()
}

fn experts(fields: &Fields<'_>, kind: LinearKind) -> ExpertsShape {
    let size = fields.size("moe_intermediate_size");
    let activation = fields.activation("hidden_act");
    let weights = RouterWeights::OfTheirSumAtLeast(fields.number("moe_norm_min"));
    // None where it is 0.
    let shared = fields.number("moe_num_shared_experts") as usize;
    ExpertsShape {
        num_experts: fields.size("moe_num_experts") as i64,
        intermediate_size: size as i64,
        layout: ExpertLayout::GATE_UP_DOWN,
        gate: ExpertGate::Activated(activation),
        router: RouterShape {
            correction: Some(Correction {
                name: "moe_statics.e_score_correction_bias",
                leading: &[1],
            }),
            ..RouterShape::softmax("gate", fields.size("moe_k"), weights)
        },
        shared: (shared > 0).then(|| SharedExpert {
            name: "shared_experts",
            shape: GatedShape { kind, ..GatedShape::plain(size * shared, activation) },
            gate: None,
        }),
    }
}
