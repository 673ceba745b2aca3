//! The part of a block in which every token stands alone: gated, or of experts, or plain,
//! y = W_out a(W_in x), with an activation a.

use super::Source;
use super::activation::Activation;
use super::experts::{Experts, ExpertsShape};
use super::gated::Gated;
use super::linear::{Linear, LinearKind};
use super::xielu::Xielu;
use tch::Tensor;

pub(crate) use super::gated::{GateUp, GatedShape};

/// Which one, and its sizes and names.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "one a layer, made once")]
pub(crate) enum FeedForwardShape {
    Gated(GatedShape),
    Plain(PlainShape),
    Experts(ExpertsShape),
    Xielu(XieluShape),
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

impl From<ExpertsShape> for FeedForwardShape {
    fn from(shape: ExpertsShape) -> Self {
        Self::Experts(shape)
    }
}

/// Two matrices.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PlainShape {
    pub(crate) intermediate_size: i64,
    pub(crate) names: [&'static str; 2],
    pub(crate) kind: LinearKind,
    pub(crate) activation: Activation,
}

/// Two matrices without biases, and between them an activation that learns.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct XieluShape {
    pub(crate) intermediate_size: i64,
    pub(crate) names: [&'static str; 2],
    pub(crate) activation: &'static str,
}

/// The matrices, named as in the checkpoint.
#[expect(clippy::large_enum_variant, reason = "one a layer, made once")]
pub(crate) enum FeedForward {
    Gated(Gated),
    Plain { input: Linear, output: Linear, activation: Activation },
    Experts(Experts),
    Xielu { input: Linear, output: Linear, activation: Xielu },
}

impl FeedForward {
    pub(crate) fn new(
        source: &mut Source<'_>,
        name: &str,
        shape: &FeedForwardShape,
        hidden_size: i64,
    ) -> Self {
        match shape {
            FeedForwardShape::Gated(shape) => {
                Self::Gated(Gated::new(source, name, shape, hidden_size))
            }
            FeedForwardShape::Plain(PlainShape { intermediate_size, names, kind, activation }) => {
                let [input, output] = names.map(|part| format!("{name}.{part}"));
                let size = *intermediate_size;
                Self::Plain {
                    input: Linear::new(source, &input, [size, hidden_size], *kind),
                    output: Linear::new(source, &output, [hidden_size, size], *kind),
                    activation: *activation,
                }
            }
            FeedForwardShape::Experts(shape) => {
                Self::Experts(Experts::new(source, name, shape, hidden_size))
            }
            FeedForwardShape::Xielu(XieluShape { intermediate_size, names, activation }) => {
                let [input, output] = names.map(|part| format!("{name}.{part}"));
                let (size, kind) = (*intermediate_size, LinearKind::Plain);
                Self::Xielu {
                    input: Linear::new(source, &input, [size, hidden_size], kind),
                    output: Linear::new(source, &output, [hidden_size, size], kind),
                    activation: Xielu::new(source, &format!("{name}.{activation}")),
                }
            }
        }
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Tensor {
        match self {
            Self::Gated(gated) => gated.forward(x),
            Self::Plain { input, output, activation } => {
                output.forward(&activation.apply(&input.forward(x)))
            }
            Self::Experts(experts) => experts.forward(x),
            Self::Xielu { input, output, activation } => {
                output.forward(&activation.apply(&input.forward(x)))
            }
        } // [.., D] -> [.., D]
    }
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
