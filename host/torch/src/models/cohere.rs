//! Command R and Aya, <https://arxiv.org/abs/2412.04261>: attention and a gated feed-forward side by side
//! behind one norm by mean and variance without a bias, features turned in pairs, logits times a factor;
//! some models with norms of queries and keys that have gains for each head.

use super::common::{self, Sizes};
use super::{Architecture, DecoderShape};
use crate::config::{Fields, RopeDefaults};
use crate::layers::attention::{AttentionShape, NormStage, NormWidth, QueryKeyNorm};
use crate::layers::block::{BlockShape, NormPlaces};
use crate::layers::head::LogitShape;
use crate::layers::linear::LinearKind;
use crate::layers::norm::{NormKind, NormShape};
use crate::layers::rope::{Rope, RopeLayout};

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "CohereForCausalLM", model_type: "cohere", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let norm = QueryKeyNorm {
        norm: norm(fields),
        width: NormWidth::HeadsApart,
        stage: NormStage::BeforeTurning,
        names: ["q_norm", "k_norm"],
    };
    let attention = AttentionShape {
        query_key_norm: fields.flag("use_qk_norm").then_some(norm),
        ..attention(fields, &sizes)
    };
    let defaults = RopeDefaults { theta: 500_000.0, ..RopeDefaults::default() };
    let rope = rope(fields, &sizes, defaults);
    decoder(fields, &sizes, vec![block(fields, attention); sizes.layers], rope)
}

pub(super) fn attention(fields: &Fields<'_>, sizes: &Sizes) -> AttentionShape {
    let kind = LinearKind::with_bias(fields.flag("attention_bias"));
    AttentionShape { inputs_kind: kind, output_kind: kind, ..sizes.attention() }
}

/// The norm that Cohere has everywhere.
fn norm(fields: &Fields<'_>) -> NormShape {
    common::layer_norm(fields, NormKind::LayerWithoutBias, "layer_norm_eps")
}

/// One norm for both parts.
pub(super) fn block(fields: &Fields<'_>, attention: AttentionShape) -> BlockShape {
    BlockShape {
        norms: NormPlaces::Parallel { mixer: "input_layernorm", feed_forward: None },
        ..common::block(attention, common::gated(fields, "hidden_act"), norm(fields))
    }
}

pub(super) fn rope(fields: &Fields<'_>, sizes: &Sizes, defaults: RopeDefaults) -> Rope {
    Rope { layout: RopeLayout::Pairs, ..fields.rope(sizes.head_dim, defaults) }
}

/// Logits times a factor.
pub(super) fn decoder(
    fields: &Fields<'_>,
    sizes: &Sizes,
    blocks: Vec<BlockShape>,
    rope: Rope,
) -> DecoderShape {
    let scale = Some(fields.number("logit_scale"));
    DecoderShape {
        logits: LogitShape { scale, ..LogitShape::default() },
        ..common::decoder_with(fields, sizes, norm(fields), blocks, vec![rope])
    }
}
