//! Seed-OSS, <https://huggingface.co/ByteDance-Seed/Seed-OSS-36B-Base>: Llama with biases on queries, keys and
//! values.

use super::common::{self, Sizes};
use super::{Architecture, DecoderShape};
use crate::config::{Fields, RopeDefaults};
use crate::layers::attention::AttentionShape;
use crate::layers::feed_forward::GatedShape;
use crate::layers::linear::LinearKind;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "SeedOssForCausalLM", model_type: "seed_oss", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let attention = AttentionShape {
        inputs_kind: LinearKind::with_bias(fields.flag("attention_bias")),
        output_kind: LinearKind::with_bias(fields.flag("attention_out_bias")),
        ..sizes.attention()
    };
    let feed_forward = GatedShape {
        kind: LinearKind::with_bias(fields.flag("mlp_bias")),
        ..common::gated(fields, "hidden_act")
    };
    let block = common::block(attention, feed_forward, common::rms_norm(fields));
    let rope = fields.rope(sizes.head_dim, RopeDefaults::default());
    fields.dropout("residual_dropout");
    common::decoder(fields, &sizes, vec![block; sizes.layers], vec![rope])
}
