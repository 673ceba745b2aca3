//! y = x Wᵀ + b, with the weight laid out as in the checkpoint; and what an adapter adds. The one place
//! where a layer multiplies with a matrix.

use super::laid_out::LaidOut;
use super::low_rank::LowRank;
use super::packed::Packed;
use super::{LinearLayer, Role, Source};
use crate::products;
use tch::Tensor;

/// Whether there is a bias, and how the weight lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinearKind {
    /// x Wᵀ, W of [Out, In].
    Plain,
    /// x Wᵀ + b.
    Biased,
    /// x W + b, W of [In, Out]: what GPT-2 calls `Conv1D`.
    Conv1d,
}

impl LinearKind {
    /// With a bias where a field of a configuration says so.
    pub(crate) fn with_bias(bias: bool) -> Self {
        if bias { Self::Biased } else { Self::Plain }
    }

    /// The shape that a checkpoint has for a matrix from In to Out features, [Out, In].
    pub(crate) fn laid_out(self, [out_features, in_features]: [i64; 2]) -> [i64; 2] {
        match self {
            Self::Conv1d => [in_features, out_features],
            Self::Plain | Self::Biased => [out_features, in_features],
        }
    }
}

/// The matrix of a linear layer.
pub(crate) enum Matrix {
    /// As it lies in the checkpoint.
    Plain(Tensor), // [Out, In], or [In, Out] of a Conv1D
    /// Frozen, in few bits.
    Packed(Packed), // [Out, In]
    /// Frozen as long as questions are asked, in the form that products want.
    LaidOut(LaidOut), // [Out, In]
}

/// A matrix, and perhaps a bias, and perhaps an adapter beside it.
pub(crate) struct Linear {
    matrix: Matrix,
    bias: Option<Tensor>, // [Out]
    kind: LinearKind,
    low_rank: Option<LowRank>,
}

impl Linear {
    pub(crate) fn new(
        source: &mut Source<'_>,
        name: &str,
        size: [i64; 2],
        kind: LinearKind,
    ) -> Self {
        let layer = LinearLayer { name, size, kind };
        let matrix = source.matrix(layer);
        let mut bias = || source.tensor(&format!("{name}.bias"), &size[..1], Role::Bias);
        let bias = (kind != LinearKind::Plain).then(&mut bias);
        let low_rank = source.low_rank(layer);
        Self { matrix, bias, kind, low_rank }
    }

    /// [.., In] -> [.., Out]
    pub(crate) fn forward(&self, x: &Tensor) -> Tensor {
        let [y] = Self::forward_all([self], x);
        y
    }

    /// Of several layers that read the same, which is made ready for their products once. // [.., In] -> [.., Out] each
    pub(crate) fn forward_all<const COUNT: usize>(
        layers: [&Self; COUNT],
        x: &Tensor,
    ) -> [Tensor; COUNT] {
        let mut all = Self::multiplied(layers, x).into_iter();
        layers.map(|layer| layer.adapted(all.next().expect("one a layer"), x))
    }

    fn multiplied<const COUNT: usize>(layers: [&Self; COUNT], x: &Tensor) -> [Tensor; COUNT] {
        let biases = layers.map(|layer| layer.bias.as_ref());
        if let Some(plain) = every(layers.map(Self::plain)) {
            return products::linears(x, beside(plain.each_ref(), biases));
        }
        if let Some(laid_out) = every(layers.map(Self::laid_out)) {
            return LaidOut::linears(x, beside(laid_out, biases));
        }
        layers.map(|layer| match &layer.matrix {
            Matrix::Packed(packed) => packed.linear(x, layer.bias.as_ref()),
            Matrix::Plain(_) | Matrix::LaidOut(_) => layer.forward_alone(x),
        })
    }

    /// One of several that do not lie alike.
    fn forward_alone(&self, x: &Tensor) -> Tensor {
        let [y] = Self::multiplied([self], x);
        y
    }

    /// As a product wants it. // [Out, In]
    fn plain(&self) -> Option<Tensor> {
        match (&self.matrix, self.kind) {
            (Matrix::Plain(weight), LinearKind::Conv1d) => Some(weight.tr()),
            (Matrix::Plain(weight), _) => Some(weight.shallow_clone()),
            _ => None,
        }
    }

    fn laid_out(&self) -> Option<&LaidOut> {
        match &self.matrix {
            Matrix::LaidOut(laid_out) => Some(laid_out),
            Matrix::Plain(_) | Matrix::Packed(_) => None,
        }
    }

    fn adapted(&self, y: Tensor, x: &Tensor) -> Tensor {
        match &self.low_rank {
            // Rounded once, behind the sum.
            Some(low_rank) => (&y + low_rank.forward(x)).to_kind(y.kind()),
            None => y,
        }
    }
}

/// All, if there is each.
fn every<T, const COUNT: usize>(each: [Option<T>; COUNT]) -> Option<[T; COUNT]> {
    each.iter().all(Option::is_some).then(|| each.map(|it| it.expect("is there")))
}

/// The two lists as one of pairs.
fn beside<A: Copy, B: Copy, const COUNT: usize>(a: [A; COUNT], b: [B; COUNT]) -> [(A, B); COUNT] {
    std::array::from_fn(|index| (a[index], b[index]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conv1d_is_a_linear_layer_lying_on_its_side() {
        let weight = Tensor::from_slice2(&[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]); // [2, 3]
        let bias = |size: &[i64]| Tensor::ones(size, (tch::Kind::Double, tch::Device::Cpu));
        let x = Tensor::from_slice(&[0.5, -1.0]); // [2]
        let upright = |name: &str, shape: &[i64]| match name {
            "fc.weight" => weight.tr().contiguous().view(shape),
            _ => bias(shape),
        };
        let lying = |name: &str, shape: &[i64]| match name {
            "fc.weight" => weight.view(shape),
            _ => bias(shape),
        };
        let linear = Linear::new(&mut { upright }, "fc", [3, 2], LinearKind::Biased);
        let conv1d = Linear::new(&mut { lying }, "fc", [3, 2], LinearKind::Conv1d);
        assert_eq!(linear.forward(&x), conv1d.forward(&x));
        assert_eq!(Vec::<f64>::try_from(linear.forward(&x)).unwrap(), [-2.5, -3.0, -3.5]);
    }
}
