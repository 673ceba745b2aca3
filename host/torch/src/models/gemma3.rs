//! Gemma 3, <https://arxiv.org/abs/2503.19786>: Gemma 2 with norms on queries and keys instead of bounded
//! scores, five layers with a window to one without, and a rotary embedding for each of the two kinds.

use super::common::{self, Sizes};
use super::{Architecture, DecoderShape, gemma2};
use crate::config::{Fields, LayerType, RopeDefaults};
use crate::layers::attention::{AttentionShape, NormStage, NormWidth, QueryKeyNorm};
use crate::layers::rope::Rope;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "Gemma3ForCausalLM", model_type: "gemma3_text", shape };

/// One layer in so many sees everything, where neither the layers nor the pattern are given.
const PATTERN: usize = 6;

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let attention = AttentionShape {
        query_key_norm: Some(QueryKeyNorm {
            norm: gemma2::norm(fields),
            width: NormWidth::Head,
            stage: NormStage::BeforeTurning,
            names: ["q_norm", "k_norm"],
        }),
        ..gemma2::attention(fields, &sizes)
    };
    let pattern = fields.size_if_any("sliding_window_pattern").unwrap_or(PATTERN);
    let types = fields.layer_types(sizes.layers, LayerType::full_at_end_of(pattern));
    let blocks = common::windowed_and_turned(fields, types, &attention)
        .map(|attention| gemma2::block(fields, attention))
        .collect();
    gemma2::decoder(fields, &sizes, blocks, ropes(fields, sizes.head_dim))
}

fn ropes(fields: &Fields<'_>, head_dim: usize) -> Vec<Rope> {
    let [full, mut sliding] = common::rope_parameters_by_layer_type(fields);
    let local = fields.number_if_any("rope_local_base_freq").unwrap_or(10_000.0);
    sliding.entry("rope_theta").or_insert_with(|| local.into());
    let defaults = RopeDefaults { theta: 1_000_000.0, ..RopeDefaults::default() };
    [full, sliding].iter().map(|it| fields.rope_of(it, head_dim, defaults)).collect()
}
