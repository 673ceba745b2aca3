//! Latent attention, <https://arxiv.org/abs/2405.04434>, section 2.1: keys and values of all heads come out
//! of one short vector a token. A part of each query and key does not turn; the part of a key that does is
//! one for all heads.
//!
//! B rows, T tokens a row, P tokens of a prefix before every row, H heads, Dn features of a head that stay
//! still, Dr that turn, Dv of values, D features.

use super::scores::Scores;
use super::{KeysValues, Sight, after};
use crate::layers::Source;
use crate::layers::linear::{Linear, LinearKind};
use crate::layers::norm::{Norm, NormKind, NormShape};
use tch::Tensor;

/// Sizes, by the names they have in the paper's own configuration.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LatentShape {
    pub(crate) num_attention_heads: i64,
    /// Of the short vector that queries come out of, where there is one.
    pub(crate) q_lora_rank: Option<i64>,
    pub(crate) kv_lora_rank: i64,
    pub(crate) qk_nope_head_dim: i64,
    pub(crate) qk_rope_head_dim: i64,
    pub(crate) v_head_dim: i64,
    /// What the products of queries and keys are multiplied by.
    pub(crate) scale: f64,
    /// Of the matrices that a hidden state meets first, and of the way back.
    pub(crate) kind: LinearKind,
    /// Which of the decoder's rotary embeddings turns queries and keys.
    pub(crate) rope: usize,
}

impl LatentShape {
    /// Features that all heads have together, of queries or of keys and values, whichever are more.
    pub(crate) fn num_features(&self) -> i64 {
        let others = self.qk_rope_head_dim.max(self.v_head_dim);
        self.num_attention_heads.saturating_mul(self.qk_nope_head_dim + others)
    }
}

/// The matrices, and the norms of the short vectors.
pub(crate) struct LatentAttention {
    queries: Queries,
    latent: Linear,
    norm: Norm,
    keys_values: Linear,
    output: Linear,
    scores: Scores,
    shape: LatentShape,
}

enum Queries {
    Whole(Linear),
    Short { down: Linear, norm: Norm, up: Linear },
}

/// Of both short vectors, whatever the model's other norms have.
const NORM: NormShape = NormShape { kind: NormKind::Rms, eps: 1e-6 };

impl LatentAttention {
    pub(crate) fn new(
        source: &mut Source<'_>,
        name: &str,
        shape: &LatentShape,
        hidden_size: i64,
    ) -> Self {
        let (heads, kind) = (shape.num_attention_heads, shape.kind);
        let head_dim = shape.qk_nope_head_dim + shape.qk_rope_head_dim;
        let linear = |source: &mut Source<'_>, part: &str, size, kind| {
            Linear::new(source, &format!("{name}.{part}"), size, kind)
        };
        let queries = match shape.q_lora_rank {
            None => {
                let size = [heads * head_dim, hidden_size];
                Queries::Whole(linear(source, "q_proj", size, LinearKind::Plain))
            }
            Some(rank) => Queries::Short {
                down: linear(source, "q_a_proj", [rank, hidden_size], kind),
                norm: NORM.build(source, &format!("{name}.q_a_layernorm"), rank),
                up: linear(source, "q_b_proj", [heads * head_dim, rank], LinearKind::Plain),
            },
        };
        let rank = shape.kv_lora_rank;
        let short = [rank + shape.qk_rope_head_dim, hidden_size];
        let long = [heads * (shape.qk_nope_head_dim + shape.v_head_dim), rank];
        Self {
            queries,
            latent: linear(source, "kv_a_proj_with_mqa", short, kind),
            norm: NORM.build(source, &format!("{name}.kv_a_layernorm"), rank),
            keys_values: linear(source, "kv_b_proj", long, LinearKind::Plain),
            output: linear(source, "o_proj", [hidden_size, heads * shape.v_head_dim], kind),
            scores: Scores { scale: shape.scale, softcap: None, sinks: None, head_dim },
            shape: shape.clone(),
        }
    }

    /// What every token gathers from those it sees, before the output projection; and the keys and
    /// values of these tokens. // [B, T, D] -> [B, T, H·Dv]
    pub(crate) fn gather(
        &self,
        x: &Tensor,
        sight: &Sight<'_>,
        past: Option<&KeysValues>, // [1, P, H, ..]
    ) -> (Tensor, KeysValues) {
        let rotations = sight.rotations.expect("it turns by a rotary embedding");
        let LatentShape { qk_nope_head_dim: still, qk_rope_head_dim: turning, .. } = self.shape;
        let by_head = |x: Tensor| x.unflatten(-1, [self.shape.num_attention_heads, -1]);

        let queries = by_head(self.queries.forward(x)).split_with_sizes([still, turning], 3);
        let queries = Tensor::cat(&[&queries[0], &rotations.queries(&queries[1])], 3);

        let latent = self.latent.forward(x).split_with_sizes([self.shape.kv_lora_rank, turning], 2);
        let turned = rotations.keys(&latent[1].unsqueeze(2)); // [B, T, 1, Dr]
        let both = by_head(self.keys_values.forward(&self.norm.forward(&latent[0])));
        let both = both.split_with_sizes([still, self.shape.v_head_dim], 3);
        let turned = turned.expand([-1, -1, self.shape.num_attention_heads, -1], false);
        let (keys, values) = (Tensor::cat(&[&both[0], &turned], 3), both[1].shallow_clone());

        let gathered = match past {
            None => self.scores.attend(&queries, &keys, &values, sight.view),
            Some(past) => self.scores.attend(
                &queries,
                &after(&past.keys, &keys),
                &after(&past.values, &values),
                sight.view,
            ),
        };
        (gathered.flatten(2, 3), KeysValues { keys, values })
    }

    /// The output projection. // [.., H·Dv] -> [.., D]
    pub(crate) fn project(&self, gathered: &Tensor) -> Tensor {
        self.output.forward(gathered)
    }
}

impl Queries {
    /// [B, T, D] -> [B, T, H·(Dn + Dr)]
    fn forward(&self, x: &Tensor) -> Tensor {
        match self {
            Self::Whole(matrix) => matrix.forward(x),
            Self::Short { down, norm, up } => up.forward(&norm.forward(&down.forward(x))),
        }
    }
}
