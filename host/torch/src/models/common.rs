//! What most architectures say in the same words: sizes, a norm by the root mean square, separate
//! projections, a gated feed-forward, names of tensors. An architecture's file starts from these and
//! changes what is its own.

use super::names::Names;
use super::shape::{DecoderShape, Embeddings};
use crate::config::Fields;
use crate::layers::attention::AttentionShape;
use crate::layers::block::{BlockShape, MixerShape, NormPlaces, Part};
use crate::layers::feed_forward::{FeedForwardShape, GatedShape};
use crate::layers::head::LogitShape;
use crate::layers::norm::{NormKind, NormShape};
use crate::layers::rope::Rope;
use serde_json::json;

/// The sizes that go by the same names nearly everywhere.
pub(super) struct Sizes {
    pub(super) hidden_size: usize,
    pub(super) layers: usize,
    pub(super) heads: usize,
    pub(super) key_value_heads: usize,
    pub(super) head_dim: usize,
}

impl Sizes {
    pub(super) fn read(fields: &Fields<'_>) -> Self {
        let hidden_size = fields.size("hidden_size");
        let heads = fields.size("num_attention_heads");
        let head_dim = fields.size_if_any("head_dim").unwrap_or_else(|| {
            if !hidden_size.is_multiple_of(heads) {
                fields.fault(format!(
                    "`hidden_size` {hidden_size} does not divide into {heads} attention heads"
                ));
            }
            hidden_size / heads
        });
        Self {
            hidden_size,
            layers: fields.num_layers("num_hidden_layers"),
            heads,
            key_value_heads: fields.size_if_any("num_key_value_heads").unwrap_or(heads),
            head_dim,
        }
    }

    /// Llama's attention of these sizes.
    pub(super) fn attention(&self) -> AttentionShape {
        AttentionShape::plain(self.heads, self.key_value_heads, self.head_dim)
    }
}

/// The norm that `rms_norm_eps` belongs to.
pub(super) fn rms_norm(fields: &Fields<'_>) -> NormShape {
    NormShape { kind: NormKind::Rms, eps: fields.number("rms_norm_eps") }
}

/// Llama's feed-forward, with the activation that a field names.
pub(super) fn gated(fields: &Fields<'_>, activation: &str) -> GatedShape {
    GatedShape::plain(fields.size("intermediate_size"), fields.activation(activation))
}

/// Llama's block: a norm before attention and one before the feed-forward.
pub(super) fn block(
    attention: AttentionShape,
    feed_forward: GatedShape,
    norm: NormShape,
) -> BlockShape {
    BlockShape {
        mixer: Part { name: "self_attn", shape: MixerShape::Attention(attention) },
        feed_forward: Part { name: "mlp", shape: FeedForwardShape::Gated(feed_forward) },
        norm,
        norms: NormPlaces::LLAMA,
        residual_multiplier: None,
    }
}

/// What stands around the blocks in Llama.
pub(super) fn decoder(
    fields: &Fields<'_>,
    sizes: &Sizes,
    blocks: Vec<BlockShape>,
    ropes: Vec<Rope>,
) -> DecoderShape {
    fields.require("attention_dropout", &json!(0.0));
    DecoderShape {
        names: Names::llama(),
        vocab_size: fields.size("vocab_size") as i64,
        hidden_size: sizes.hidden_size as i64,
        max_position_embeddings: fields.size("max_position_embeddings"),
        initializer_range: fields.number("initializer_range"),
        embedding_scale: None,
        position_embedding: None,
        blocks,
        ropes,
        norm: rms_norm(fields),
        embeddings: Embeddings::from_tied(fields.flag("tie_word_embeddings")),
        logits: LogitShape::default(),
    }
}
