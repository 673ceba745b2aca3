//! Mistral, <https://arxiv.org/abs/2310.06825>: Llama without biases, and with a sliding window.

use super::common::{self, Sizes};
use super::{Architecture, DecoderShape};
use crate::config::{Fields, RopeDefaults};
use crate::layers::attention::AttentionShape;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "MistralForCausalLM", model_type: "mistral", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let window = fields.size_if_any("sliding_window");
    let attention = AttentionShape { window, ..sizes.attention() };
    let feed_forward = common::gated(fields, "hidden_act");
    let block = common::block(attention, feed_forward, common::rms_norm(fields));
    let rope = fields.rope(sizes.head_dim, RopeDefaults::default());
    common::decoder(fields, &sizes, vec![block; sizes.layers], vec![rope])
}
