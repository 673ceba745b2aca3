//! How the checkpoint keeps the matrices that make queries, keys and values: three, or one that holds
//! them all.

use super::{AttentionShape, OutputGate};
use crate::layers::Source;
use crate::layers::linear::Linear;
use tch::Tensor;

/// The names of the matrices, and how their rows lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Projections {
    /// One each.
    Separate([&'static str; 3]),
    /// One: all queries, then all keys, then all values.
    Stacked(&'static str),
    /// One: of each key head the queries of its group, its key and its value.
    Interleaved(&'static str),
}

/// The matrices.
pub(super) struct QueriesKeysValues {
    matrices: Matrices,
    heads: [i64; 2], // H, Hk
    head_dim: i64,
    bound: Option<f64>,
    output_gate: OutputGate,
}

#[expect(clippy::large_enum_variant, reason = "one a layer, made once")]
enum Matrices {
    Separate([Linear; 3]),
    Stacked(Linear),
    Interleaved(Linear),
}

/// What comes out of them.
pub(super) struct Inputs {
    pub(super) queries: Tensor,       // [B, T, H, Dh]
    pub(super) keys: Tensor,          // [B, T, Hk, Dh]
    pub(super) values: Tensor,        // [B, T, Hk, Dh]
    pub(super) gates: Option<Tensor>, // [B, T, H, Dh]
}

impl QueriesKeysValues {
    pub(super) fn new(
        source: &mut Source<'_>,
        name: &str,
        shape: &AttentionShape,
        hidden_size: i64,
    ) -> Self {
        let heads = [shape.num_attention_heads, shape.num_key_value_heads];
        let [query_size, key_size] = heads.map(|heads| heads * shape.head_dim);
        let query_size = match shape.output_gate {
            OutputGate::None => query_size,
            OutputGate::BesideQueries => 2 * query_size,
        };
        let mut linear = |part: &str, size| {
            Linear::new(source, &format!("{name}.{part}"), [size, hidden_size], shape.inputs_kind)
        };
        let all = query_size + 2 * key_size;
        let matrices = match shape.inputs {
            Projections::Separate([query, key, value]) => Matrices::Separate([
                linear(query, query_size),
                linear(key, key_size),
                linear(value, key_size),
            ]),
            Projections::Stacked(part) => Matrices::Stacked(linear(part, all)),
            Projections::Interleaved(part) => Matrices::Interleaved(linear(part, all)),
        };
        let (head_dim, bound) = (shape.head_dim, shape.input_bound);
        Self { matrices, heads, head_dim, bound, output_gate: shape.output_gate }
    }

    /// [B, T, D] -> [B, T, heads, Dh] each
    pub(super) fn forward(&self, x: &Tensor) -> Inputs {
        let [heads, key_heads] = self.heads;
        let by_head = |x: Tensor, heads: i64| x.unflatten(-1, [heads, -1]);
        let [queries, keys, values] = match &self.matrices {
            Matrices::Separate(all) => {
                let [queries, keys, values] = Linear::forward_all(all.each_ref(), x);
                [by_head(queries, heads), by_head(keys, key_heads), by_head(values, key_heads)]
            }
            Matrices::Stacked(matrix) => {
                let all = matrix.forward(x);
                let key_size = key_heads * self.head_dim;
                let query_size = all.size()[2] - 2 * key_size;
                let part = |start, size| all.narrow(2, start, size);
                [
                    by_head(part(0, query_size), heads),
                    by_head(part(query_size, key_size), key_heads),
                    by_head(part(query_size + key_size, key_size), key_heads),
                ]
            }
            Matrices::Interleaved(matrix) => {
                let all = by_head(matrix.forward(x), key_heads); // [B, T, Hk, (H/Hk + 2)·Dh]
                let group = heads / key_heads;
                let part = |start, size| all.narrow(3, start * self.head_dim, size * self.head_dim);
                let queries = part(0, group).unflatten(3, [group, self.head_dim]).flatten(2, 3);
                [queries, part(group, 1), part(group + 1, 1)]
            }
        };
        let [queries, keys, values] = match self.bound {
            Some(bound) => [queries, keys, values].map(|x| x.clamp(-bound, bound)),
            None => [queries, keys, values],
        };
        match self.output_gate {
            OutputGate::None => Inputs { queries, keys, values, gates: None },
            OutputGate::BesideQueries => {
                let half = |start| queries.narrow(3, start, self.head_dim);
                let gates = Some(half(self.head_dim));
                Inputs { queries: half(0), keys, values, gates }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    /// The same matrix by three names and in one, row by row.
    #[test]
    fn every_layout_gives_the_same_queries_keys_and_values() {
        let (dim, hidden, heads) = (2, 3, 4);
        let size = heads * dim;
        let matrix = |seed: f64| {
            ((Tensor::arange(size * hidden, (Kind::Double, Device::Cpu)) + seed) * 0.7)
                .sin()
                .view([size, hidden])
        };
        let parts = [0.1, 0.2, 0.3].map(matrix);
        let by_head = parts.each_ref().map(|part| part.view([heads, dim, hidden]));
        let interleaved = Tensor::cat(&by_head, 1).view([3 * size, hidden]);
        let x = matrix(0.4).view([2, 4, hidden]);
        let forward = |inputs| {
            let shape = AttentionShape { inputs, ..AttentionShape::plain(4, 4, 2) };
            let mut source = |name: &str, _: &[i64]| match name {
                "a.q_proj.weight" => parts[0].shallow_clone(),
                "a.k_proj.weight" => parts[1].shallow_clone(),
                "a.v_proj.weight" => parts[2].shallow_clone(),
                "a.qkv_proj.weight" => Tensor::cat(&parts, 0),
                _ => interleaved.shallow_clone(),
            };
            let Inputs { queries, keys, values, .. } =
                QueriesKeysValues::new(&mut source, "a", &shape, hidden).forward(&x);
            [queries, keys, values]
        };
        let separate = forward(Projections::Separate(["q_proj", "k_proj", "v_proj"]));
        for other in [Projections::Stacked("qkv_proj"), Projections::Interleaved("query_key_value")]
        {
            for (a, b) in separate.iter().zip(forward(other)) {
                assert!((a - b).abs().max().double_value(&[]) < 1e-12, "{other:?}");
            }
        }
    }
}
