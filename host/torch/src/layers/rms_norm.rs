//! Root mean square normalisation, <https://arxiv.org/abs/1910.07467>:
//! y = w · x / √(mean(x²) + ε), the mean over the last dimension.

use super::Source;
use tch::Tensor;

/// A gain for each feature.
pub(crate) struct RmsNorm {
    weight: Tensor, // [D]
    eps: f64,
}

impl RmsNorm {
    pub(crate) fn new(source: &mut Source<'_>, name: &str, size: i64, eps: f64) -> Self {
        Self { weight: source(&format!("{name}.weight"), &[size]), eps }
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Tensor {
        x.rms_norm(self.weight.size(), Some(&self.weight), self.eps) // [.., D] -> [.., D]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_formula() {
        let rows = [[0.5f32, -1.25, 3.0], [1e-4, 0.0, -2e-4]];
        let (gain, eps) = ([1.0f32, 0.5, -2.0], 1e-6);
        let norm = RmsNorm::new(&mut |_, _| Tensor::from_slice(&gain), "norm", 3, eps);
        let got = norm.forward(&Tensor::from_slice2(&rows));
        for (row, x) in rows.iter().enumerate() {
            let mean_square = x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / 3.0;
            for (column, &x) in x.iter().enumerate() {
                let expected = f64::from(gain[column]) * f64::from(x) / (mean_square + eps).sqrt();
                let got = got.double_value(&[row as i64, column as i64]);
                assert!((got - expected).abs() < 1e-6 * expected.abs() + 1e-12, "{got} {expected}");
            }
        }
    }
}
