//! Helium, <https://huggingface.co/kyutai/helium-1-2b>: Llama with features turned in pairs.

use super::common::{self, Sizes};
use super::{Architecture, DecoderShape};
use crate::config::{Fields, RopeDefaults};
use crate::layers::attention::AttentionShape;
use crate::layers::feed_forward::GatedShape;
use crate::layers::linear::LinearKind;
use crate::layers::rope::{Rope, RopeLayout};

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "HeliumForCausalLM", model_type: "helium", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let attention = AttentionShape {
        inputs_kind: LinearKind::with_bias(fields.flag("attention_bias")),
        ..sizes.attention()
    };
    let feed_forward = GatedShape {
        kind: LinearKind::with_bias(fields.flag("mlp_bias")),
        ..common::gated(fields, "hidden_act")
    };
    let block = common::block(attention, feed_forward, common::rms_norm(fields));
    let defaults = RopeDefaults { theta: 100_000.0, ..RopeDefaults::default() };
    let rope = fields.rope(sizes.head_dim, defaults);
    let rope = Rope { layout: RopeLayout::Pairs, ..rope };
    common::decoder(fields, &sizes, vec![block; sizes.layers], vec![rope])
}
