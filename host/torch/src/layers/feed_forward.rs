//! The part of a block in which every token stands alone: gated, <https://arxiv.org/abs/2002.05202>,
//! y = W_down (a(W_gate x) ⊙ W_up x), or plain, y = W_out a(W_in x), with an activation a.

use super::Source;
use super::activation::Activation;
use super::linear::{Linear, LinearKind};
use tch::Tensor;

/// Which one, and its sizes and names.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum FeedForwardShape {
    Gated(GatedShape),
    Plain(PlainShape),
}

impl From<GatedShape> for FeedForwardShape {
    fn from(shape: GatedShape) -> Self {
        Self::Gated(shape)
    }
}

impl From<PlainShape> for FeedForwardShape {
    fn from(shape: PlainShape) -> Self {
        Self::Plain(shape)
    }
}

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

/// Two matrices.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PlainShape {
    pub(crate) intermediate_size: i64,
    pub(crate) names: [&'static str; 2],
    pub(crate) kind: LinearKind,
    pub(crate) activation: Activation,
}

/// The matrices, named as in the checkpoint.
pub(crate) enum FeedForward {
    Gated { inputs: Inputs, output: Linear, activation: Activation },
    Plain { input: Linear, output: Linear, activation: Activation },
}

/// D -> I twice.
pub(crate) enum Inputs {
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

impl FeedForward {
    pub(crate) fn new(
        source: &mut Source<'_>,
        name: &str,
        shape: &FeedForwardShape,
        hidden_size: i64,
    ) -> Self {
        match shape {
            FeedForwardShape::Gated(shape) => gated(source, name, shape, hidden_size),
            FeedForwardShape::Plain(PlainShape { intermediate_size, names, kind, activation }) => {
                let [input, output] = names.map(|part| format!("{name}.{part}"));
                let size = *intermediate_size;
                Self::Plain {
                    input: Linear::new(source, &input, [size, hidden_size], *kind),
                    output: Linear::new(source, &output, [hidden_size, size], *kind),
                    activation: *activation,
                }
            }
        }
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Tensor {
        match self {
            Self::Gated { inputs, output, activation } => {
                let gated = match inputs {
                    Inputs::Separate([gate, up]) => {
                        activation.apply(&gate.forward(x)) * up.forward(x)
                    }
                    Inputs::Stacked(both) => {
                        let halves = both.forward(x).chunk(2, -1); // [.., I] each
                        activation.apply(&halves[0]) * &halves[1]
                    }
                };
                output.forward(&gated)
            }
            Self::Plain { input, output, activation } => {
                output.forward(&activation.apply(&input.forward(x)))
            }
        } // [.., D] -> [.., D]
    }
}

fn gated(source: &mut Source<'_>, name: &str, shape: &GatedShape, hidden_size: i64) -> FeedForward {
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
    FeedForward::Gated { inputs, output, activation: shape.activation }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GATE: [f64; 4] = [0.5, -1.0, 2.0, 0.25];
    const UP: [f64; 4] = [1.5, 0.5, -0.5, 1.0];
    const DOWN: [f64; 4] = [1.0, -2.0, 0.5, 3.0];

    fn check(shape: &FeedForwardShape, formula: impl Fn([f64; 2], [f64; 2]) -> [f64; 2]) {
        let mut source = |name: &str, shape: &[i64]| {
            let values = match name {
                "mlp.gate_proj.weight" => GATE.to_vec(),
                "mlp.up_proj.weight" => UP.to_vec(),
                "mlp.gate_up_proj.weight" => [GATE, UP].concat(),
                _ => DOWN.to_vec(),
            };
            Tensor::from_slice(&values).view(shape)
        };
        let x = [0.7, -0.3];
        let times =
            |w: [f64; 4], x: [f64; 2]| [w[0] * x[0] + w[1] * x[1], w[2] * x[0] + w[3] * x[1]];
        let expected = times(DOWN, formula(times(GATE, x), times(UP, x)));
        let feed_forward = FeedForward::new(&mut source, "mlp", shape, 2);
        let got = Vec::<f64>::try_from(feed_forward.forward(&Tensor::from_slice(&x))).unwrap();
        assert!(got.iter().zip(expected).all(|(got, expected)| (got - expected).abs() < 1e-12));
    }

    #[test]
    fn agree_with_their_formulas() {
        let silu = |x: f64| x / (1.0 + (-x).exp());
        let separate = GatedShape::plain(2, Activation::Silu);
        let stacked = GatedShape { inputs: GateUp::Stacked("gate_up_proj"), ..separate.clone() };
        for shape in [separate, stacked] {
            check(&FeedForwardShape::Gated(shape), |gate, up| {
                [silu(gate[0]) * up[0], silu(gate[1]) * up[1]]
            });
        }
        let plain = PlainShape {
            intermediate_size: 2,
            names: ["gate_proj", "down_proj"],
            kind: LinearKind::Plain,
            activation: Activation::Relu,
        };
        check(&FeedForwardShape::Plain(plain), |gate, _| gate.map(|x| x.max(0.0)));
    }
}
