//! Llama 1 to 3, <https://arxiv.org/abs/2407.21783>: pre-norm, gated feed-forward, rotary positions,
//! grouped queries; biases only where `attention_bias` or `mlp_bias` ask for them.

use super::common::{self, Sizes};
use super::{Architecture, DecoderShape};
use crate::config::{Fields, RopeDefaults};
use crate::layers::attention::AttentionShape;
use crate::layers::feed_forward::GatedShape;
use crate::layers::linear::LinearKind;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "LlamaForCausalLM", model_type: "llama", shape };

pub(super) fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let attention_kind = LinearKind::with_bias(fields.flag("attention_bias"));
    let attention = AttentionShape {
        inputs_kind: attention_kind,
        output_kind: attention_kind,
        ..sizes.attention()
    };
    let feed_forward = GatedShape {
        kind: LinearKind::with_bias(fields.flag("mlp_bias")),
        ..common::gated(fields, "hidden_act")
    };
    let block = common::block(attention, feed_forward, common::rms_norm(fields));
    let rope = fields.rope(sizes.head_dim, RopeDefaults::default());
    common::decoder(fields, &sizes, vec![block; sizes.layers], vec![rope])
}
