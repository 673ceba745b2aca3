//! LoRA, <https://arxiv.org/abs/2106.09685>: what a frozen matrix lacks, as a product of two thin ones,
//! s · B A x, where x may have lost some of its features.
//!
//! R is the rank, small beside In and Out.

use super::dropout::Dropout;
use tch::Tensor;

/// Two matrices beside one that is frozen.
pub(crate) struct LowRank {
    pub(crate) a: Tensor, // [R, In]
    pub(crate) b: Tensor, // [Out, R]
    /// s.
    pub(crate) scale: f64,
    /// In training.
    pub(crate) dropout: Option<Dropout>,
}

impl LowRank {
    /// Computes in the type of the two matrices, as PEFT does. // [.., In] -> [.., Out]
    pub(crate) fn forward(&self, x: &Tensor) -> Tensor {
        let mut x = x.to_kind(self.a.kind());
        if let Some(dropout) = &self.dropout {
            x = dropout.forward(&x);
        }
        x.linear(&self.a, None::<&Tensor>).linear(&self.b, None::<&Tensor>) * self.scale
    }

    /// s B A: what would have to be added to the frozen matrix. // [Out, In]
    pub(crate) fn product(&self) -> Tensor {
        self.b.matmul(&self.a) * self.scale
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    #[test]
    fn is_the_product_of_the_two_matrices() {
        let a = Tensor::from_slice2(&[[1.0f32, -2.0, 0.5]]); // [1, 3]
        let b = Tensor::from_slice2(&[[3.0f32], [-1.0]]); // [2, 1]
        let low_rank = LowRank { a, b, scale: 0.5, dropout: None };
        // A x = 2 - 2 + 2 = 2
        let x = Tensor::from_slice(&[2.0, 1.0, 4.0]).to_kind(Kind::BFloat16);
        let got = low_rank.forward(&x);
        assert_eq!(
            (got.kind(), Vec::<f32>::try_from(&got).unwrap()),
            (Kind::Float, vec![3.0, -1.0])
        );
        let product = low_rank.product();
        assert_eq!(product, Tensor::from_slice2(&[[1.5f32, -3.0, 0.75], [-0.5, 1.0, -0.25]]));
    }
}
