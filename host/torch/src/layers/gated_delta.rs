//! Gated delta net, <https://arxiv.org/abs/2412.06464>: in place of keys and values of all tokens, a head
//! remembers a matrix S, from which a token's key first takes what it finds and then puts its value there,
//! and which fades. Queries, keys and values pass through a short convolution; what is gathered passes
//! through a norm and a gate.
//!
//! B rows, T tokens a row, Hk key heads, H value heads, Dk and Dv features of theirs, k tokens that the
//! convolution sees at once.

mod inputs;
mod rule;

pub(crate) use inputs::DeltaProjections;

use super::activation::Activation;
use super::causal_convolution::{CausalConvolution, ConvolutionBias};
use super::linear::{Linear, LinearKind};
use super::norm::{Norm, NormKind, NormShape};
use super::{Role, Source};
use inputs::{Inputs, Matrices};
use rule::Written;
use tch::{Kind, Tensor};

/// Its sizes, and how the checkpoint keeps the matrices.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GatedDeltaShape {
    pub(crate) num_key_heads: i64,
    pub(crate) num_value_heads: i64,
    pub(crate) key_head_dim: i64,
    pub(crate) value_head_dim: i64,
    /// k.
    pub(crate) kernel: i64,
    pub(crate) projections: DeltaProjections,
    /// Behind the convolution.
    pub(crate) activation: Activation,
    /// Of the norm.
    pub(crate) eps: f64,
}

/// The weights.
pub(crate) struct GatedDelta {
    shape: GatedDeltaShape,
    matrices: Matrices,
    convolution: CausalConvolution,
    decay_bias: Tensor, // [H]
    log_decay: Tensor,  // [H]
    norm: Norm,
    output: Linear,
}

/// What later tokens need of a run of tokens.
pub(crate) struct DeltaMemory {
    state: Tensor, // [B, H, Dk, Dv]
    tail: Tensor,  // [B, k − 1, C]
}

impl GatedDeltaShape {
    /// Features of all queries, of all keys, and of all values.
    fn sizes(&self) -> [i64; 3] {
        let keys = self.num_key_heads * self.key_head_dim;
        [keys, keys, self.num_value_heads * self.value_head_dim]
    }
}

impl GatedDelta {
    pub(crate) fn new(
        source: &mut Source<'_>,
        name: &str,
        shape: &GatedDeltaShape,
        hidden_size: i64,
    ) -> Self {
        let [_, _, value_size] = shape.sizes();
        let size = [shape.sizes().iter().sum(), shape.kernel];
        let conv = format!("{name}.conv1d");
        let norm = NormShape { kind: NormKind::Rms, eps: shape.eps };
        let output = [hidden_size, value_size];
        let heads = [shape.num_value_heads];
        Self {
            matrices: Matrices::new(source, name, shape, hidden_size),
            convolution: CausalConvolution::new(source, &conv, size, ConvolutionBias::None),
            decay_bias: source.tensor(&format!("{name}.dt_bias"), &heads, Role::Bias),
            log_decay: source.tensor(&format!("{name}.A_log"), &heads, Role::Weight),
            norm: norm.build(source, &format!("{name}.norm"), shape.value_head_dim),
            output: Linear::new(source, &format!("{name}.out_proj"), output, LinearKind::Plain),
            shape: shape.clone(),
        }
    }

    /// What every token reads from the state that those before it left and it changed, before the output
    /// projection; and that state. // [B, T, D] -> [B, T, H·Dv]
    pub(crate) fn gather(&self, x: &Tensor, past: Option<&DeltaMemory>) -> (Tensor, DeltaMemory) {
        let Inputs { mixed, gates, update, decay } = self.matrices.forward(x);
        let (mixed, tail) = self.convolution.forward(&mixed, past.map(|past| &past.tail));
        let written = self.written(&self.shape.activation.apply(&mixed), &update, &decay);
        let (read, state) = rule::chunked(&written, past.map(|past| &past.state)); // [B, H, T, Dv]
        let read = self.norm.forward(&read.transpose(1, 2).to_kind(x.kind()));
        let gates = gates.to_kind(wide(x)).silu();
        let gathered = (read * gates).to_kind(x.kind()).flatten(2, 3);
        (gathered, DeltaMemory { state, tail })
    }

    /// The output projection. // [.., H·Dv] -> [.., D]
    pub(crate) fn project(&self, gathered: &Tensor) -> Tensor {
        self.output.forward(gathered)
    }

