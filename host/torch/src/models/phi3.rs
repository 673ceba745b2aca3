//! Phi 3 and 4, <https://arxiv.org/abs/2404.14219>: Llama with one matrix for queries, keys and values and
//! one for gate and up, a window, and a part of each head that does not turn; stretched by LongRoPE alone.

use super::common::{self, Sizes};
use super::{Architecture, DecoderShape};
use crate::config::{Fields, RopeDefaults};
use crate::layers::attention::{AttentionShape, Projections};
use crate::layers::feed_forward::{GateUp, GatedShape};
use crate::layers::rope::Rope;
use serde_json::{Value, json};

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "Phi3ForCausalLM", model_type: "phi3", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let attention = AttentionShape {
        inputs: Projections::Stacked("qkv_proj"),
        window: fields.size_if_any("sliding_window"),
        ..sizes.attention()
    };
    let feed_forward = GatedShape {
        inputs: GateUp::Stacked("gate_up_proj"),
        ..common::gated(fields, "hidden_act")
    };
    let block = common::block(attention, feed_forward, common::rms_norm(fields));
    let rope = rope(fields, sizes.head_dim);
    common::decoder(fields, &sizes, vec![block; sizes.layers], vec![rope])
}

/// LongRoPE went by other names at first.
fn rope(fields: &Fields<'_>, head_dim: usize) -> Rope {
    // Read here because it counts only where positions are stretched, and files have it anyway.
    fields.size_if_any("original_max_position_embeddings");
    let parameters = fields.object("rope_parameters");
    let mut parameters = fields.object("rope_scaling").or(parameters).unwrap_or_default();
    let named = |name: &str| parameters.get(name).and_then(Value::as_str);
    let rope_type = named("rope_type").or_else(|| named("type")).unwrap_or("default").to_owned();
    match rope_type.as_str() {
        "default" => {}
        "longrope" | "su" | "yarn" => {
            parameters.insert("rope_type".into(), json!("longrope"));
        }
        other => {
            let found = format!("of type `{other}`");
            fields.unsupported("rope_parameters", &found, "`default` or `longrope`");
        }
    }
    let defaults = RopeDefaults { partial_rotary_factor: Some(1.0), ..RopeDefaults::default() };
    fields.rope_of(&parameters, head_dim, defaults)
}
