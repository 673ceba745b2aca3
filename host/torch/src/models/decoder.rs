//! The decoder that Llama and its relatives share: token embedding, pre-norm layers of attention and
//! gated feed-forward, a final norm, and a head that may be the embedding again.
//!
//! B rows, T tokens a row, D features, V tokens in the vocabulary, N positions that are asked about.

use crate::layers::Source;
use crate::layers::attention::{Attention, AttentionShape, KeysValues, Past, mask_after};
use crate::layers::linear::Bias;
use crate::layers::mlp::Mlp;
use crate::layers::rms_norm::RmsNorm;
use crate::layers::rope::{Rope, Rotations};
use tch::Tensor;

/// The token embedding's name.
pub(crate) const EMBEDDING: &str = "model.embed_tokens.weight";

/// The head's name, where it is a matrix of its own.
pub(crate) const HEAD: &str = "lm_head.weight";

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

/// Everything that decides which weights a decoder has and what it computes with them.
#[derive(Debug, Clone)]
pub(crate) struct DecoderShape {
    pub(crate) vocab_size: i64,
    pub(crate) hidden_size: i64,
    pub(crate) intermediate_size: i64,
    pub(crate) num_hidden_layers: usize,
    pub(crate) max_position_embeddings: usize,
    pub(crate) rms_norm_eps: f64,
    pub(crate) initializer_range: f64,
    pub(crate) embeddings: Embeddings,
    pub(crate) attention: AttentionShape,
    pub(crate) mlp_bias: Bias,
    pub(crate) rope: Rope,
}

impl DecoderShape {
    /// What makes it impossible to build, each fault in a line.
    pub(crate) fn faults(&self) -> Vec<String> {
        let AttentionShape { num_attention_heads, num_key_value_heads, head_dim, .. } =
            self.attention;
        let mut faults = Vec::new();
        if num_attention_heads % num_key_value_heads != 0 {
            faults.push(format!(
                "`num_key_value_heads` {num_key_value_heads} does not divide \
                 `num_attention_heads` {num_attention_heads}"
            ));
        }
        if head_dim % 2 != 0 {
            faults.push(format!("`head_dim` is {head_dim}: rotary positions need an even number"));
        }
        faults
    }

    /// Embedding and head, where one matrix is both and a folder may have it under either name.
    pub(crate) fn twins(&self) -> Option<(&'static str, &'static str)> {
        (self.embeddings == Embeddings::Tied).then_some((EMBEDDING, HEAD))
    }

    /// Name and shape of every weight, in the model's order; a tied head is not among them.
    pub(crate) fn parameters(&self) -> Vec<(String, Vec<i64>)> {
        let mut parameters = Vec::new();
        Decoder::new(self, &mut |name, shape| {
            parameters.push((name.to_owned(), shape.to_vec()));
            Tensor::new()
        });
        parameters
    }
}

/// The weights, in the places they are used.
pub(crate) struct Decoder {
    embed_tokens: Tensor, // [V, D]
    layers: Vec<Layer>,
    norm: RmsNorm,
    lm_head: Option<Tensor>, // [V, D]; absent when tied
}

/// Where a batch stands: the rotations of its positions, and what was run before it.
pub(crate) struct Place<'a> {
    rotations: Rotations,
    prefix: Option<(&'a Prefix, Tensor)>, // with its mask [1, 1, T, P + T]
}

/// Keys and values, layer by layer, of tokens that stand before every row.
pub(crate) struct Prefix {
    layers: Vec<KeysValues>, // [1, P, Hk, Dh]
    length: usize,
}

impl<'a> Place<'a> {
    /// Rows of `length` tokens that start at position 0.
    pub(crate) fn start(rotations: &Rotations, length: usize) -> Self {
        Self { rotations: rotations.narrow(0, length), prefix: None }
    }

    /// Rows of `length` tokens that stand after a prefix.
    pub(crate) fn after(prefix: &'a Prefix, rotations: &Rotations, length: usize) -> Self {
        let rotations = rotations.narrow(prefix.length, length);
        let mask = mask_after(prefix.length as i64, length as i64, rotations.table());
        Self { rotations, prefix: Some((prefix, mask)) }
    }

    fn past(&self, layer: usize) -> Option<Past<'_>> {
        let (prefix, mask) = self.prefix.as_ref()?;
        Some(Past { keys_values: &prefix.layers[layer], mask })
    }
}

impl Decoder {
    /// Asks `source` for every weight once, in the model's order.
    pub(crate) fn new(shape: &DecoderShape, source: &mut Source<'_>) -> Self {
        let embedding_shape = [shape.vocab_size, shape.hidden_size];
        Self {
            embed_tokens: source(EMBEDDING, &embedding_shape),
            layers: (0..shape.num_hidden_layers)
                .map(|layer| Layer::new(source, &format!("model.layers.{layer}"), shape))
                .collect(),
            norm: RmsNorm::new(source, "model.norm", shape.hidden_size, shape.rms_norm_eps),
            lm_head: (shape.embeddings == Embeddings::Untied)
                .then(|| source(HEAD, &embedding_shape)),
        }
    }

