//! Ministral 3, <https://huggingface.co/mistralai/Ministral-3-8B-Base-2512>: Mistral, stretched by YaRN, with
//! queries that grow beyond the first context.

use super::common::{self, Sizes};
use super::{Architecture, DecoderShape};
use crate::config::{Fields, RopeDefaults};
use crate::layers::attention::AttentionShape;
use crate::layers::rope::{QueryGrowth, Rope};
use serde_json::{Map, Value, json};

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "Ministral3ForCausalLM", model_type: "ministral3", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let window = fields.size_if_any("sliding_window");
    let attention = AttentionShape { window, ..sizes.attention() };
    let feed_forward = common::gated(fields, "hidden_act");
    let block = common::block(attention, feed_forward, common::rms_norm(fields));
    let rope = rope(fields, sizes.head_dim);
    common::decoder(fields, &sizes, vec![block; sizes.layers], vec![rope])
}

fn rope(fields: &Fields<'_>, head_dim: usize) -> Rope {
    let given = fields.object("rope_scaling").or(fields.object("rope_parameters"));
    let parameters = given.unwrap_or_else(parameters);
    let number = |name: &str| parameters.get(name).and_then(Value::as_f64);
    let positions = fields.size("max_position_embeddings") as f64;
    let context = number("original_max_position_embeddings").unwrap_or(positions);
    let query_growth = number("llama_4_scaling_beta").map(|beta| QueryGrowth { beta, context });
    if query_growth.is_none() {
        fields.fault("the rotary embedding lacks `llama_4_scaling_beta`".into());
    }
    let rope = fields.rope_of(&parameters, head_dim, RopeDefaults::default());
    Rope { query_growth, ..rope }
}

/// What the class takes where the file has none.
fn parameters() -> Map<String, Value> {
    let parameters = json!({
        "rope_type": "yarn", "rope_theta": 1_000_000.0, "factor": 16.0,
        "original_max_position_embeddings": 16_384, "beta_fast": 32.0, "beta_slow": 1.0,
        "mscale": 1.0, "mscale_all_dim": 1.0, "llama_4_scaling_beta": 0.1,
    });
    parameters.as_object().cloned().unwrap_or_default()
}
