//! What most architectures say in the same words: sizes, a norm by the root mean square, separate
//! projections, a gated feed-forward, names of tensors. An architecture's file starts from these and
//! changes what is its own.

use super::names::Names;
use super::shape::{DecoderShape, Embeddings};
use crate::config::{Fields, LayerType};
use crate::layers::attention::AttentionShape;
use crate::layers::block::{BlockShape, MixerShape, NormPlaces, Part};
use crate::layers::feed_forward::{FeedForwardShape, GatedShape};
use crate::layers::head::LogitShape;
use crate::layers::linear::LinearKind;
use crate::layers::norm::{NormKind, NormShape};
use crate::layers::rope::Rope;
use serde_json::{Map, Value};

/// How many positions there are; some files leave it out, and transformers takes its default.
fn positions(fields: &Fields<'_>) -> usize {
    const FIELD: &str = "max_position_embeddings";
    fields.size_if_any(FIELD).unwrap_or_else(|| fields.size(FIELD))
}

/// How widely weights are drawn where the configuration has no such field.
const INITIALIZER_RANGE: f64 = 0.02;

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
        let head_dim = fields.size_if_any("head_dim");
        let head_dim = head_dim.unwrap_or_else(|| shared_out(fields, hidden_size, heads));
        Self {
            hidden_size,
            layers: fields.num_layers("num_hidden_layers"),
            heads,
            key_value_heads: fields.size_if_any("num_key_value_heads").unwrap_or(heads),
            head_dim,
        }
    }

    /// Those of a model whose heads share out the hidden features, each with a key and a value.
    pub(super) fn of_whole_heads(fields: &Fields<'_>) -> Self {
        let hidden_size = fields.size("hidden_size");
        let heads = fields.size("num_attention_heads");
        Self {
            hidden_size,
            layers: fields.num_layers("num_hidden_layers"),
            heads,
            key_value_heads: heads,
            head_dim: shared_out(fields, hidden_size, heads),
        }
    }

    /// Llama's attention of these sizes.
    pub(super) fn attention(&self) -> AttentionShape {
        AttentionShape::plain(self.heads, self.key_value_heads, self.head_dim)
    }
}

/// The features of each head where all together have as many as a hidden state.
fn shared_out(fields: &Fields<'_>, hidden_size: usize, heads: usize) -> usize {
    if !hidden_size.is_multiple_of(heads) {
        fields.fault(format!(
            "`hidden_size` {hidden_size} does not divide into {heads} attention heads"
        ));
    }
    hidden_size / heads
}

/// The norm that `rms_norm_eps` belongs to.
pub(super) fn rms_norm(fields: &Fields<'_>) -> NormShape {
    NormShape { kind: NormKind::Rms, eps: fields.number("rms_norm_eps") }
}

/// The norm by mean and variance whose ε a field names.
pub(super) fn layer_norm(fields: &Fields<'_>, kind: NormKind, eps: &str) -> NormShape {
    NormShape { kind, eps: fields.number(eps) }
}

/// Llama's feed-forward, with the activation that a field names.
pub(super) fn gated(fields: &Fields<'_>, activation: &str) -> GatedShape {
    GatedShape::plain(fields.size("intermediate_size"), fields.activation(activation))
}

/// Four times as many features as a hidden state has, where the field says nothing else.
pub(super) fn intermediate_size(fields: &Fields<'_>, sizes: &Sizes, field: &str) -> i64 {
    fields.size_if_any(field).unwrap_or(4 * sizes.hidden_size) as i64
}

/// Llama's blocks, with a window in the layers that slide.
pub(super) fn windows(
    fields: &Fields<'_>,
    sizes: &Sizes,
    types: Vec<LayerType>,
) -> Vec<BlockShape> {
    let (feed_forward, norm) = (gated(fields, "hidden_act"), rms_norm(fields));
    let block = |attention| block(attention, feed_forward.clone(), norm);
    windowed(fields, types, &sizes.attention()).map(block).collect()
}

/// An attention for each layer, with a window in those that slide.
pub(super) fn windowed(
    fields: &Fields<'_>,
    types: Vec<LayerType>,
    attention: &AttentionShape,
) -> impl Iterator<Item = AttentionShape> {
    let window = fields.size_if_any("sliding_window");
    types.into_iter().map(move |layer_type| AttentionShape {
        window: window.filter(|_| layer_type == LayerType::Sliding),
        ..attention.clone()
    })
}

/// The same where each of the two kinds has a rotary embedding of its own: the first of the model's is
/// that of layers that see everything, the second that of those with a window.
pub(super) fn windowed_and_turned(
    fields: &Fields<'_>,
    types: Vec<LayerType>,
    attention: &AttentionShape,
) -> impl Iterator<Item = AttentionShape> {
    let turned = types.clone().into_iter().map(|layer_type| match layer_type {
        LayerType::Full => 0,
        LayerType::Sliding => 1,
    });
    let attentions = windowed(fields, types, attention).zip(turned);
    attentions.map(|(attention, rope)| AttentionShape { rope: Some(rope), ..attention })
}

/// What the file says of those two rotary embeddings. Stretching, as transformers 4 wrote it, is for
/// layers that see everything.
pub(super) fn rope_parameters_by_layer_type(fields: &Fields<'_>) -> [Map<String, Value>; 2] {
    let parameters = fields.object("rope_parameters").unwrap_or_default();
    let [mut full, sliding] = ["full_attention", "sliding_attention"]
        .map(|name| parameters.get(name).and_then(Value::as_object).cloned().unwrap_or_default());
    full.extend(fields.object("rope_scaling").unwrap_or_default());
    [full, sliding]
}

/// Llama's block: a norm before attention and one before the feed-forward.
pub(super) fn block(
    attention: AttentionShape,
    feed_forward: impl Into<FeedForwardShape>,
    norm: NormShape,
) -> BlockShape {
    BlockShape {
        mixer: Part { name: "self_attn", shape: MixerShape::Attention(attention) },
        feed_forward: Part { name: "mlp", shape: feed_forward.into() },
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
    decoder_with(fields, sizes, rms_norm(fields), blocks, ropes)
}

/// The same with another norm behind the blocks.
pub(super) fn decoder_with(
    fields: &Fields<'_>,
    sizes: &Sizes,
    norm: NormShape,
    blocks: Vec<BlockShape>,
    ropes: Vec<Rope>,
) -> DecoderShape {
    fields.dropout("attention_dropout");
    DecoderShape {
        names: Names::llama(),
        vocab_size: fields.size("vocab_size") as i64,
        hidden_size: sizes.hidden_size as i64,
        max_position_embeddings: positions(fields),
        initializer_range: fields.number_if_any("initializer_range").unwrap_or(INITIALIZER_RANGE),
        embedding_scale: None,
        position_embedding: None,
        blocks,
        ropes,
        norm,
        embeddings: Embeddings::from_tied(fields.flag("tie_word_embeddings")),
        head: LinearKind::Plain,
        logits: LogitShape::default(),
        constants: Vec::new(),
        dropout: Vec::new(),
    }
}
