//! Granite 3, <https://huggingface.co/ibm-granite/granite-3.0-8b-base>: Llama with factors for embeddings,
//! scores, logits, and what each part of a block adds, <https://arxiv.org/abs/2203.03466>.

use super::common::{self, Sizes};
use super::{Architecture, DecoderShape};
use crate::config::{Fields, RopeDefaults};
use crate::layers::attention::AttentionShape;
use crate::layers::block::BlockShape;
use crate::layers::feed_forward::GatedShape;
use crate::layers::head::LogitShape;
use crate::layers::linear::LinearKind;
use crate::layers::rope::Rope;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "GraniteForCausalLM", model_type: "granite", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let block = block(fields, attention(fields, &sizes));
    let rope = fields.rope(sizes.head_dim, RopeDefaults::default());
    decoder(fields, &sizes, vec![block; sizes.layers], vec![rope])
}

/// Scores times a factor of their own, where the file has one.
pub(super) fn attention(fields: &Fields<'_>, sizes: &Sizes) -> AttentionShape {
    let kind = LinearKind::with_bias(fields.flag("attention_bias"));
    AttentionShape {
        scale: fields.number_if_any("attention_multiplier").unwrap_or(sizes.attention().scale),
        inputs_kind: kind,
        output_kind: kind,
        ..sizes.attention()
    }
}

/// What each part adds times a factor.
pub(super) fn block(fields: &Fields<'_>, attention: AttentionShape) -> BlockShape {
    let feed_forward = GatedShape {
        kind: LinearKind::with_bias(fields.flag("mlp_bias")),
        ..common::gated(fields, "hidden_act")
    };
    BlockShape {
        residual_multiplier: Some(fields.number("residual_multiplier")),
        ..common::block(attention, feed_forward, common::rms_norm(fields))
    }
}

/// Factors for embeddings and logits.
pub(super) fn decoder(
    fields: &Fields<'_>,
    sizes: &Sizes,
    blocks: Vec<BlockShape>,
    ropes: Vec<Rope>,
) -> DecoderShape {
    let scale = Some(1.0 / fields.number("logits_scaling"));
    DecoderShape {
        embedding_scale: Some(fields.number("embedding_multiplier")),
        logits: LogitShape { scale, ..LogitShape::default() },
        ..common::decoder(fields, sizes, blocks, ropes)
    }
}
