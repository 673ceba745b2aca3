//! One decoder for all architectures: token embedding, a table of blocks, a final norm, and a head that
//! may be the embedding again.
//!
//! B rows, T tokens a row, D features, V tokens in the vocabulary, N positions that are asked about.

use super::place::{Past, Place, Positions, Prefix};
use super::shape::{DecoderShape, Embeddings};
use crate::layers::block::{Block, Memory};
use crate::layers::head::Head;
use crate::layers::linear::LinearKind;
use crate::layers::low_rank::LowRank;
use crate::layers::norm::Norm;
use crate::layers::rope::Reach;
use crate::layers::{LinearLayer, Role, Source, Supply};
use std::collections::HashSet;
use tch::Tensor;

impl DecoderShape {
    /// Name and shape of every weight, in the model's order; a tied head is not among them.
    pub(crate) fn parameters(&self) -> Vec<(String, Vec<i64>)> {
        self.walk().tensors.into_iter().map(|it| (it.name, it.shape)).collect()
    }

    /// The names of those that are not learned by gradients.
    pub(crate) fn fixed(&self) -> HashSet<String> {
        let fixed = self.walk().tensors.into_iter().filter(|it| it.role == Role::Fixed);
        fixed.map(|it| it.name).collect()
    }

    /// What the model asks for.
    pub(crate) fn walk(&self) -> Walk {
        let mut walk = Walk { tensors: Vec::new(), linears: Vec::new() };
        Decoder::new(self, &mut walk);
        walk
    }
}

/// What a decoder asks for, in the model's order.
pub(crate) struct Walk {
    pub(crate) tensors: Vec<Asked>,
    /// The linear layers, as transformers knows them too; the head is not among them.
    pub(crate) linears: Vec<AskedLinear>,
}

/// A tensor that a decoder asks for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Asked {
    pub(crate) name: String,
    pub(crate) shape: Vec<i64>,
    pub(crate) role: Role,
}

/// A linear layer of a decoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AskedLinear {
    pub(crate) name: String,
    /// [Out, In]
    pub(crate) size: [i64; 2],
    pub(crate) kind: LinearKind,
}

impl AskedLinear {
    /// What it is called within the part that holds it.
    pub(crate) fn last_part(&self) -> &str {
        self.name.rsplit('.').next().unwrap_or(&self.name)
    }
}

/// Writes down what is asked, and gives nothing.
impl Supply for Walk {
    fn tensor(&mut self, name: &str, shape: &[i64], role: Role) -> Tensor {
        self.tensors.push(Asked { name: name.to_owned(), shape: shape.to_vec(), role });
        Tensor::new()
    }

    fn low_rank(&mut self, LinearLayer { name, size, kind }: LinearLayer<'_>) -> Option<LowRank> {
        self.linears.push(AskedLinear { name: name.to_owned(), size, kind });
        None
    }
}

/// The weights, in the places they are used.
pub(crate) struct Decoder {
    embed_tokens: Tensor,                   // [V, D]
    embed_positions: Option<(Tensor, i64)>, // [offset + positions, D], offset
    embedding_scale: Option<f64>,
    blocks: Vec<Block>,
    norm: Norm,
    head: Head,
}

impl Decoder {
    /// Asks `source` for every weight once, in the model's order.
    pub(crate) fn new(shape: &DecoderShape, source: &mut Source<'_>) -> Self {
        let names = &shape.names;
        let embedding_shape = [shape.vocab_size, shape.hidden_size];
        let in_body = |part: &str| format!("{}.weight", names.in_body(part));
        let [embedding, head] = shape.embedding_names();
        let embed_tokens = source.tensor(&embedding, &embedding_shape, Role::Weight);
        let embed_positions = shape.position_embedding.map(|it| {
            let rows = it.offset + shape.max_position_embeddings as i64;
            let size = [rows, shape.hidden_size];
            (source.tensor(&in_body(it.name), &size, Role::Weight), it.offset)
        });
        let blocks = (0..).zip(&shape.blocks).map(|(layer, block)| {
            Block::new(source, &names.block(layer), block, shape.hidden_size)
        });
        let blocks = blocks.collect();
        let norm = shape.norm.build(source, &names.in_body(names.norm), shape.hidden_size);
        let weight = match shape.embeddings {
            Embeddings::Tied => embed_tokens.shallow_clone(),
            Embeddings::Untied => source.tensor(&head, &embedding_shape, Role::Weight),
        };
        let bias = (shape.head == LinearKind::Biased)
            .then(|| source.tensor(&names.head_bias(), &[shape.vocab_size], Role::Bias));
        let head = Head::new(weight, bias, shape.logits);
        let embedding_scale = shape.embedding_scale;
        Self { embed_tokens, embed_positions, embedding_scale, blocks, norm, head }
    }

    /// The same with the head's matrix laid out.
    pub(crate) fn with_head_for_many(self) -> Self {
        Self { head: self.head.for_many(), ..self }
    }

