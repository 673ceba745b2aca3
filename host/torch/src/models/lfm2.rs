//! LFM 2, <https://arxiv.org/abs/2511.23404>: gated convolutions of short reach, and attention in some layers,
//! with norms on the queries and keys of each head. A file's size of the feed-forward is what a plain one
//! would have, unless `block_auto_adjust_ff_dim` is off.

use super::common::{self, Sizes};
use super::names::Names;
use super::shape::Embeddings;
use super::{Architecture, DecoderShape};
use crate::config::{Fields, RopeDefaults};
use crate::layers::activation::Activation;
use crate::layers::attention::{AttentionShape, NormStage, NormWidth, QueryKeyNorm};
use crate::layers::block::{BlockShape, MixerShape, NormPlaces, Part};
use crate::layers::feed_forward::{FeedForwardShape, GateUp, GatedShape};
use crate::layers::linear::LinearKind;
use crate::layers::norm::{NormKind, NormShape};
use crate::layers::short_convolution::ShortConvolutionShape;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "Lfm2ForCausalLM", model_type: "lfm2", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let gated = gated(intermediate_size(fields));
    decoder(fields, |_| gated.clone().into())
}

/// With these feed-forwards, by layer.
pub(super) fn decoder(
    fields: &Fields<'_>,
    feed_forward: impl Fn(usize) -> FeedForwardShape,
) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let norm = NormShape { kind: NormKind::Rms, eps: fields.number("norm_eps") };
    let mixers = [attention(&sizes, norm), convolution(fields)];
    let block = |(layer, mixer): (usize, &Part<MixerShape>)| BlockShape {
        mixer: mixer.clone(),
        feed_forward: Part { name: "feed_forward", shape: feed_forward(layer) },
        norm,
        norms: NormPlaces::Before { mixer: "operator_norm", feed_forward: "ffn_norm" },
        residual_multiplier: None,
    };
    let mixers = layers(fields, sizes.layers, &mixers);
    let blocks = mixers.into_iter().enumerate().map(block).collect();
    let defaults = RopeDefaults { theta: 1_000_000.0, ..RopeDefaults::default() };
    let rope = fields.rope(sizes.head_dim, defaults);
    // By its older name first, as transformers reads it.
    let tied = fields.flag_if_any("tie_embedding");
    let tied = tied.unwrap_or_else(|| fields.flag("tie_word_embeddings"));
    DecoderShape {
        names: Names { norm: "embedding_norm", ..Names::llama() },
        embeddings: Embeddings::from_tied(tied),
        ..common::decoder_with(fields, &sizes, norm, blocks, vec![rope])
    }
}

/// Each layer's of the two.
fn layers<'a>(
    fields: &Fields<'_>,
    layers: usize,
    [attention, convolution]: &'a [Part<MixerShape>; 2],
) -> Vec<&'a Part<MixerShape>> {
    let attentive = fields.numbers("full_attn_idxs");
    let names = [("full_attention", attention), ("conv", convolution)];
    fields.layer_types_by_name(&names, layers, |layer| match &attentive {
        Some(layers) if !layers.contains(&(layer as i64)) => convolution,
        _ => attention,
    })
}

fn attention(sizes: &Sizes, norm: NormShape) -> Part<MixerShape> {
    let names = ["q_layernorm", "k_layernorm"];
    let shape = MixerShape::Attention(AttentionShape {
        output: "out_proj",
        query_key_norm: Some(QueryKeyNorm {
            norm,
            width: NormWidth::Head,
            stage: NormStage::BeforeTurning,
            names,
        }),
        ..sizes.attention()
    });
    Part { name: "self_attn", shape }
}

fn convolution(fields: &Fields<'_>) -> Part<MixerShape> {
    let shape = MixerShape::ShortConvolution(ShortConvolutionShape {
        kernel: fields.size("conv_L_cache") as i64,
        kind: LinearKind::with_bias(fields.flag("conv_bias")),
    });
    Part { name: "conv", shape }
}

/// LFM's names of the three matrices.
pub(super) fn gated(intermediate_size: usize) -> GatedShape {
    GatedShape {
        inputs: GateUp::Separate(["w1", "w3"]),
        output: "w2",
        ..GatedShape::plain(intermediate_size, Activation::Silu)
    }
}

/// Two thirds of what the file says, times a factor, and up to a multiple.
fn intermediate_size(fields: &Fields<'_>) -> usize {
    let older = fields.size_if_any("block_ff_dim");
    let given = older.unwrap_or_else(|| fields.size("intermediate_size"));
    let factor = fields.number_if_any("block_ffn_dim_multiplier");
    let multiple = fields.size_if_any("block_multiple_of").unwrap_or(1);
    if !fields.flag("block_auto_adjust_ff_dim") {
        return given;
    }
    let two_thirds = 2 * given / 3;
    match factor {
        Some(factor) => ((factor * two_thirds as f64) as usize).next_multiple_of(multiple),
        None => two_thirds,
    }
}
