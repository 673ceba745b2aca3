//! Which experts a token goes to, and what each counts.
//!
//! Computed in 32 bits whatever the model's type is: two experts that are nearly as good should not be
//! told apart by how a number was rounded.
//!
//! N tokens, E experts, K experts a token, D features.

use crate::layers::linear::LinearKind;
use crate::layers::{Role, Source};
use tch::{Kind, Tensor};

/// How experts are scored and weighed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RouterShape {
    /// What its matrix of [E, D] lies under, and its bias, where it has one.
    pub(crate) name: &'static str,
    pub(crate) kind: LinearKind,
    pub(crate) scores: RouterScores,
    pub(crate) num_experts_per_tok: i64,
    pub(crate) weights: RouterWeights,
    /// All weights are multiplied by it.
    pub(crate) scale: f64,
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RouterScores {
    /// Softmax of the products over all experts.
    Softmax,
    /// The products; softmax over those that were picked.
    SoftmaxOfPicked,
    /// σ of each product.
    Sigmoid,
}

/// What the scores of the experts that were picked become.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum RouterWeights {
    AsTheyAre,
    /// Divided by their sum and a number that keeps the division finite.
    OfTheirSum {
        eps: f64,
    },
}

/// The weights.
pub(super) struct Router {
    shape: RouterShape,
    weight: Tensor,       // [E, D]
    bias: Option<Tensor>, // [E]
}

/// Where tokens go.
pub(super) struct Routes {
    pub(super) experts: Tensor, // [N, K]
    pub(super) weights: Tensor, // [N, K]
}

impl RouterShape {
    /// Softmax over all experts, of which the best are taken.
    pub(crate) fn softmax(
        name: &'static str,
        num_experts_per_tok: usize,
        weights: RouterWeights,
    ) -> Self {
        Self {
            name,
            kind: LinearKind::Plain,
            scores: RouterScores::Softmax,
            num_experts_per_tok: num_experts_per_tok as i64,
            weights,
            scale: 1.0,
        }
    }
}

impl RouterWeights {
    /// As `norm_topk_prob` says.
    pub(crate) fn normalized(norm_topk_prob: bool) -> Self {
        if norm_topk_prob { Self::OfTheirSum { eps: 0.0 } } else { Self::AsTheyAre }
    }
}

impl Router {
    pub(super) fn new(
        source: &mut Source<'_>,
        name: &str,
        shape: &RouterShape,
        size: [i64; 2],
    ) -> Self {
        let name = format!("{name}.{}", shape.name);
        let weight = source.tensor(&format!("{name}.weight"), &size, Role::Weight);
        let bias = (shape.kind == LinearKind::Biased)
            .then(|| source.tensor(&format!("{name}.bias"), &size[..1], Role::Bias));
        Self { shape: shape.clone(), weight, bias }
    }

    /// [N, D] -> [N, K]
    pub(super) fn route(&self, x: &Tensor) -> Routes {
        let wide = if x.kind() == Kind::Double { Kind::Double } else { Kind::Float };
        let bias = self.bias.as_ref().map(|bias| bias.to_kind(wide));
        let products = x.to_kind(wide).linear(&self.weight.to_kind(wide), bias); // [N, E]
        let scores = match self.shape.scores {
            RouterScores::Softmax => products.softmax(1, wide),
            RouterScores::SoftmaxOfPicked => products,
            RouterScores::Sigmoid => products.sigmoid(),
        };
        let (picked, experts) = scores.topk(self.shape.num_experts_per_tok, 1, true, true);
        let picked = match self.shape.scores {
            RouterScores::SoftmaxOfPicked => picked.softmax(1, wide),
            RouterScores::Softmax | RouterScores::Sigmoid => picked,
        };
        let weights = match self.shape.weights {
            RouterWeights::AsTheyAre => picked,
            RouterWeights::OfTheirSum { eps } => {
                let sum = picked.sum_dim_intlist([1i64].as_slice(), true, None);
                picked / (sum + eps)
            }
        };
        let scale = self.shape.scale;
        let weights = if scale == 1.0 { weights } else { weights * scale };
        Routes { experts, weights }
    }
}
