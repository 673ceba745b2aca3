//! Falcon, <https://arxiv.org/abs/2311.16867>: attention and a plain feed-forward side by side, one matrix for
//! queries, keys and values, and norms by mean and variance. Its first models have one key and one value
//! for all heads, later ones some; the oldest, whose scores fall with the distance, are refused.

use super::common::{self, Sizes};
use super::names::Names;
use super::{Architecture, DecoderShape};
use crate::config::{Fields, RopeDefaults};
use crate::layers::attention::{AttentionShape, Projections};
use crate::layers::block::{BlockShape, NormPlaces, Part};
use crate::layers::feed_forward::PlainShape;
use crate::layers::linear::LinearKind;
use crate::layers::norm::NormKind;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "FalconForCausalLM", model_type: "falcon", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::of_whole_heads(fields);
    let is_new = fields.flag("new_decoder_architecture");
    let norm = common::layer_norm(fields, NormKind::Layer, "layer_norm_epsilon");
    let kind = LinearKind::with_bias(fields.flag("bias"));
    let attention = AttentionShape {
        num_key_value_heads: key_value_heads(fields, &sizes, is_new) as i64,
        inputs: Projections::Interleaved("query_key_value"),
        inputs_kind: kind,
        output: "dense",
        output_kind: kind,
        ..sizes.attention()
    };
    let feed_forward = PlainShape {
        intermediate_size: common::intermediate_size(fields, &sizes, "ffn_hidden_size"),
        names: ["dense_h_to_4h", "dense_4h_to_h"],
        kind,
        activation: fields.activation("activation"),
    };
    let block = common::block(attention, feed_forward, norm);
    let block = BlockShape {
        mixer: Part { name: "self_attention", ..block.mixer },
        norms: norms(fields, is_new),
        ..block
    };
    let rope = fields.rope(sizes.head_dim, RopeDefaults::default());
    let blocks = vec![block; sizes.layers];
    DecoderShape {
        names: Names { embed_tokens: "word_embeddings", ..Names::gpt2() },
        ..common::decoder_with(fields, &sizes, norm, blocks, vec![rope])
    }
}

fn key_value_heads(fields: &Fields<'_>, sizes: &Sizes, is_new: bool) -> usize {
    let given = fields.size_if_any("num_kv_heads").unwrap_or(sizes.heads);
    match (is_new, fields.flag("multi_query")) {
        (true, _) => given,
        (false, true) => 1,
        (false, false) => sizes.heads,
    }
}

fn norms(fields: &Fields<'_>, is_new: bool) -> NormPlaces {
    let one = NormPlaces::Parallel { mixer: "input_layernorm", feed_forward: None };
    let two = NormPlaces::Parallel { mixer: "ln_attn", feed_forward: Some("ln_mlp") };
    let count = fields.size_if_any("num_ln_in_parallel_attn");
    match (is_new, fields.flag("parallel_attn")) {
        (true, true) if count.is_none_or(|count| count == 2) => two,
        (_, true) => one,
        (true, false) => {
            fields.unsupported("parallel_attn", &false, "true");
            one
        }
        (false, false) => NormPlaces::LLAMA,
    }
}
