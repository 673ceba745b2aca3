//! Qwen 3.5 with experts: its feed-forwards are experts, with one that every token passes through.

use super::{Architecture, DecoderShape, qwen2_moe, qwen3_5};
use crate::config::Fields;
use crate::layers::experts::RouterWeights;
use crate::layers::gated_delta::DeltaProjections;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "Qwen3_5MoeForCausalLM", model_type: "qwen3_5_moe_text", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let experts = qwen2_moe::experts(fields, RouterWeights::normalized(true));
    qwen3_5::decoder(fields, DeltaProjections::Separate, |_| experts.clone().into())
}
