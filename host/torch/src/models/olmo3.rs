//! OLMo 3, <https://arxiv.org/abs/2512.13961>: OLMo 2 with a window in three layers of four. Stretched
//! positions are for the layers that see everything.

use super::common::{self, Sizes};
use super::{Architecture, DecoderShape, olmo2};
use crate::config::{Fields, LayerType, RopeDefaults};
use crate::layers::rope::Rope;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "Olmo3ForCausalLM", model_type: "olmo3", shape };

/// One layer in so many sees everything, where the layers are not given.
const PATTERN: usize = 4;

/// θ where the file has none.
const THETA: f64 = 500_000.0;

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let attention = olmo2::attention(fields, &sizes);
    let types = fields.layer_types(sizes.layers, LayerType::full_at_end_of(PATTERN));
    let blocks = common::windowed_and_turned(fields, types, &attention)
        .map(|attention| olmo2::block(fields, attention))
        .collect();
    common::decoder(fields, &sizes, blocks, ropes(fields, sizes.head_dim))
}

fn ropes(fields: &Fields<'_>, head_dim: usize) -> Vec<Rope> {
    let [full, mut sliding] = common::rope_parameters_by_layer_type(fields);
    if !sliding.contains_key("rope_theta") {
        // transformers 4 took it for both kinds of layers, transformers 5 for one.
        fields.require("rope_theta", &json!(THETA));
    }
    sliding.entry("rope_theta").or_insert(json!(THETA));
    let defaults = RopeDefaults { theta: THETA, ..RopeDefaults::default() };
    [full, sliding].iter().map(|it| fields.rope_of(it, head_dim, defaults)).collect()
}
