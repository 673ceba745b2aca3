//! Qwen 2 and 2.5, <https://arxiv.org/abs/2412.15115>: Llama with biases on queries, keys and values. A
//! window slides only where `use_sliding_window` says so, and then from some layer on.

use super::common::{self, Sizes};
use super::{Architecture, DecoderShape};
use crate::config::{Fields, LayerType, RopeDefaults};
use crate::layers::attention::AttentionShape;
use crate::layers::block::BlockShape;
use crate::layers::linear::LinearKind;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "Qwen2ForCausalLM", model_type: "qwen2", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let attention = AttentionShape { inputs_kind: LinearKind::Biased, ..sizes.attention() };
    layers(fields, &sizes, &attention)
}

/// All layers alike but for the window.
pub(super) fn layers(
    fields: &Fields<'_>,
    sizes: &Sizes,
    attention: &AttentionShape,
) -> DecoderShape {
    let blocks = blocks(fields, sizes, attention);
    let rope = fields.rope(sizes.head_dim, RopeDefaults::default());
    common::decoder(fields, sizes, blocks, vec![rope])
}

pub(super) fn blocks(
    fields: &Fields<'_>,
    sizes: &Sizes,
    attention: &AttentionShape,
) -> Vec<BlockShape> {
    let feed_forward = common::gated(fields, "hidden_act");
    let norm = common::rms_norm(fields);
    let block = |window| {
        let attention = AttentionShape { window, ..attention.clone() };
        common::block(attention, feed_forward.clone(), norm)
    };
    windows(fields, sizes.layers).into_iter().map(block).collect()
}

/// The window of each layer.
fn windows(fields: &Fields<'_>, layers: usize) -> Vec<Option<usize>> {
    let window = fields.size_if_any("sliding_window");
    let window = window.filter(|_| fields.flag("use_sliding_window"));
    let first = fields.number("max_window_layers") as usize;
    let slides = |layer| match window {
        Some(_) if layer >= first => LayerType::Sliding,
        _ => LayerType::Full,
    };
    let types = fields.layer_types(layers, slides);
    types.into_iter().map(|it| window.filter(|_| it == LayerType::Sliding)).collect()
}
