//! Command R7B and A, <https://arxiv.org/abs/2504.00698>: Command R with a window in three layers of four,
//! and no positions in the others.

use super::common::Sizes;
use super::{Architecture, DecoderShape, cohere};
use crate::config::{Fields, LayerType, RopeDefaults};
use crate::layers::attention::AttentionShape;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "Cohere2ForCausalLM", model_type: "cohere2", shape };

/// One layer in so many sees everything, where neither the layers nor the pattern are given.
const PATTERN: usize = 4;

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let pattern = fields.size_if_any("sliding_window_pattern").unwrap_or(PATTERN);
    let types = fields.layer_types(sizes.layers, |layer| match (layer + 1) % pattern {
        0 => LayerType::Full,
        _ => LayerType::Sliding,
    });
    let window = fields.size_if_any("sliding_window");
    let block = |layer_type| {
        let window = window.filter(|_| layer_type == LayerType::Sliding);
        let rope = window.map(|_| 0);
        let attention = AttentionShape { window, rope, ..cohere::attention(fields, &sizes) };
        cohere::block(fields, attention)
    };
    let blocks = types.into_iter().map(block).collect();
    let rope = cohere::rope(fields, &sizes, RopeDefaults::default());
    cohere::decoder(fields, &sizes, blocks, rope)
}
