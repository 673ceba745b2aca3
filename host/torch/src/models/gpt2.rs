//! GPT-2, <https://cdn.openai.com/better-language-models/language_models_are_unsupervised_multitask_learners.pdf>:
//! learned positions, norms by mean and variance, a plain feed-forward, biases everywhere, and matrices
//! that lie on their side.

use super::common::{self, Sizes};
use super::names::Names;
use super::shape::PositionEmbedding;
use super::{Architecture, DecoderShape};
use crate::config::Fields;
use crate::layers::attention::{AttentionShape, Projections};
use crate::layers::block::{BlockShape, NormPlaces, Part};
use crate::layers::feed_forward::PlainShape;
use crate::layers::linear::LinearKind;
use crate::layers::norm::NormKind;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "GPT2LMHeadModel", model_type: "gpt2", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::of_whole_heads(fields);
    let scale = scale(fields, &sizes);
    let is_by_layer = fields.flag("scale_attn_by_inverse_layer_idx");
    let block = |layer: usize| {
        let divisor = if is_by_layer { layer + 1 } else { 1 };
        let attention = AttentionShape {
            scale: scale / divisor as f64,
            inputs: Projections::Stacked("c_attn"),
            inputs_kind: LinearKind::Conv1d,
            ..sizes.attention()
        };
        block(fields, &sizes, attention, LinearKind::Conv1d)
    };
    decoder(fields, &sizes, (0..sizes.layers).map(block).collect())
}

/// 1/√Dh, unless scores are taken as they are.
pub(super) fn scale(fields: &Fields<'_>, sizes: &Sizes) -> f64 {
    match fields.flag("scale_attn_weights") {
        true => sizes.attention().scale,
        false => 1.0,
    }
}

/// Norms before both parts.
pub(super) fn block(
    fields: &Fields<'_>,
    sizes: &Sizes,
    attention: AttentionShape,
    kind: LinearKind,
) -> BlockShape {
    let attention = AttentionShape { output: "c_proj", output_kind: kind, rope: None, ..attention };
    let feed_forward = PlainShape {
        intermediate_size: common::intermediate_size(fields, sizes, "n_inner"),
        names: ["c_fc", "c_proj"],
        kind,
        activation: fields.activation("activation_function"),
    };
    let norm = common::layer_norm(fields, NormKind::Layer, "layer_norm_epsilon");
    let block = common::block(attention, feed_forward, norm);
    BlockShape {
        mixer: Part { name: "attn", ..block.mixer },
        norms: NormPlaces::Before { mixer: "ln_1", feed_forward: "ln_2" },
        ..block
    }
}

/// Learned positions around the blocks.
pub(super) fn decoder(fields: &Fields<'_>, sizes: &Sizes, blocks: Vec<BlockShape>) -> DecoderShape {
    for field in ["attn_pdrop", "embd_pdrop", "resid_pdrop"] {
        fields.dropout(field);
    }
    let norm = common::layer_norm(fields, NormKind::Layer, "layer_norm_epsilon");
    DecoderShape {
        names: Names::gpt2(),
        position_embedding: Some(PositionEmbedding { name: "wpe", offset: 0 }),
        ..common::decoder_with(fields, sizes, norm, blocks, Vec::new())
    }
}
