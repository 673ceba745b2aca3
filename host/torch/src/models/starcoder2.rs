//! StarCoder 2, <https://arxiv.org/abs/2402.19173>: Llama with norms by mean and variance, a plain
//! feed-forward, biases everywhere, and in some models a window.

use super::common::{self, Sizes};
use super::{Architecture, DecoderShape};
use crate::config::{Fields, RopeDefaults};
use crate::layers::attention::AttentionShape;
use crate::layers::feed_forward::PlainShape;
use crate::layers::linear::LinearKind;
use crate::layers::norm::NormKind;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "Starcoder2ForCausalLM", model_type: "starcoder2", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let kind = LinearKind::with_bias(fields.flag("use_bias"));
    let attention = AttentionShape {
        inputs_kind: kind,
        output_kind: kind,
        window: fields.size_if_any("sliding_window"),
        ..sizes.attention()
    };
    let feed_forward = PlainShape {
        intermediate_size: fields.size("intermediate_size") as i64,
        names: ["c_fc", "c_proj"],
        kind,
        activation: fields.activation("hidden_act"),
    };
    for field in ["embedding_dropout", "residual_dropout"] {
        fields.dropout(field);
    }
    let norm = common::layer_norm(fields, NormKind::Layer, "norm_epsilon");
    let blocks = vec![common::block(attention, feed_forward, norm); sizes.layers];
    let rope = fields.rope(sizes.head_dim, RopeDefaults::default());
    common::decoder_with(fields, &sizes, norm, blocks, vec![rope])
}
