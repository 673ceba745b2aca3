//! Normalisation over the last dimension: by the root mean square, <https://arxiv.org/abs/1910.07467>,
//! y = w · x / √(mean(x²) + ε), or by mean and variance, <https://arxiv.org/abs/1607.06450>,
//! y = w · (x − mean(x)) / √(var(x) + ε) + b.

use super::Source;
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
}

/// A norm of any size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct NormShape {
    pub(crate) kind: NormKind,
    pub(crate) eps: f64,
}

/// A gain for each feature, and perhaps a bias.
pub(crate) struct Norm {
    shape: NormShape,
    weight: Tensor,       // [D]
    bias: Option<Tensor>, // [D]
}

impl NormShape {
    /// The norm of that name over `size` features.
    pub(crate) fn build(self, source: &mut Source<'_>, name: &str, size: i64) -> Norm {
        let weight = source(&format!("{name}.weight"), &[size]);
        let bias = (self.kind == NormKind::Layer).then(|| source(&format!("{name}.bias"), &[size]));
        Norm { shape: self, weight, bias }
    }
}

impl Norm {
    /// The same weights in a second place.
    pub(crate) fn share(&self) -> Self {
        let bias = self.bias.as_ref().map(Tensor::shallow_clone);
        Self { shape: self.shape, weight: self.weight.shallow_clone(), bias }
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Tensor {
        let (size, eps) = (self.weight.size(), self.shape.eps);
        match self.shape.kind {
            NormKind::Rms => x.rms_norm(size, Some(&self.weight), eps),
            // 1 + w has more digits than bfloat16; so has the product before it is rounded.
            NormKind::RmsOnePlus => {
                let wide = if x.kind() == Kind::Double { Kind::Double } else { Kind::Float };
                let gain = self.weight.to_kind(wide) + 1.0;
                x.to_kind(wide).rms_norm(size, Some(&gain), eps).to_kind(x.kind())
            }
            NormKind::Layer | NormKind::LayerWithoutBias => {
                x.layer_norm(size, Some(&self.weight), self.bias.as_ref(), eps, false)
            }
        } // [.., D] -> [.., D]
    }
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
        for (kind, center, offset, bias) in [
            (NormKind::Rms, 0.0, 0.0, 0.0),
            (NormKind::RmsOnePlus, 0.0, 1.0, 0.0),
            (NormKind::LayerWithoutBias, 1.0, 0.0, 0.0),
            (NormKind::Layer, 1.0, 0.0, 1.0),
        ] {
            let got = norm(kind).forward(&Tensor::from_slice2(&ROWS));
            for (row, x) in ROWS.iter().enumerate() {
                let x = x.map(f64::from);
                let mean = center * x.iter().sum::<f64>() / 3.0;
                let spread = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 3.0;
                for (column, x) in x.into_iter().enumerate() {
                    let gain = offset + f64::from(GAIN[column]);
                    let expected =
                        gain * (x - mean) / (spread + 1e-6).sqrt() + bias * f64::from(BIAS[column]);
                    let got = got.double_value(&[row as i64, column as i64]);
                    assert!((got - expected).abs() < 2e-6 * expected.abs() + 1e-6, "{kind:?}");
                }
            }
        }
    }
}
