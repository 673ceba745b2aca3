//! y = x Wᵀ + b, with the weight laid out as in the checkpoint.

use super::Source;
use tch::Tensor;

/// Whether a layer adds a bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bias {
    With,
    Without,
}

impl From<bool> for Bias {
    fn from(with: bool) -> Self {
        if with { Self::With } else { Self::Without }
    }
}

/// A matrix, and perhaps a bias.
pub(crate) struct Linear {
    weight: Tensor,       // [Out, In]
    bias: Option<Tensor>, // [Out]
}

impl Linear {
    pub(crate) fn new(source: &mut Source<'_>, name: &str, size: [i64; 2], bias: Bias) -> Self {
        let [out_features, in_features] = size;
        let weight = source(&format!("{name}.weight"), &[out_features, in_features]);
        let bias = (bias == Bias::With).then(|| source(&format!("{name}.bias"), &[out_features]));
        Self { weight, bias }
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Tensor {
        x.linear(&self.weight, self.bias.as_ref()) // [.., In] -> [.., Out]
    }
}
