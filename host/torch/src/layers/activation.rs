//! The functions between two matrices of a feed-forward, under the names that `hidden_act` gives them.

use tch::Tensor;

/// What bends a feed-forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activation {
    /// x · σ(x), <https://arxiv.org/abs/1702.03118>.
    Silu,
    /// x · Φ(x), <https://arxiv.org/abs/1606.08415>.
    Gelu,
    /// The same with Φ by tanh.
    GeluTanh,
    /// max(x, 0).
    Relu,
    /// max(x, 0)², <https://arxiv.org/abs/2109.08668>.
    ReluSquared,
    /// x · σ(1.702 x).
    QuickGelu,
}

impl Activation {
    /// By transformers' names; nothing for one that is not here.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "silu" | "swish" => Some(Self::Silu),
            "gelu" | "gelu_python" => Some(Self::Gelu),
            "gelu_pytorch_tanh" | "gelu_python_tanh" | "gelu_new" | "gelu_fast"
            | "gelu_accurate" => Some(Self::GeluTanh),
            "relu" => Some(Self::Relu),
            "relu2" => Some(Self::ReluSquared),
            "quick_gelu" => Some(Self::QuickGelu),
            _ => None,
        }
    }

    pub(crate) fn apply(self, x: &Tensor) -> Tensor {
        match self {
            Self::Silu => x.silu(),
            Self::Gelu => x.gelu("none"),
            Self::GeluTanh => x.gelu("tanh"),
            Self::Relu => x.relu(),
            Self::ReluSquared => x.relu().square(),
            Self::QuickGelu => x * (x * 1.702).sigmoid(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agree_with_their_formulas() {
        let tanh = |x: f64| {
            0.5 * x * (1.0 + (0.797_884_560_802_865_4 * (x + 0.044_715 * x * x * x)).tanh())
        };
        for (name, formula) in [
            ("silu", (|x| x / (1.0 + (-x).exp())) as fn(f64) -> f64),
            ("relu", |x| x.max(0.0)),
            ("relu2", |x| x.max(0.0).powi(2)),
            ("quick_gelu", |x| x / (1.0 + (-1.702 * x).exp())),
            // Φ(1) = 0.841344746…, Φ(-0.5) = 0.308537538…
            ("gelu", |x| {
                x * if x > 0.0 { 0.841_344_746_068_542_9 } else { 0.308_537_538_725_986_9 }
            }),
        ] {
            for x in [1.0, -0.5] {
                let got = Activation::named(name).unwrap().apply(&Tensor::from_slice(&[x]));
                assert!((got.double_value(&[0]) - formula(x)).abs() < 1e-12, "{name} {x}");
            }
        }
        for name in ["gelu_new", "gelu_pytorch_tanh", "gelu_fast"] {
            let got = Activation::named(name).unwrap().apply(&Tensor::from_slice(&[0.7, -1.3]));
            for (i, x) in [0.7, -1.3].into_iter().enumerate() {
                assert!((got.double_value(&[i as i64]) - tanh(x)).abs() < 1e-12, "{name} {x}");
            }
        }
        assert_eq!(Activation::named("mish"), None);
    }
}
