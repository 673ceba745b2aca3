//! Phi 1, 1.5 and 2, <https://arxiv.org/abs/2309.05463>: attention and a plain feed-forward side by side
//! behind one norm by mean and variance, a part of each head that turns, biases everywhere, the head's too.

use super::common::{self, Sizes};
use super::names::Names;
use super::{Architecture, DecoderShape};
use crate::config::{Fields, RopeDefaults};
use crate::layers::attention::{AttentionShape, NormStage, NormWidth, QueryKeyNorm};
use crate::layers::block::{BlockShape, NormPlaces};
use crate::layers::feed_forward::PlainShape;
use crate::layers::linear::LinearKind;
use crate::layers::norm::NormKind;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "PhiForCausalLM", model_type: "phi", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let norm = common::layer_norm(fields, NormKind::Layer, "layer_norm_eps");
    let query_key_norm = QueryKeyNorm {
        norm,
        width: NormWidth::Head,
        stage: NormStage::BeforeTurning,
        names: ["q_layernorm", "k_layernorm"],
    };
    let attention = AttentionShape {
        inputs_kind: LinearKind::Biased,
        output: "dense",
        output_kind: LinearKind::Biased,
        query_key_norm: fields.flag("qk_layernorm").then_some(query_key_norm),
        ..sizes.attention()
    };
    let feed_forward = PlainShape {
        intermediate_size: fields.size("intermediate_size") as i64,
        names: ["fc1", "fc2"],
        kind: LinearKind::Biased,
        activation: fields.activation("hidden_act"),
    };
    let block = BlockShape {
        norms: NormPlaces::Parallel { mixer: "input_layernorm", feed_forward: None },
        ..common::block(attention, feed_forward, norm)
    };
    let defaults = RopeDefaults { partial_rotary_factor: Some(0.5), ..RopeDefaults::default() };
    let rope = fields.rope(sizes.head_dim, defaults);
    for field in ["embd_pdrop", "resid_pdrop"] {
        fields.dropout(field);
    }
    let blocks = vec![block; sizes.layers];
    DecoderShape {
        names: Names { norm: "final_layernorm", ..Names::llama() },
        head: LinearKind::Biased,
        ..common::decoder_with(fields, &sizes, norm, blocks, vec![rope])
    }
}
