//! Nemotron 4 and Minitron, <https://arxiv.org/abs/2402.16819>: Llama with norms by mean and variance whose
//! gain is 1 + w, a plain feed-forward bent by max(x, 0)², and half of each head turned.

use super::common::{self, Sizes};
use super::{Architecture, DecoderShape, arcee};
use crate::config::{Fields, RopeDefaults};
use crate::layers::attention::AttentionShape;
use crate::layers::linear::LinearKind;
use crate::layers::norm::NormKind;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "NemotronForCausalLM", model_type: "nemotron", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let kind = LinearKind::with_bias(fields.flag("attention_bias"));
    let attention = AttentionShape { inputs_kind: kind, output_kind: kind, ..sizes.attention() };
    let norm = common::layer_norm(fields, NormKind::LayerOnePlus, "norm_eps");
    let block = common::block(attention, arcee::feed_forward(fields), norm);
    let defaults = RopeDefaults { partial_rotary_factor: Some(0.5), ..RopeDefaults::default() };
    let rope = fields.rope(sizes.head_dim, defaults);
    common::decoder_with(fields, &sizes, norm, vec![block; sizes.layers], vec![rope])
}
