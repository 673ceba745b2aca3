//! Normalisation over the last dimension: by the root mean square, <https://arxiv.org/abs/1910.07467>,
//! y = w · x / √(mean(x²) + ε), or by mean and variance, <https://arxiv.org/abs/1607.06450>,
//! y = w · (x − mean(x)) / √(var(x) + ε) + b. Some keep w − 1 instead of w, some learn nothing.

use super::{Role, Source};
use crate::kernels;
use tch::{Kind, Tensor};

/// Which norm, and what it learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NormKind {
    /// Root mean square with a gain w.
    Rms,
    /// Root mean square with a gain 1 + w, as Gemma keeps it.
    RmsOnePlus,
    /// Mean and variance with a gain and a bias.
    Layer,
    /// Mean and variance with a gain alone.
    LayerWithoutBias,
    /// Mean and variance with a gain 1 + w and a bias, as Nemotron keeps it.
    LayerOnePlus,
    /// Mean and variance, and nothing learned.
    LayerAlone,
}

/// A norm of any size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct NormShape {
    pub(crate) kind: NormKind,
    pub(crate) eps: f64,
}

/// Perhaps a gain for each feature, and perhaps a bias.
pub(crate) struct Norm {
    shape: NormShape,
    size: i64,              // D
    weight: Option<Tensor>, // [D], or [H, D] where each head has gains of its own
    bias: Option<Tensor>,   // [D]
}

impl NormKind {
    fn has_weight(self) -> bool {
        self != Self::LayerAlone
    }

    fn has_bias(self) -> bool {
        matches!(self, Self::Layer | Self::LayerOnePlus)
    }
}

impl NormShape {
    /// The norm of that name over `size` features.
    pub(crate) fn build(self, source: &mut Source<'_>, name: &str, size: i64) -> Norm {
        let mut part = |part: &str, role| source.tensor(&format!("{name}.{part}"), &[size], role);
        let weight = self.kind.has_weight().then(|| part("weight", Role::Norm));
        let bias = self.kind.has_bias().then(|| part("bias", Role::Bias));
        Norm { shape: self, size, weight, bias }
    }

    /// The norm of that name over `size` features of each head, with gains for each head and no bias.
    pub(crate) fn build_for_heads(
        self,
        source: &mut Source<'_>,
        name: &str,
        [heads, size]: [i64; 2],
    ) -> Norm {
        assert_eq!(self.kind, NormKind::LayerWithoutBias, "the one that there is");
        let weight = source.tensor(&format!("{name}.weight"), &[heads, size], Role::Norm);
        Norm { shape: self, size, weight: Some(weight), bias: None }
    }
}

impl Norm {
    /// The same weights in a second place.
    pub(crate) fn share(&self) -> Self {
        let [weight, bias] =
            [&self.weight, &self.bias].map(|it| it.as_ref().map(Tensor::shallow_clone));
        Self { shape: self.shape, size: self.size, weight, bias }
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Tensor {
        let (size, eps) = ([self.size], self.shape.eps);
        let (weight, bias) = (self.weight.as_ref(), self.bias.as_ref());
        if let Some(by_head) = weight.filter(|weight| weight.dim() == 2) {
            return x.layer_norm(size, None::<&Tensor>, None::<&Tensor>, eps, false) * by_head;
        }
        match self.shape.kind {
            NormKind::Rms => rms_norm(x, size, weight, eps),
            // 1 + w has more digits than bfloat16; so has the product before it is rounded.
            NormKind::RmsOnePlus => {
                let gain = self.one_plus(wide(x.kind()));
                rms_norm(&x.to_kind(wide(x.kind())), size, gain.as_ref(), eps).to_kind(x.kind())
            }
            NormKind::Layer | NormKind::LayerWithoutBias | NormKind::LayerAlone => {
                x.layer_norm(size, weight, bias, eps, false)
            }
            NormKind::LayerOnePlus => {
                let wide = wide(x.kind());
                let bias = bias.map(|bias| bias.to_kind(wide));
                let gain = self.one_plus(wide);
                x.to_kind(wide).layer_norm(size, gain, bias, eps, false).to_kind(x.kind())
            }
        } // [.., D] -> [.., D]
    }

    fn one_plus(&self, kind: Kind) -> Option<Tensor> {
        self.weight.as_ref().map(|weight| weight.to_kind(kind) + 1.0)
    }
}

fn rms_norm(x: &Tensor, size: [i64; 1], gain: Option<&Tensor>, eps: f64) -> Tensor {
    let at_once = gain.and_then(|gain| kernels::rms_norm(x, gain, eps));
    at_once.unwrap_or_else(|| x.rms_norm(size, gain, eps))
}

/// f32, or f64 where that is what there is.
fn wide(kind: Kind) -> Kind {
    if kind == Kind::Double { Kind::Double } else { Kind::Float }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: [[f32; 3]; 2] = [[0.5, -1.25, 3.0], [1e-4, 0.0, -2e-4]];
    const GAIN: [f32; 3] = [1.0, 0.5, -2.0];
    const BIAS: [f32; 3] = [0.25, -0.5, 0.125];

    fn norm(kind: NormKind) -> Norm {
        let source = &mut |name: &str, _: &[i64]| {
            Tensor::from_slice(if name == "norm.weight" { &GAIN } else { &BIAS })
        };
        NormShape { kind, eps: 1e-6 }.build(source, "norm", 3)
    }

    #[test]
    fn agree_with_their_formulas() {
        for (kind, center, offset, slope, bias) in [
            (NormKind::Rms, 0.0, 0.0, 1.0, 0.0),
            (NormKind::RmsOnePlus, 0.0, 1.0, 1.0, 0.0),
            (NormKind::LayerWithoutBias, 1.0, 0.0, 1.0, 0.0),
            (NormKind::Layer, 1.0, 0.0, 1.0, 1.0),
            (NormKind::LayerOnePlus, 1.0, 1.0, 1.0, 1.0),
            (NormKind::LayerAlone, 1.0, 1.0, 0.0, 0.0),
        ] {
            let got = norm(kind).forward(&Tensor::from_slice2(&ROWS));
            for (row, x) in ROWS.iter().enumerate() {
                let x = x.map(f64::from);
                let mean = center * x.iter().sum::<f64>() / 3.0;
                let spread = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 3.0;
                for (column, x) in x.into_iter().enumerate() {
                    let gain = offset + slope * f64::from(GAIN[column]);
                    let expected =
                        gain * (x - mean) / (spread + 1e-6).sqrt() + bias * f64::from(BIAS[column]);
                    let got = got.double_value(&[row as i64, column as i64]);
                    assert!((got - expected).abs() < 2e-6 * expected.abs() + 1e-6, "{kind:?}");
                }
            }
        }
    }
}
