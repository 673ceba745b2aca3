//! Gemma, <https://arxiv.org/abs/2403.08295>: Llama with gains of 1 + w, embeddings times √D, and GELU.

use super::common::{self, Sizes};
use super::{Architecture, DecoderShape};
use crate::config::{Fields, RopeDefaults};
use crate::layers::activation::Activation;
use crate::layers::attention::AttentionShape;
use crate::layers::feed_forward::GatedShape;
use crate::layers::linear::LinearKind;
use crate::layers::norm::{NormKind, NormShape};

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "GemmaForCausalLM", model_type: "gemma", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let kind = LinearKind::with_bias(fields.flag("attention_bias"));
    let attention = AttentionShape { inputs_kind: kind, output_kind: kind, ..sizes.attention() };
    let norm = NormShape { kind: NormKind::RmsOnePlus, ..common::rms_norm(fields) };
    let block = common::block(attention, feed_forward(fields), norm);
    let rope = fields.rope(sizes.head_dim, RopeDefaults::default());
    let blocks = vec![block; sizes.layers];
    DecoderShape {
        embedding_scale: Some((sizes.hidden_size as f64).sqrt()),
        ..common::decoder_with(fields, &sizes, norm, blocks, vec![rope])
    }
}

/// The first files say `gelu` and mean the one by tanh.
fn feed_forward(fields: &Fields<'_>) -> GatedShape {
    let shape = common::gated(fields, "hidden_act");
    let activation = match shape.activation {
        Activation::Gelu => Activation::GeluTanh,
        other => other,
    };
    GatedShape { activation, ..shape }
}