    /// What turns hidden states into logits.
    pub(crate) fn head(&self) -> &Head {
        &self.head
    }

    /// How many layers there are.
    pub(crate) fn num_layers(&self) -> usize {
        self.blocks.len()
    }

    /// Token embeddings, and those of positions. // [B, T] -> [B, T, D]
    pub(crate) fn embed(&self, tokens: &Tensor, place: &Place<'_>) -> Tensor {
        let mut x = Tensor::embedding(&self.embed_tokens, tokens, -1, false, false);
        if let Some(scale) = self.embedding_scale {
            // Rounded to the type it multiplies, as the models were trained.
            x = &x * Tensor::from(scale).to_kind(x.kind()).double_value(&[]);
        }
        match &self.embed_positions {
            Some((positions, offset)) => x + place.rows_of(positions, *offset),
            None => x,
        }
    }

    /// One whole layer. // [B, T, D] -> [B, T, D]
    pub(crate) fn layer(&self, layer: usize, x: &Tensor, place: &Place<'_>) -> Tensor {
        let (gathered, _) = self.gather(layer, x, place);
        self.blocks[layer].finish(x, &gathered)
    }

    /// The last layer and the final norm, at some positions of the batch only, counted row by row:
    /// nothing behind the last mixer looks at the others. // [B, T, D], [N] -> [N, D]
    pub(crate) fn last_layer_at(&self, x: &Tensor, place: &Place<'_>, rows: &Tensor) -> Tensor {
        let last = self.blocks.len() - 1;
        let (gathered, _) = self.gather(last, x, place);
        let at_rows = |x: &Tensor| x.flatten(0, 1).index_select(0, rows);
        let x = self.blocks[last].finish(&at_rows(x), &at_rows(&gathered));
        self.norm.forward(&x)
    }

    /// Final hidden states at some positions of the batch. // [B, T], [N] -> [N, D]
    pub(crate) fn hidden_at(&self, tokens: &Tensor, place: &Place<'_>, rows: &Tensor) -> Tensor {
        let mut x = self.embed(tokens, place);
        for layer in 0..self.blocks.len() - 1 {
            x = self.layer(layer, &x, place);
        }
        self.last_layer_at(&x, place, rows)
    }

    /// What `depth` layers make of the tokens; all of them, and the final norm too. // [B, T] -> [B, T, D]
    pub(crate) fn hidden_after(&self, depth: usize, tokens: &Tensor, place: &Place<'_>) -> Tensor {
        let mut x = self.embed(tokens, place);
        for layer in 0..depth {
            x = self.layer(layer, &x, place);
        }
        if depth == self.blocks.len() { self.norm.forward(&x) } else { x }
    }

    /// Runs tokens that every row of later batches starts with. // [1, P]
    pub(crate) fn prefix(&self, tokens: &Tensor, positions: &Positions, reach: Reach) -> Prefix {
        let length = tokens.size()[1] as usize;
        let place = Place::start(positions, reach, length);
        let mut x = self.embed(tokens, &place);
        let mut memories = Vec::with_capacity(self.blocks.len());
        for (layer, block) in self.blocks.iter().enumerate() {
            let (gathered, memory) = self.gather(layer, &x, &place);
            memories.push(memory);
            if layer + 1 < self.blocks.len() {
                x = block.finish(&x, &gathered);
            }
        }
        Prefix { memories, length, reach }
    }

    /// Runs tokens behind those that were run before, if any; gives the final hidden state of each row's
    /// last token, and what later tokens need of all. // [B, T] -> [B, D]
    pub(crate) fn go_on(
        &self,
        tokens: &Tensor,
        positions: &Positions,
        past: Past,
    ) -> (Tensor, Prefix) {
        let length = tokens.size()[1] as usize;
        let place = match &past {
            Past::Nothing(reach) => Place::start(positions, *reach, length),
            Past::Run(prefix) => Place::after(prefix, positions, length),
        };
        let mut x = self.embed(tokens, &place);
        let mut memories = Vec::with_capacity(self.blocks.len());
        for (layer, block) in self.blocks.iter().enumerate() {
            let (gathered, memory) = self.gather(layer, &x, &place);
            memories.push(memory);
            let is_last = layer + 1 == self.blocks.len();
            let asked = |x: &Tensor| match is_last {
                true => x.select(1, length as i64 - 1),
                false => x.shallow_clone(),
            };
            x = block.finish(&asked(&x), &asked(&gathered));
        }
        let hidden = self.norm.forward(&x);
        let prefix = match past {
            Past::Nothing(reach) => Prefix { memories, length, reach },
            Past::Run(past) => past.before(memories, length),
        };
        (hidden, prefix)
    }

    fn gather(&self, layer: usize, x: &Tensor, place: &Place<'_>) -> (Tensor, Memory) {
        let past = place.prefix().map(|prefix| &prefix.memories[layer]);
        self.blocks[layer].gather(x, &place.sight(layer), past)
    }
}
