//! The gated feed-forward, <https://arxiv.org/abs/2002.05202>: y = W_down (a(W_gate x) ⊙ W_up x), with an
//! activation a.
//!
//! D features, I inner features.

use super::Source;
use super::activation::Activation;
use super::linear::{Linear, LinearKind};
use crate::kernels;
use tch::Tensor;

/// Three matrices, or two where gate and up are one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GatedShape {
    pub(crate) intermediate_size: i64,
    pub(crate) inputs: GateUp,
    pub(crate) output: &'static str,
    pub(crate) kind: LinearKind,
    pub(crate) activation: Activation,
}

/// How the checkpoint keeps W_gate and W_up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GateUp {
    /// One each.
    Separate([&'static str; 2]),
    /// One: all of the gate's rows, then all of up's.
    Stacked(&'static str),
}

/// The matrices, named as in the checkpoint.
pub(crate) struct Gated {
    inputs: Inputs,
    output: Linear,
    activation: Activation,
}

/// D -> I twice.
enum Inputs {
    Separate([Linear; 2]),
    Stacked(Linear),
}

impl GatedShape {
    /// Llama's: three matrices without biases.
    pub(crate) fn plain(intermediate_size: usize, activation: Activation) -> Self {
        Self {
            intermediate_size: intermediate_size as i64,
            inputs: GateUp::Separate(["gate_proj", "up_proj"]),
            output: "down_proj",
            kind: LinearKind::Plain,
            activation,
        }
    }
}

impl Gated {
    pub(crate) fn new(
        source: &mut Source<'_>,
        name: &str,
        shape: &GatedShape,
        hidden_size: i64,
    ) -> Self {
        let size = shape.intermediate_size;
        let mut linear = |part: &str, out_features, in_features| {
            Linear::new(source, &format!("{name}.{part}"), [out_features, in_features], shape.kind)
        };
        let inputs = match shape.inputs {
            GateUp::Separate([gate, up]) => {
                Inputs::Separate([linear(gate, size, hidden_size), linear(up, size, hidden_size)])
            }
            GateUp::Stacked(both) => Inputs::Stacked(linear(both, 2 * size, hidden_size)),
        };
        let output = linear(shape.output, hidden_size, size);
        Self { inputs, output, activation: shape.activation }
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Tensor {
        let gated = match &self.inputs {
            Inputs::Separate(both) => {
                let [gate, up] = Linear::forward_all(both.each_ref(), x);
                self.gate(gate, &up)
            }
            Inputs::Stacked(both) => {
                let halves = both.forward(x).chunk(2, -1); // [.., I] each
                self.gate(halves[0].shallow_clone(), &halves[1])
            }
        };
        self.output.forward(&gated) // [.., D] -> [.., D]
    }

    /// a(gate) ⊙ up. // [.., I], [.., I] -> [.., I]
    fn gate(&self, gate: Tensor, up: &Tensor) -> Tensor {
        let is_silu = self.activation == Activation::Silu;
        if let Some(gated) = is_silu.then(|| kernels::silu_times(&gate, up)).flatten() {
            return gated;
        }
        let bent = self.activation.apply(&gate);
        drop(gate); // Where no graph keeps it, it is not needed beside the product.
        bent * up
    }
}
