//! OLMo 3, <https://arxiv.org/abs/2512.13961>: OLMo 2 with a window in three layers of four. Stretched
//! positions are for the layers that see everything.

use super::common::{self, Sizes};
use super::{Architecture, DecoderShape, olmo2};
use crate::config::{Fields, LayerType, RopeDefaults};
use crate::layers::attention::AttentionShape;
use crate::layers::rope::Rope;
use serde_json::{Map, Value, json};

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "Olmo3ForCausalLM", model_type: "olmo3", shape };

/// One layer in so many sees everything, where the layers are not given.
const PATTERN: usize = 4;

/// θ where the file has none.
const THETA: f64 = 500_000.0;

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let attention = olmo2::attention(fields, &sizes);
    let types = fields.layer_types(sizes.layers, |layer| match (layer + 1) % PATTERN {
        0 => LayerType::Full,
        _ => LayerType::Sliding,
    });
    let window = fields.size_if_any("sliding_window");
    let block = |layer_type| {
        let (rope, window) = match layer_type {
            LayerType::Full => (0, None),
            LayerType::Sliding => (1, window),
        };
        olmo2::block(fields, AttentionShape { rope: Some(rope), window, ..attention.clone() })
    };
    let blocks = types.into_iter().map(block).collect();
    common::decoder(fields, &sizes, blocks, ropes(fields, sizes.head_dim))
}

/// Of layers that see everything, and of those with a window.
fn ropes(fields: &Fields<'_>, head_dim: usize) -> Vec<Rope> {
    let parameters = fields.object("rope_parameters").unwrap_or_default();
    let of_type = |name: &str| -> Map<String, Value> {
        parameters.get(name).and_then(Value::as_object).cloned().unwrap_or_default()
    };
    let mut full = of_type("full_attention");
    full.extend(fields.object("rope_scaling").unwrap_or_default());
    let mut sliding = of_type("sliding_attention");
    if !sliding.contains_key("rope_theta") {
        // transformers 4 took it for both kinds of layers, transformers 5 for one.
        fields.require("rope_theta", &json!(THETA));
    }
    sliding.entry("rope_theta").or_insert(json!(THETA));
    let defaults = RopeDefaults { theta: THETA, ..RopeDefaults::default() };
    [full, sliding].iter().map(|it| fields.rope_of(it, head_dim, defaults)).collect()
}
