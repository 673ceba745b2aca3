//! Qwen 3 Next, <https://huggingface.co/docs/transformers/model_doc/qwen3_next>: Qwen 3.5's layers with the
//! delta net's matrices by key head, and experts in most layers, with one that every token passes through.

use super::{Architecture, DecoderShape, common, qwen2_moe, qwen3_5, qwen3_moe};
use crate::config::Fields;
use crate::layers::experts::RouterWeights;
use crate::layers::feed_forward::FeedForwardShape;
use crate::layers::gated_delta::DeltaProjections;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "Qwen3NextForCausalLM", model_type: "qwen3_next", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let weights = RouterWeights::normalized(fields.flag("norm_topk_prob"));
    let experts = FeedForwardShape::from(qwen2_moe::experts(fields, weights));
    let gated = FeedForwardShape::from(common::gated(fields, "hidden_act"));
    let sparse = qwen3_moe::sparse_layers(fields, fields.num_layers("num_hidden_layers"));
    qwen3_5::decoder(fields, DeltaProjections::ByKeyHead, |layer| {
        if sparse[layer] { experts.clone() } else { gated.clone() }
    })
}
