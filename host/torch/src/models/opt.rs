//! OPT, <https://arxiv.org/abs/2205.01068>: learned positions that begin at the third row, norms by mean and
//! variance, a plain feed-forward, biases. Of its models the one of 350M, whose embeddings are narrower
//! than its layers and whose norms stand behind sums, is refused.

use super::common::{self, Sizes};
use super::names::Names;
use super::shape::PositionEmbedding;
use super::{Architecture, DecoderShape};
use crate::config::Fields;
use crate::layers::attention::AttentionShape;
use crate::layers::block::{BlockShape, NormPlaces, Part};
use crate::layers::feed_forward::PlainShape;
use crate::layers::linear::LinearKind;
use crate::layers::norm::{NormKind, NormShape};
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "OPTForCausalLM", model_type: "opt", shape };

/// No file says otherwise.
const EPS: f64 = 1e-5;

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::of_whole_heads(fields);
    fields.require("word_embed_proj_dim", &json!(sizes.hidden_size));
    fields.dropout("dropout");
    let kind = LinearKind::with_bias(fields.flag("enable_bias"));
    let norm = match fields.flag("layer_norm_elementwise_affine") {
        true => NormShape { kind: NormKind::Layer, eps: EPS },
        false => NormShape { kind: NormKind::LayerAlone, eps: EPS },
    };
    let attention = AttentionShape {
        inputs_kind: kind,
        output: "out_proj",
        output_kind: kind,
        rope: None,
        ..sizes.attention()
    };
    let feed_forward = PlainShape {
        intermediate_size: fields.size("ffn_dim") as i64,
        names: ["fc1", "fc2"],
        kind,
        activation: fields.activation("activation_function"),
    };
    let block = common::block(attention, feed_forward, norm);
    let block = BlockShape {
        // Its matrices lie beside attention.
        feed_forward: Part { name: "", ..block.feed_forward },
        norms: NormPlaces::Before {
            mixer: "self_attn_layer_norm",
            feed_forward: "final_layer_norm",
        },
        ..block
    };
    DecoderShape {
        names: names(),
        initializer_range: fields.number("init_std"),
        position_embedding: Some(PositionEmbedding { name: "embed_positions", offset: 2 }),
        ..common::decoder_with(fields, &sizes, norm, vec![block; sizes.layers], Vec::new())
    }
}

fn names() -> Names {
    Names { body: "model.decoder.".into(), norm: "final_layer_norm", ..Names::llama() }
}
