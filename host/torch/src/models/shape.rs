//! Everything that decides which weights a decoder has and what it computes with them: a table of layers,
//! and what stands around it.

use super::names::Names;
use crate::layers::block::{BlockShape, MixerShape};
use crate::layers::feed_forward::FeedForwardShape;
use crate::layers::head::LogitShape;
use crate::layers::linear::LinearKind;
use crate::layers::norm::NormShape;
use crate::layers::rope::Rope;
use iterit_core::learner::ModelLimits;

/// Features that the heads of a layer may have together: no sum or product of sizes then overflows.
const MOST_FEATURES: i64 = i32::MAX as i64;

/// Experts that all layers may have together: each is a few names in a list.
const MOST_EXPERTS: i64 = 1_000_000;

/// Whether the head is the token embedding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Embeddings {
    Tied,
    Untied,
}

impl Embeddings {
    pub(crate) fn from_tied(tie_word_embeddings: bool) -> Self {
        if tie_word_embeddings { Self::Tied } else { Self::Untied }
    }
}

/// An embedding of positions that is added to that of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PositionEmbedding {
    /// Its name in the body.
    pub(crate) name: &'static str,
    /// How many of its rows stand before that of the first position.
    pub(crate) offset: i64,
}

/// Everything that decides which weights a decoder has and what it computes with them.
#[derive(Debug, Clone)]
pub(crate) struct DecoderShape {
    pub(crate) names: Names,
    pub(crate) vocab_size: i64,
    pub(crate) hidden_size: i64,
    pub(crate) max_position_embeddings: usize,
    pub(crate) initializer_range: f64,
    /// What token embeddings are multiplied by.
    pub(crate) embedding_scale: Option<f64>,
    pub(crate) position_embedding: Option<PositionEmbedding>,
    /// The table of layers.
    pub(crate) blocks: Vec<BlockShape>,
    /// The rotary embeddings that attention points to.
    pub(crate) ropes: Vec<Rope>,
    pub(crate) norm: NormShape,
    pub(crate) embeddings: Embeddings,
    /// Whether the head has a bias.
    pub(crate) head: LinearKind,
    pub(crate) logits: LogitShape,
    /// Tensors that hold what is known beforehand: how their names end, and the number.
    pub(crate) constants: Vec<(&'static str, f64)>,
    /// Dropout that the configuration asks for in training, by field; none is applied.
    pub(crate) dropout: Vec<(String, f64)>,
}

impl DecoderShape {
    /// The same model as a checkpoint keeps it, whose tensors `shape_of` finds by their names: under
    /// another prefix, or with all experts of a layer in one tensor.
    pub(crate) fn found(mut self, shape_of: impl Fn(&str) -> Option<Vec<i64>>) -> Self {
        self.names = self.names.found(|name| shape_of(name).is_some());
        for (layer, block) in self.blocks.iter_mut().enumerate() {
            let FeedForwardShape::Experts(experts) = &mut block.feed_forward.shape else {
                continue;
            };
            let size = [experts.intermediate_size, self.hidden_size];
            // Mixtral's are elsewhere in a file than in transformers' memory.
            for part in [block.feed_forward.name, "mlp"] {
                let name = format!("{}.{part}", self.names.block(layer));
                let found = experts.layout.found(size, |it| shape_of(&format!("{name}.{it}")));
                if let Some(layout) = found {
                    (experts.layout, block.feed_forward.name) = (layout, part);
                    break;
                }
            }
        }
        self
    }

    /// What a sequence must keep within.
    pub(crate) fn limits(&self) -> ModelLimits {
        let window = |block: &BlockShape| block.mixer.shape.window();
        ModelLimits {
            positions: self.max_position_embeddings,
            window: self.blocks.iter().filter_map(window).min(),
            vocabulary: self.vocab_size as usize,
        }
    }

    /// The names of the token embedding and of the head; one that is tied may have either.
    pub(crate) fn embedding_names(&self) -> [String; 2] {
        let embedding = self.names.in_body(self.names.embed_tokens);
        [embedding.as_str(), self.names.lm_head.as_str()].map(|name| format!("{name}.weight"))
    }

    /// The tables that have a row for each token.
    pub(crate) fn token_tables(&self) -> Vec<String> {
        let bias = (self.head == LinearKind::Biased).then(|| self.names.head_bias());
        self.embedding_names().into_iter().chain(bias).collect()
    }

    /// What makes it impossible to build, each fault in a line.
    pub(crate) fn faults(&self) -> Vec<String> {
        let (mut faults, mut num_experts) = (Vec::new(), 0_i64);
        for block in &self.blocks {
            let (names, heads, key_heads, features) = match &block.mixer.shape {
                MixerShape::Attention(attention) => (
                    ["num_attention_heads", "num_key_value_heads"],
                    attention.num_attention_heads,
                    attention.num_key_value_heads,
                    attention
                        .num_attention_heads
                        .max(attention.num_key_value_heads)
                        .saturating_mul(attention.head_dim),
                ),
                MixerShape::GatedDelta(delta) => (
                    ["linear_num_value_heads", "linear_num_key_heads"],
                    delta.num_value_heads,
                    delta.num_key_heads,
                    delta
                        .num_value_heads
                        .saturating_mul(delta.value_head_dim)
                        .max(delta.num_key_heads.saturating_mul(delta.key_head_dim)),
                ),
                MixerShape::Latent(latent) => ([""; 2], 1, 1, latent.num_features()),
                MixerShape::ShortConvolution(_) => ([""; 2], 1, 1, 0),
            };
            if features > MOST_FEATURES {
                faults.push(format!(
                    "heads of a layer have {features} features together: expected at most \
                     {MOST_FEATURES}"
                ));
            }
            if heads % key_heads != 0 {
                let [all, keys] = names;
                faults.push(format!("`{keys}` {key_heads} does not divide `{all}` {heads}"));
            }
            if let FeedForwardShape::Experts(experts) = &block.feed_forward.shape {
                let (all, picked) = (experts.num_experts, experts.router.num_experts_per_tok);
                num_experts = num_experts.saturating_add(all);
                if picked > all {
                    faults.push(format!("`num_experts_per_tok` is {picked}, of {all} experts"));
                }
            }
        }
        if num_experts > MOST_EXPERTS {
            faults.push(format!(
                "the layers have {num_experts} experts together: expected at most {MOST_EXPERTS}"
            ));
        }
        for rope in &self.ropes {
            if rope.rotary_dim % 2 != 0 || rope.rotary_dim == 0 {
                faults.push(format!(
                    "{} features of a head turn: rotary positions need an even number\n\
                     hint: `head_dim`, times `partial_rotary_factor` where there is one",
                    rope.rotary_dim
                ));
            }
        }
        faults.dedup();
        faults
    }
}
