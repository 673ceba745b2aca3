//! A convolution over tokens, each feature by itself, that looks at a token and the few before it:
//! y_t = Σ_j w_j ⊙ x_{t−k+1+j} + b, j from 0 to k − 1, with zeros before the first token.
//!
//! B rows, T tokens a row, C features, k tokens seen at once.

use super::{Role, Source};
use tch::Tensor;

/// A weight for each feature and each of the tokens that are seen.
pub(crate) struct CausalConvolution {
    weight: Tensor,       // [C, 1, k]
    bias: Option<Tensor>, // [C]
    kernel: i64,
}

/// Whether something is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConvolutionBias {
    None,
    Learned,
}

impl CausalConvolution {
    /// [C, k]
    pub(crate) fn new(
        source: &mut Source<'_>,
        name: &str,
        [features, kernel]: [i64; 2],
        bias: ConvolutionBias,
    ) -> Self {
        let weight = source.tensor(&format!("{name}.weight"), &[features, 1, kernel], Role::Weight);
        let bias = (bias == ConvolutionBias::Learned)
            .then(|| source.tensor(&format!("{name}.bias"), &[features], Role::Bias));
        Self { weight, bias, kernel }
    }

    /// The sums, and the last k − 1 tokens, which those that follow will see.
    /// // [B, T, C], [1, k − 1, C] -> [B, T, C], [B, k − 1, C]
    pub(crate) fn forward(&self, x: &Tensor, past: Option<&Tensor>) -> (Tensor, Tensor) {
        let [rows, length, features] = x.size()[..] else {
            unreachable!("rows of tokens of features")
        };
        let before = [rows, self.kernel - 1, features];
        let past = match past {
            Some(past) => past.expand(before, false),
            None => x.new_zeros(before, (x.kind(), x.device())),
        };
        let all = Tensor::cat(&[&past, x], 1); // [B, k − 1 + T, C]
        let weight = self.weight.squeeze_dim(1); // [C, k]
        let seen = |j: i64| all.narrow(1, j, length) * weight.select(1, j);
        let mut sum = seen(0);
        for j in 1..self.kernel {
            sum += seen(j);
        }
        if let Some(bias) = &self.bias {
            sum += bias;
        }
        (sum, all.narrow(1, length, self.kernel - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    #[test]
    fn agrees_with_that_of_libtorch_and_goes_on_behind_what_was_seen() {
        let numbers = |shape: &[i64], seed: f64| {
            let count: i64 = shape.iter().product();
            (Tensor::arange(count, (Kind::Double, Device::Cpu)) * 0.7 + seed).sin().view(shape)
        };
        for (kernel, bias) in [(4, ConvolutionBias::None), (3, ConvolutionBias::Learned)] {
            let weight = numbers(&[5, 1, kernel], 0.1);
            let mut source = |name: &str, shape: &[i64]| match name {
                "conv.weight" => weight.shallow_clone(),
                _ => numbers(shape, 0.2),
            };
            let convolution = CausalConvolution::new(&mut source, "conv", [5, kernel], bias);
            let x = numbers(&[2, 9, 5], 0.3);
            let (got, tail) = convolution.forward(&x, None);
            let expected = x
                .transpose(1, 2)
                .conv1d(&weight, convolution.bias.as_ref(), [1], [kernel - 1], [1], 5)
                .narrow(2, 0, 9)
                .transpose(1, 2);
            assert!((&got - &expected).abs().max().double_value(&[]) < 1e-12, "{kernel}");
            assert_eq!(tail, x.narrow(1, 10 - kernel, kernel - 1));

            // A beginning that is shorter than what is seen at once, in one row for two.
            let both = Tensor::cat(&[&x.narrow(0, 0, 1), &x.narrow(0, 0, 1)], 0);
            let (_, past) = convolution.forward(&x.narrow(0, 0, 1).narrow(1, 0, 1), None);
            let (rest, _) = convolution.forward(&both.narrow(1, 1, 8), Some(&past));
            for row in 0..2 {
                let distance = (rest.get(row) - got.get(0).narrow(0, 1, 8)).abs().max();
                assert!(distance.double_value(&[]) < 1e-12, "{kernel}");
            }
        }
    }
}