    /// The matrix that turns hidden states into logits. // [V, D]
    pub(crate) fn head(&self) -> &Tensor {
        self.lm_head.as_ref().unwrap_or(&self.embed_tokens)
    }

    /// How many layers there are.
    pub(crate) fn num_layers(&self) -> usize {
        self.layers.len()
    }

    /// Token embeddings. // [B, T] -> [B, T, D]
    pub(crate) fn embed(&self, tokens: &Tensor) -> Tensor {
        Tensor::embedding(&self.embed_tokens, tokens, -1, false, false)
    }

    /// One whole layer. // [B, T, D] -> [B, T, D]
    pub(crate) fn layer(&self, layer: usize, x: &Tensor, place: &Place<'_>) -> Tensor {
        let (gathered, _) = self.layers[layer].gather(x, place, layer);
        self.layers[layer].finish(x, &gathered)
    }

    /// The last layer and the final norm, at some positions of the batch only, counted row by row:
    /// nothing behind the last attention looks at the others. // [B, T, D], [N] -> [N, D]
    pub(crate) fn last_layer_at(&self, x: &Tensor, place: &Place<'_>, rows: &Tensor) -> Tensor {
        let last = self.layers.len() - 1;
        let (gathered, _) = self.layers[last].gather(x, place, last);
        let at_rows = |x: &Tensor| x.flatten(0, 1).index_select(0, rows);
        let x = self.layers[last].finish(&at_rows(x), &at_rows(&gathered));
        self.norm.forward(&x)
    }

    /// Final hidden states at some positions of the batch. // [B, T], [N] -> [N, D]
    pub(crate) fn hidden_at(&self, tokens: &Tensor, place: &Place<'_>, rows: &Tensor) -> Tensor {
        let mut x = self.embed(tokens);
        for layer in 0..self.layers.len() - 1 {
            x = self.layer(layer, &x, place);
        }
        self.last_layer_at(&x, place, rows)
    }

    /// What `depth` layers make of the tokens; all of them, and the final norm too. // [B, T] -> [B, T, D]
    pub(crate) fn hidden_after(&self, depth: usize, tokens: &Tensor, place: &Place<'_>) -> Tensor {
        let mut x = self.embed(tokens);
        for layer in 0..depth {
            x = self.layer(layer, &x, place);
        }
        if depth == self.layers.len() { self.norm.forward(&x) } else { x }
    }

    /// Runs tokens that every row of later batches starts with. // [1, P]
    pub(crate) fn prefix(&self, tokens: &Tensor, rotations: &Rotations) -> Prefix {
        let length = tokens.size()[1] as usize;
        let place = Place::start(rotations, length);
        let mut x = self.embed(tokens);
        let mut layers = Vec::with_capacity(self.layers.len());
        for (index, layer) in self.layers.iter().enumerate() {
            let (gathered, keys_values) = layer.gather(&x, &place, index);
            layers.push(keys_values);
            if index + 1 < self.layers.len() {
                x = layer.finish(&x, &gathered);
            }
        }
        Prefix { layers, length }
    }
}

/// x + attention(norm(x)), then that + mlp(norm(that)).
struct Layer {
    input_layernorm: RmsNorm,
    self_attn: Attention,
    post_attention_layernorm: RmsNorm,
    mlp: Mlp,
}

impl Layer {
    fn new(source: &mut Source<'_>, name: &str, shape: &DecoderShape) -> Self {
        let norm = |source: &mut Source<'_>, part: &str| {
            RmsNorm::new(source, &format!("{name}.{part}"), shape.hidden_size, shape.rms_norm_eps)
        };
        let mlp_size = [shape.hidden_size, shape.intermediate_size];
        Self {
            self_attn: Attention::new(source, &format!("{name}.self_attn"), &shape.attention),
            mlp: Mlp::new(source, &format!("{name}.mlp"), mlp_size, shape.mlp_bias),
            input_layernorm: norm(source, "input_layernorm"),
            post_attention_layernorm: norm(source, "post_attention_layernorm"),
        }
    }

    /// The part in which tokens look at one another. // [B, T, D] -> [B, T, H·Dh]
    fn gather(&self, x: &Tensor, place: &Place<'_>, layer: usize) -> (Tensor, KeysValues) {
        let past = place.past(layer);
        self.self_attn.gather(&self.input_layernorm.forward(x), &place.rotations, past.as_ref())
    }

    /// The part in which every token stands alone. // [.., D], [.., H·Dh] -> [.., D]
    fn finish(&self, x: &Tensor, gathered: &Tensor) -> Tensor {
        let x = x + self.self_attn.project(gathered);
        &x + self.mlp.forward(&self.post_attention_layernorm.forward(&x))
    }
}