    /// What the rule works with, in 32 bits: queries and keys of length one, β = σ(b),
    /// g = −exp(A) · softplus(a + dt). // [B, T, C], [B, T, H], [B, T, H]
    fn written(&self, mixed: &Tensor, update: &Tensor, decay: &Tensor) -> Written {
        let wide = wide(mixed);
        let shape = &self.shape;
        let group = shape.num_value_heads / shape.num_key_heads;
        let parts = mixed.split_with_sizes(shape.sizes(), -1);
        let by_head = |part: &Tensor, heads: i64| {
            part.unflatten(-1, [heads, -1]).transpose(1, 2).to_kind(wide) // [B, heads, T, ..]
        };
        // Each key head serves as many value heads.
        let keys = |part: &Tensor| {
            let x = unit(&by_head(part, shape.num_key_heads));
            if group == 1 { x } else { x.repeat_interleave_self_int(group, 1, None) }
        };
        let softplus = (decay.to_kind(wide) + self.decay_bias.to_kind(wide)).softplus();
        let log_decays = -(self.log_decay.to_kind(wide).exp() * softplus);
        Written {
            queries: keys(&parts[0]) / (shape.key_head_dim as f64).sqrt(),
            keys: keys(&parts[1]),
            values: by_head(&parts[2], shape.num_value_heads),
            betas: update.sigmoid().to_kind(wide).transpose(1, 2),
            log_decays: log_decays.transpose(1, 2),
        }
    }
}

/// In so many bits states are kept.
fn wide(x: &Tensor) -> Kind {
    if x.kind() == Kind::Double { Kind::Double } else { Kind::Float }
}

/// x / √(|x|² + ε).
fn unit(x: &Tensor) -> Tensor {
    let squares = x.square().sum_dim_intlist([-1i64].as_slice(), true, None);
    x * (squares + 1e-6).rsqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::numbers;

    fn net(projections: DeltaProjections) -> GatedDelta {
        let shape = GatedDeltaShape {
            num_key_heads: 2,
            num_value_heads: 4,
            key_head_dim: 3,
            value_head_dim: 5,
            kernel: 4,
            projections,
            activation: Activation::Silu,
            eps: 1e-6,
        };
        // By key head: its query and key of 3, its values and gates of 2·5; updates and decays of 2.
        let rows = |of_head: &dyn Fn(i64) -> Vec<Tensor>| {
            Tensor::cat(&(0..2).flat_map(of_head).collect::<Vec<_>>(), 0)
        };
        let [qkv, z, b, a] = [32, 20, 4, 4].map(|size| numbers(&[size, 6], size as f64 / 7.0));
        let qkvz = rows(&|head| {
            let query = qkv.narrow(0, 3 * head, 3);
            let key = qkv.narrow(0, 6 + 3 * head, 3);
            let values = qkv.narrow(0, 12 + 10 * head, 10);
            vec![query, key, values, z.narrow(0, 10 * head, 10)]
        });
        let a = a + 0.1;
        let ba = rows(&|head| vec![b.narrow(0, 2 * head, 2), a.narrow(0, 2 * head, 2)]);
        let mut source = |name: &str, shape: &[i64]| {
            let tensor = match name.rsplit_once("in_proj_").map_or(name, |(_, part)| part) {
                "qkv.weight" => qkv.shallow_clone(),
                "z.weight" => z.shallow_clone(),
                "b.weight" => b.shallow_clone(),
                "a.weight" => a.shallow_clone(),
                "qkvz.weight" => qkvz.shallow_clone(),
                "ba.weight" => ba.shallow_clone(),
                _ => numbers(shape, shape.len() as f64),
            };
            assert_eq!(tensor.size(), shape, "{name}");
            tensor
        };
        GatedDelta::new(&mut source, "linear_attn", &shape, 6)
    }

    fn distance(a: &Tensor, b: &Tensor) -> f64 {
        (a - b).abs().max().double_value(&[])
    }

    #[test]
    fn both_layouts_of_the_matrices_mean_the_same() {
        let x = numbers(&[2, 7, 6], 0.5);
        let [a, b] = [DeltaProjections::Separate, DeltaProjections::ByKeyHead]
            .map(|projections| net(projections).gather(&x, None).0);
        assert_eq!(a.size(), [2, 7, 20]);
        assert!(distance(&a, &b) < 1e-12);
    }

    #[test]
    fn a_prefix_run_once_is_as_good_as_run_in_every_row() {
        let net = net(DeltaProjections::Separate);
        for prefix_length in [1, 2, 70] {
            let prefix = numbers(&[1, prefix_length, 6], 0.5);
            let rows = numbers(&[3, 66, 6], 0.6);
            let whole = Tensor::cat(&[&prefix.expand([3, prefix_length, 6], false), &rows], 1);
            let (expected, _) = net.gather(&whole, None);
            let (_, memory) = net.gather(&prefix, None);
            let (got, _) = net.gather(&rows, Some(&memory));
            assert!(distance(&got, &expected.narrow(1, prefix_length, 66)) < 1e-10);
        }
    }
}
