//! Grouped-query attention with rotary positions, <https://arxiv.org/abs/2305.13245>:
//! softmax(Q Kᵀ / √Dh) V, every group of H / Hk query heads sharing a key and a value head.
//!
//! B rows, T tokens a row, P tokens of a prefix before every row, H heads, Hk key/value heads, Dh
//! features a head, D features.

use super::Source;
use super::linear::{Bias, Linear};
use super::rms_norm::RmsNorm;
use super::rope::Rotations;
use tch::{Kind, Tensor};

/// The sizes and variants of an attention layer.
#[derive(Debug, Clone)]
pub(crate) struct AttentionShape {
    pub(crate) hidden_size: i64,
    pub(crate) num_attention_heads: i64,
    pub(crate) num_key_value_heads: i64,
    pub(crate) head_dim: i64,
    pub(crate) qkv_bias: Bias,
    pub(crate) output_bias: Bias,
    /// ε of the norms on queries and keys, where an architecture has them.
    pub(crate) query_key_norm_eps: Option<f64>,
}

/// Four projections, and norms on queries and keys where the architecture has them.
pub(crate) struct Attention {
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    o_proj: Linear,
    q_norm: Option<RmsNorm>,
    k_norm: Option<RmsNorm>,
    head_dim: i64,
}

/// Rotated keys, and values, of a run of tokens.
pub(crate) struct KeysValues {
    keys: Tensor,   // [B, T, Hk, Dh]
    values: Tensor, // [B, T, Hk, Dh]
}

/// What stands before every row of a batch.
pub(crate) struct Past<'a> {
    /// The layer's keys and values of it, one row for all.
    pub(crate) keys_values: &'a KeysValues, // [1, P, Hk, Dh]
    /// Added to the scores: see [`mask_after`].
    pub(crate) mask: &'a Tensor, // [1, 1, T, P + T]
}

impl Attention {
    pub(crate) fn new(source: &mut Source<'_>, name: &str, shape: &AttentionShape) -> Self {
        let head_dim = shape.head_dim;
        let query_size = shape.num_attention_heads * head_dim;
        let key_size = shape.num_key_value_heads * head_dim;
        let mut linear = |part: &str, out_features, in_features, bias| {
            Linear::new(source, &format!("{name}.{part}"), [out_features, in_features], bias)
        };
        Self {
            q_proj: linear("q_proj", query_size, shape.hidden_size, shape.qkv_bias),
            k_proj: linear("k_proj", key_size, shape.hidden_size, shape.qkv_bias),
            v_proj: linear("v_proj", key_size, shape.hidden_size, shape.qkv_bias),
            o_proj: linear("o_proj", shape.hidden_size, query_size, shape.output_bias),
            q_norm: shape
                .query_key_norm_eps
                .map(|eps| RmsNorm::new(source, &format!("{name}.q_norm"), head_dim, eps)),
            k_norm: shape
                .query_key_norm_eps
                .map(|eps| RmsNorm::new(source, &format!("{name}.k_norm"), head_dim, eps)),
            head_dim,
        }
    }

    /// What every token gathers from those it sees, before the output projection; and the keys and
    /// values of these tokens. // [B, T, D] -> [B, T, H·Dh]
    pub(crate) fn gather(
        &self,
        x: &Tensor,
        rotations: &Rotations,
        past: Option<&Past<'_>>,
    ) -> (Tensor, KeysValues) {
        let queries = rotations.apply(&normed(&self.q_norm, self.heads(&self.q_proj, x)));
        let keys = rotations.apply(&normed(&self.k_norm, self.heads(&self.k_proj, x)));
        let values = self.heads(&self.v_proj, x); // [B, T, Hk, Dh]
        let gathered = match past {
            None => attend(&queries, &keys, &values, None),
            Some(Past { keys_values, mask }) => attend(
                &queries,
                &after(&keys_values.keys, &keys),
                &after(&keys_values.values, &values),
                Some(mask),
            ),
        };
        (gathered.flatten(2, 3), KeysValues { keys, values })
    }

    /// The output projection. // [.., H·Dh] -> [.., D]
    pub(crate) fn project(&self, gathered: &Tensor) -> Tensor {
        self.o_proj.forward(gathered)
    }

    fn heads(&self, projection: &Linear, x: &Tensor) -> Tensor {
        projection.forward(x).unflatten(-1, [-1, self.head_dim]) // [B, T, heads, Dh]
    }
}

/// Lets query t see the P tokens of the prefix and, of its own row, tokens 0 to t.
pub(crate) fn mask_after(prefix: i64, length: i64, like: &Tensor) -> Tensor {
    let hidden = Tensor::ones([length, prefix + length], (Kind::Bool, like.device()))
        .triu(prefix + 1)
        .view([1, 1, length, prefix + length]);
    Tensor::zeros([1], (like.kind(), like.device())).masked_fill(&hidden, f64::NEG_INFINITY)
}

fn normed(norm: &Option<RmsNorm>, x: Tensor) -> Tensor {
    match norm {
        Some(norm) => norm.forward(&x),
        None => x,
    }
}

/// Puts the prefix's one row before every row. // [1, P, Hk, Dh], [B, T, Hk, Dh] -> [B, P+T, Hk, Dh]
fn after(prefix: &Tensor, rows: &Tensor) -> Tensor {
    let [_, length, heads, features] = prefix.size()[..] else {
        unreachable!("keys and values have four dimensions")
    };
    let prefix = prefix.expand([rows.size()[0], length, heads, features], false);
    Tensor::cat(&[&prefix, rows], 1)
}

