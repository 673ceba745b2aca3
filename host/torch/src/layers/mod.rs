//! The parts a decoder is made of, each in a file with its formula. A part comes in two: a shape, which
//! says what an architecture's layer is like, and the part itself, which holds the weights.

pub(crate) mod activation;
pub(crate) mod dropout;
pub(crate) mod laid_out;
pub(crate) mod head;
pub(crate) mod low_rank;
pub(crate) mod packed;
pub(crate) mod linear;
pub(crate) mod norm;
pub(crate) mod rope;
pub(crate) mod flattened;
pub(crate) mod view;
pub(crate) mod xielu;

pub(crate) mod attention;
pub(crate) mod causal_convolution;

pub(crate) mod gated_delta;
pub(crate) mod short_convolution;

pub(crate) mod gated;

pub(crate) mod experts;
pub(crate) mod feed_forward;

pub(crate) mod block;

use linear::{LinearKind, Matrix};
use low_rank::LowRank;
use tch::Tensor;

/// Where a layer's weights come from. One walk over a model thus lists its weights, or puts it together
/// from weights that are there.
pub(crate) trait Supply {
    /// The tensor that Hugging Face calls by this name, of this shape.
    fn tensor(&mut self, name: &str, shape: &[i64], role: Role) -> Tensor;

    /// The matrix of a linear layer.
    fn matrix(&mut self, layer: LinearLayer<'_>) -> Matrix {
        let shape = layer.kind.laid_out(layer.size);
        Matrix::Plain(self.tensor(&layer.weight(), &shape, Role::Weight))
    }

    /// What stands beside the matrix of a linear layer, where anything does.
    fn low_rank(&mut self, _layer: LinearLayer<'_>) -> Option<LowRank> {
        None
    }
}

/// A linear layer that asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LinearLayer<'a> {
    pub(crate) name: &'a str,
    /// [Out, In]
    pub(crate) size: [i64; 2],
    pub(crate) kind: LinearKind,
}

impl LinearLayer<'_> {
    /// The name of its matrix.
    pub(crate) fn weight(&self) -> String {
        format!("{}.weight", self.name)
    }
}

/// What a layer asks for its weights.
pub(crate) type Source<'a> = dyn Supply + 'a;

/// What a tensor is for: it decides how the tensor starts, and whether it decays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A matrix, or whatever else starts at random and decays.
    Weight,
    /// The gain of a norm.
    Norm,
    /// What is added.
    Bias,
    /// Not learned by gradients, and kept in 32 bits.
    Fixed,
}

/// The tests of layers make their weights up as they are asked.
#[cfg(test)]
impl<F: FnMut(&str, &[i64]) -> Tensor> Supply for F {
    fn tensor(&mut self, name: &str, shape: &[i64], _: Role) -> Tensor {
        self(name, shape)
    }
}
