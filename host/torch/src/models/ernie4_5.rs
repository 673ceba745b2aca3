//! ERNIE 4.5 (dense), <https://huggingface.co/baidu/ERNIE-4.5-0.3B-PT>: Llama with features turned in pairs.

use super::common::{self, Sizes};
use super::{Architecture, DecoderShape};
use crate::config::{Fields, RopeDefaults};
use crate::layers::attention::AttentionShape;
use crate::layers::feed_forward::GatedShape;
use crate::layers::linear::LinearKind;
use crate::layers::rope::{Rope, RopeLayout};

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "Ernie4_5ForCausalLM", model_type: "ernie4_5", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let kind = LinearKind::with_bias(fields.flag("use_bias"));
    let attention = AttentionShape { inputs_kind: kind, output_kind: kind, ..sizes.attention() };
    let feed_forward = GatedShape { kind, ..common::gated(fields, "hidden_act") };
    let block = common::block(attention, feed_forward, common::rms_norm(fields));
    let defaults = RopeDefaults { theta: 500_000.0, ..RopeDefaults::default() };
    let rope = fields.rope(sizes.head_dim, defaults);
    let rope = Rope { layout: RopeLayout::Pairs, ..rope };
    common::decoder(fields, &sizes, vec![block; sizes.layers], vec![rope])
}
