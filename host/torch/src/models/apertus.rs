//! Apertus, <https://arxiv.org/abs/2509.14233>: Llama with norms of each head's queries and keys, and a plain
//! feed-forward bent by xIELU.

use super::common::{self, Sizes};
use super::{Architecture, DecoderShape};
use crate::config::{Fields, RopeDefaults};
use crate::layers::attention::{AttentionShape, NormStage, NormWidth, QueryKeyNorm};
use crate::layers::block::{BlockShape, NormPlaces};
use crate::layers::feed_forward::{FeedForwardShape, XieluShape};
use crate::layers::linear::LinearKind;
use crate::layers::rope::{Rope, RopeScaling};
use crate::layers::xielu;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "ApertusForCausalLM", model_type: "apertus", shape };

/// The rotary embedding where the file has none.
const THETA: f64 = 12_000_000.0;
const STRETCHED: RopeScaling = RopeScaling::Llama3 {
    factor: 8.0,
    low_freq_factor: 1.0,
    high_freq_factor: 4.0,
    original_max_position_embeddings: 8192.0,
};

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let kind = LinearKind::with_bias(fields.flag("attention_bias"));
    let norm = common::rms_norm(fields);
    let attention = AttentionShape {
        inputs_kind: kind,
        output_kind: kind,
        query_key_norm: Some(QueryKeyNorm {
            norm,
            width: NormWidth::Head,
            stage: NormStage::BeforeTurning,
            names: ["q_norm", "k_norm"],
        }),
        ..sizes.attention()
    };
    fields.require("hidden_act", &json!("xielu"));
    let feed_forward = FeedForwardShape::Xielu(XieluShape {
        intermediate_size: fields.size("intermediate_size") as i64,
        names: ["up_proj", "down_proj"],
        activation: "act_fn",
    });
    let block = BlockShape {
        norms: NormPlaces::Before {
            mixer: "attention_layernorm",
            feed_forward: "feedforward_layernorm",
        },
        ..common::block(attention, feed_forward, norm)
    };
    let is_given = fields.has("rope_parameters") || fields.has("rope_scaling");
    let given =
        fields.rope(sizes.head_dim, RopeDefaults { theta: THETA, ..RopeDefaults::default() });
    let rope = match is_given {
        true => given,
        false => Rope { scaling: STRETCHED, ..Rope::plain(sizes.head_dim, THETA) },
    };
    DecoderShape {
        constants: xielu::CONSTANTS.to_vec(),
        ..common::decoder(fields, &sizes, vec![block; sizes.layers], vec![rope])
    }
}
