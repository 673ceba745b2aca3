//! Command R7B and A, <https://arxiv.org/abs/2504.00698>: Command R with a window in three layers of four,
//! and no positions in the others.

use super::common::{self, Sizes};
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
    let types = fields.layer_types(sizes.layers, LayerType::full_at_end_of(pattern));
    let block = |attention: AttentionShape| {
        let rope = attention.window.map(|_| 0);
        cohere::block(fields, AttentionShape { rope, ..attention })
    };
    let attention = cohere::attention(fields, &sizes);
    let blocks = common::windowed(fields, types, &attention).map(block).collect();
    let rope = cohere::rope(fields, &sizes, RopeDefaults::default());
    cohere::decoder(fields, &sizes, blocks, rope)
}
