//! Arcee's foundation model, <https://huggingface.co/arcee-ai/AFM-4.5B>: Llama with a plain feed-forward bent
//! by max(x, 0)².

use super::common::{self, Sizes};
use super::{Architecture, DecoderShape};
use crate::config::{Fields, RopeDefaults};
use crate::layers::attention::AttentionShape;
use crate::layers::feed_forward::PlainShape;
use crate::layers::linear::LinearKind;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "ArceeForCausalLM", model_type: "arcee", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let kind = LinearKind::with_bias(fields.flag("attention_bias"));
    let attention = AttentionShape { inputs_kind: kind, output_kind: kind, ..sizes.attention() };
    let block = common::block(attention, feed_forward(fields), common::rms_norm(fields));
    let rope = fields.rope(sizes.head_dim, RopeDefaults::default());
    common::decoder(fields, &sizes, vec![block; sizes.layers], vec![rope])
}

/// Llama's without its gate.
pub(super) fn feed_forward(fields: &Fields<'_>) -> PlainShape {
    PlainShape {
        intermediate_size: fields.size("intermediate_size") as i64,
        names: ["up_proj", "down_proj"],
        kind: LinearKind::with_bias(fields.flag("mlp_bias")),
        activation: fields.activation("hidden_act"),
    }
}