/// Causal without a mask. // [B, T, H, Dh], [B, P+T, Hk, Dh] -> [B, T, H, Dh]
fn attend(queries: &Tensor, keys: &Tensor, values: &Tensor, mask: Option<&Tensor>) -> Tensor {
    let [queries, mut keys, mut values] = [queries, keys, values].map(|x| x.transpose(1, 2));
    let group = queries.size()[1] / keys.size()[1];
    let causal = mask.is_none();
    let mut grouped = group > 1;
    let kernel = Tensor::internal_fused_sdp_choice(
        &queries, &keys, &values, mask, 0.0, causal, None, grouped,
    );
    // A kernel that takes one key head for each query head is better than none.
    if grouped && kernel == NO_FUSED_KERNEL {
        [keys, values] = [keys, values].map(|x| x.repeat_interleave_self_int(group, 1, None));
        grouped = false;
    }
    Tensor::scaled_dot_product_attention(&queries, &keys, &values, mask, 0.0, causal, None, grouped)
        .transpose(1, 2)
}

/// What libtorch answers when it would compute attention from plain operators, all scores in memory.
const NO_FUSED_KERNEL: i64 = 0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::rope::{Rope, RopeScaling};
    use tch::Device;

    const DOUBLE: (Kind, Device) = (Kind::Double, Device::Cpu);

    /// Numbers that look random and are the same everywhere.
    fn numbers(shape: &[i64], seed: f64) -> Tensor {
        let count: i64 = shape.iter().product();
        ((Tensor::arange(count, DOUBLE) * 12.9898 + seed).sin() * 43758.5453).frac().view(shape)
    }

    /// softmax(Q Kᵀ / √Dh) V term by term, in f64.
    fn explicit(queries: &Tensor, keys: &Tensor, values: &Tensor, prefix: i64) -> Tensor {
        let [batch, length, heads, dim] = queries.size()[..] else { panic!("four dimensions") };
        let group = heads / keys.size()[2];
        let out = Tensor::zeros([batch, length, heads, dim], DOUBLE);
        for (b, t, h) in (0..batch)
            .flat_map(|b| (0..length).flat_map(move |t| (0..heads).map(move |h| (b, t, h))))
        {
            let seen = prefix + t + 1;
            let query = queries.get(b).get(t).get(h);
            let keys = keys.get(b).narrow(0, 0, seen).select(1, h / group); // [seen, Dh]
            let values = values.get(b).narrow(0, 0, seen).select(1, h / group);
            let weights = (keys.mv(&query) / (dim as f64).sqrt()).softmax(0, Kind::Double);
            out.get(b).get(t).get(h).copy_(&values.tr().mv(&weights));
        }
        out
    }

    fn distance(a: &Tensor, b: &Tensor) -> f64 {
        (a.to_kind(Kind::Double) - b).abs().max().double_value(&[])
    }

    #[test]
    fn agrees_with_the_formula_with_and_without_a_prefix() {
        for (heads, key_heads) in [(4, 4), (4, 2), (4, 1)] {
            let queries = numbers(&[2, 7, heads, 8], 0.1);
            let keys = numbers(&[2, 12, key_heads, 8], 0.2);
            let values = numbers(&[2, 12, key_heads, 8], 0.3);
            let [q, k, v] = [&queries, &keys, &values].map(|x| x.to_kind(Kind::Float));

            let own = |x: &Tensor| x.narrow(1, 0, 7);
            let causal = attend(&q, &own(&k), &own(&v), None);
            assert!(distance(&causal, &explicit(&queries, &own(&keys), &own(&values), 0)) < 2e-6);

            let mask = mask_after(5, 7, &q);
            let with_prefix = attend(&q, &k, &v, Some(&mask));
            assert!(distance(&with_prefix, &explicit(&queries, &keys, &values, 5)) < 2e-6);
        }
    }

    #[test]
    fn a_prefix_run_once_is_as_good_as_run_in_every_row() {
        let shape = AttentionShape {
            hidden_size: 16,
            num_attention_heads: 4,
            num_key_value_heads: 2,
            head_dim: 8,
            qkv_bias: Bias::With,
            output_bias: Bias::Without,
            query_key_norm_eps: Some(1e-6),
        };
        let mut seed = 0.0;
        let mut source = |_: &str, shape: &[i64]| {
            seed += 1.0;
            numbers(shape, seed)
        };
        let attention = Attention::new(&mut source, "self_attn", &shape);
        let rope = Rope { head_dim: 8, theta: 100.0, scaling: RopeScaling::Default };
        let rotations = rope.rotations(9, Kind::Double, Device::Cpu);

        let (prefix, rows) = (numbers(&[1, 4, 16], 0.5), numbers(&[3, 5, 16], 0.6));
        let whole = Tensor::cat(&[&prefix.expand([3, 4, 16], false), &rows], 1);
        let (expected, _) = attention.gather(&whole, &rotations, None);

        let (_, keys_values) = attention.gather(&prefix, &rotations.narrow(0, 4), None);
        let mask = mask_after(4, 5, &rows);
        let past = Past { keys_values: &keys_values, mask: &mask };
        let (got, _) = attention.gather(&rows, &rotations.narrow(4, 5), Some(&past));
        assert!(distance(&got, &expected.narrow(1, 4, 5)) < 1e-12);
    }
}
