//! dots.llm1, <https://arxiv.org/abs/2506.05767>: GLM 4.5's experts with Qwen 3's attention, and a window from
//! some layer on.

use super::common::{self, Sizes};
use super::{Architecture, DecoderShape, glm4_moe, qwen3};
use crate::config::{Fields, LayerType, RopeDefaults};
use crate::layers::attention::AttentionShape;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "Dots1ForCausalLM", model_type: "dots1", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let attention = qwen3::attention(fields, &sizes);
    let norm = common::rms_norm(fields);
    let window = fields.size_if_any("sliding_window");
    let first = fields.number_if_any("max_window_layers").map_or(0, |first| first as usize);
    let types = fields.layer_types(sizes.layers, |layer| match window {
        Some(_) if layer >= first => LayerType::Sliding,
        _ => LayerType::Full,
    });
    let block = |(layer_type, feed_forward)| {
        let window = window.filter(|_| layer_type == LayerType::Sliding);
        common::block(AttentionShape { window, ..attention.clone() }, feed_forward, norm)
    };
    let feed_forwards = glm4_moe::feed_forwards(fields, sizes.layers);
    let blocks = types.into_iter().zip(feed_forwards).map(block).collect();
    let rope = fields.rope(sizes.head_dim, RopeDefaults::default());
    common::decoder(fields, &sizes, blocks, vec![rope])
}
