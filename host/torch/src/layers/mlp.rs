//! The gated feed-forward of Llama, <https://arxiv.org/abs/2002.05202>:
//! y = W_down (silu(W_gate x) ⊙ W_up x).

use super::Source;
use super::linear::{Bias, Linear};
use tch::Tensor;

/// Three matrices, named as in the checkpoint.
pub(crate) struct Mlp {
    gate_proj: Linear, // D -> I
    up_proj: Linear,   // D -> I
    down_proj: Linear, // I -> D
}

impl Mlp {
    pub(crate) fn new(source: &mut Source<'_>, name: &str, size: [i64; 2], bias: Bias) -> Self {
        let [hidden, intermediate] = size;
        let mut linear = |part: &str, out_features, in_features| {
            Linear::new(source, &format!("{name}.{part}"), [out_features, in_features], bias)
        };
        Self {
            gate_proj: linear("gate_proj", intermediate, hidden),
            up_proj: linear("up_proj", intermediate, hidden),
            down_proj: linear("down_proj", hidden, intermediate),
        }
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Tensor {
        let gated = self.gate_proj.forward(x).silu() * self.up_proj.forward(x); // [.., I]
        self.down_proj.forward(&gated) // [.., D]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn agrees_with_the_formula() {
        let weights: HashMap<&str, [f64; 4]> = HashMap::from([
            ("mlp.gate_proj.weight", [0.5, -1.0, 2.0, 0.25]),
            ("mlp.up_proj.weight", [1.5, 0.5, -0.5, 1.0]),
            ("mlp.down_proj.weight", [1.0, -2.0, 0.5, 3.0]),
        ]);
        let mut source = |name: &str, shape: &[i64]| Tensor::from_slice(&weights[name]).view(shape);
        let mlp = Mlp::new(&mut source, "mlp", [2, 2], Bias::Without);
        let x = [0.7, -0.3];
        let times = |name: &str, x: [f64; 2]| {
            let w = weights[name];
            [w[0] * x[0] + w[1] * x[1], w[2] * x[0] + w[3] * x[1]]
        };
        let silu = |x: f64| x / (1.0 + (-x).exp());
        let (gate, up) = (times("mlp.gate_proj.weight", x), times("mlp.up_proj.weight", x));
        let gated = [silu(gate[0]) * up[0], silu(gate[1]) * up[1]];
        let expected = times("mlp.down_proj.weight", gated);
        let got = Vec::<f64>::try_from(mlp.forward(&Tensor::from_slice(&x))).unwrap();
        assert!(got.iter().zip(expected).all(|(got, expected)| (got - expected).abs() < 1e-12));
    }
}
