//! How the checkpoint keeps the matrices that make queries, keys, values and the three gates.

use super::GatedDeltaShape;
use crate::layers::Source;
use crate::layers::linear::{Linear, LinearKind};
use tch::Tensor;

/// Their layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeltaProjections {
    /// Qwen 3.5's: queries, keys and values in one, the gates in one each.
    Separate,
    /// Qwen 3 Next's: of each key head its query, key, values and output gates in one; its update and decay
    /// gates in another.
    ByKeyHead,
}

/// The matrices.
pub(super) struct Matrices {
    kept: Kept,
    shape: GatedDeltaShape,
}

#[expect(clippy::large_enum_variant, reason = "one a layer, made once")]
enum Kept {
    Separate { qkv: Linear, z: Linear, b: Linear, a: Linear },
    ByKeyHead { qkvz: Linear, ba: Linear },
}

/// What comes out of them.
pub(super) struct Inputs {
    /// Queries, keys and values side by side, for the convolution.
    pub(super) mixed: Tensor, // [B, T, C]
    /// z, of what is gathered.
    pub(super) gates: Tensor, // [B, T, H, Dv]
    /// b, of which β is made.
    pub(super) update: Tensor, // [B, T, H]
    /// a, of which g is made.
    pub(super) decay: Tensor, // [B, T, H]
}

impl Matrices {
    pub(super) fn new(
        source: &mut Source<'_>,
        name: &str,
        shape: &GatedDeltaShape,
        hidden_size: i64,
    ) -> Self {
        let [query_size, key_size, value_size] = shape.sizes();
        let mixed = query_size + key_size + value_size;
        let heads = shape.num_value_heads;
        let mut linear = |part: &str, size| {
            let name = format!("{name}.in_proj_{part}");
            Linear::new(source, &name, [size, hidden_size], LinearKind::Plain)
        };
        let kept = match shape.projections {
            DeltaProjections::Separate => Kept::Separate {
                qkv: linear("qkv", mixed),
                z: linear("z", value_size),
                b: linear("b", heads),
                a: linear("a", heads),
            },
            DeltaProjections::ByKeyHead => Kept::ByKeyHead {
                qkvz: linear("qkvz", mixed + value_size),
                ba: linear("ba", 2 * heads),
            },
        };
        Self { kept, shape: shape.clone() }
    }

    /// [B, T, D]
    pub(super) fn forward(&self, x: &Tensor) -> Inputs {
        let shape = &self.shape;
        let value_heads = [shape.num_value_heads, shape.value_head_dim];
        match &self.kept {
            Kept::Separate { qkv, z, b, a } => Inputs {
                mixed: qkv.forward(x),
                gates: z.forward(x).unflatten(-1, value_heads),
                update: b.forward(x),
                decay: a.forward(x),
            },
            Kept::ByKeyHead { qkvz, ba } => {
                let group = shape.num_value_heads / shape.num_key_heads;
                let cut = |x: Tensor, sizes: &[i64]| {
                    x.unflatten(-1, [shape.num_key_heads, -1]).split_with_sizes(sizes, 3)
                };
                let (key, values) = (shape.key_head_dim, group * shape.value_head_dim);
                let parts = cut(qkvz.forward(x), &[key, key, values, values]);
                let gates = cut(ba.forward(x), &[group, group]);
                let side_by_side = |part: &Tensor| part.flatten(2, 3);
                Inputs {
                    mixed: Tensor::cat(&parts[..3].iter().map(side_by_side).collect::<Vec<_>>(), 2),
                    gates: side_by_side(&parts[3]).unflatten(-1, value_heads),
                    update: side_by_side(&gates[0]),
                    decay: side_by_side(&gates[1]),
                }
            }
        }
    }
}
