//! Gemma 3, <https://arxiv.org/abs/2503.19786>: Gemma 2 with norms on queries and keys instead of bounded
//! scores, five layers with a window to one without, and a rotary embedding for each of the two kinds.

use super::common::Sizes;
use super::{Architecture, DecoderShape, gemma2};
use crate::config::{Fields, LayerType, RopeDefaults};
use crate::layers::attention::{AttentionShape, NormStage, NormWidth, QueryKeyNorm};
use crate::layers::rope::Rope;
use serde_json::{Map, Value};

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
    let types = fields.layer_types(sizes.layers, |layer| match (layer + 1) % pattern {
        0 => LayerType::Full,
        _ => LayerType::Sliding,
    });
    let window = fields.size_if_any("sliding_window");
    let block = |layer_type| {
        let (rope, window) = match layer_type {
            LayerType::Full => (0, None),
            LayerType::Sliding => (1, window),
        };
        gemma2::block(fields, AttentionShape { rope: Some(rope), window, ..attention.clone() })
    };
    let blocks = types.into_iter().map(block).collect();
    gemma2::decoder(fields, &sizes, blocks, ropes(fields, sizes.head_dim))
}

/// Of layers that see everything, and of those with a window. Stretching, as transformers 4 wrote it,
/// is for the first.
fn ropes(fields: &Fields<'_>, head_dim: usize) -> Vec<Rope> {
    let parameters = fields.object("rope_parameters").unwrap_or_default();
    let of_type = |name: &str| -> Map<String, Value> {
        parameters.get(name).and_then(Value::as_object).cloned().unwrap_or_default()
    };
    let mut full = of_type("full_attention");
    full.extend(fields.object("rope_scaling").unwrap_or_default());
    let mut sliding = of_type("sliding_attention");
    let local = fields.number_if_any("rope_local_base_freq").unwrap_or(10_000.0);
    sliding.entry("rope_theta").or_insert_with(|| local.into());
    let defaults = RopeDefaults { theta: 1_000_000.0, ..RopeDefaults::default() };
    [full, sliding].iter().map(|it| fields.rope_of(it, head_dim, defaults)).collect()
}
