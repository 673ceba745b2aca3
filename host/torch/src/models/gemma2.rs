//! Gemma 2, <https://arxiv.org/abs/2408.00118>: norms with a gain of 1 + w before and after both parts of a
//! block, embeddings times √D, bounded scores and logits, and a window in every other layer.

use super::common::{self, Sizes};
use super::{Architecture, DecoderShape};
use crate::config::{Fields, LayerType, RopeDefaults};
use crate::layers::attention::AttentionShape;
use crate::layers::block::{BlockShape, NormPlaces};
use crate::layers::head::LogitShape;
use crate::layers::linear::LinearKind;
use crate::layers::norm::{NormKind, NormShape};
use crate::layers::rope::Rope;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "Gemma2ForCausalLM", model_type: "gemma2", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    whole(fields, &Sizes::read(fields))
}

/// A window in every other layer, and bounded scores.
pub(super) fn whole(fields: &Fields<'_>, sizes: &Sizes) -> DecoderShape {
    let attention = AttentionShape {
        softcap: fields.number_if_any("attn_logit_softcapping"),
        ..attention(fields, sizes)
    };
    let types = fields.layer_types(sizes.layers, LayerType::full_at_end_of(2));
    let blocks = common::windowed(fields, types, &attention)
        .map(|attention| block(fields, attention))
        .collect();
    let rope = fields.rope(sizes.head_dim, RopeDefaults::default());
    decoder(fields, sizes, blocks, vec![rope])
}

/// Scores over the root of `query_pre_attn_scalar` instead of the head's size.
pub(super) fn attention(fields: &Fields<'_>, sizes: &Sizes) -> AttentionShape {
    let kind = LinearKind::with_bias(fields.flag("attention_bias"));
    AttentionShape {
        scale: 1.0 / fields.number("query_pre_attn_scalar").sqrt(),
        inputs_kind: kind,
        output_kind: kind,
        ..sizes.attention()
    }
}

/// The norm that Gemma has everywhere.
pub(super) fn norm(fields: &Fields<'_>) -> NormShape {
    NormShape { kind: NormKind::RmsOnePlus, ..common::rms_norm(fields) }
}

/// Norms around both parts.
pub(super) fn block(fields: &Fields<'_>, attention: AttentionShape) -> BlockShape {
    let feed_forward = common::gated(fields, "hidden_activation");
    BlockShape {
        norms: NormPlaces::BeforeAndAfter {
            mixer: ["input_layernorm", "post_attention_layernorm"],
            feed_forward: ["pre_feedforward_layernorm", "post_feedforward_layernorm"],
        },
        ..common::block(attention, feed_forward, norm(fields))
    }
}

/// Embeddings times √D, and bounded logits where the file says so.
pub(super) fn decoder(
    fields: &Fields<'_>,
    sizes: &Sizes,
    blocks: Vec<BlockShape>,
    ropes: Vec<Rope>,
) -> DecoderShape {
    let softcap = fields.number_if_any("final_logit_softcapping");
    DecoderShape {
        norm: norm(fields),
        embedding_scale: Some((sizes.hidden_size as f64).sqrt()),
        logits: LogitShape { softcap, ..LogitShape::default() },
        ..common::decoder(fields, sizes, blocks, ropes)
    }
}
