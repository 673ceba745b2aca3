//! Jais 2, <https://huggingface.co/inceptionai/Jais-2-8B-Chat>: Llama with norms by mean and variance, a plain
//! feed-forward bent by max(x, 0)², and biases.

use super::common::{self, Sizes};
use super::{Architecture, DecoderShape, arcee};
use crate::config::{Fields, RopeDefaults};
use crate::layers::attention::AttentionShape;
use crate::layers::linear::LinearKind;
use crate::layers::norm::NormKind;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "Jais2ForCausalLM", model_type: "jais2", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let kind = LinearKind::with_bias(fields.flag("attention_bias"));
    let attention = AttentionShape { inputs_kind: kind, output_kind: kind, ..sizes.attention() };
    let norm = common::layer_norm(fields, NormKind::Layer, "layer_norm_eps");
    let block = common::block(attention, arcee::feed_forward(fields), norm);
    let rope = fields.rope(sizes.head_dim, RopeDefaults::default());
    common::decoder_with(fields, &sizes, norm, vec![block; sizes.layers], vec![rope])
}
