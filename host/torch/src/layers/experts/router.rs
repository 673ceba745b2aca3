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
    /// What is added to the scores of experts while they are compared, and only then.
    pub(crate) correction: Option<Correction>,
    /// Experts are taken out of the best groups alone.
    pub(crate) groups: Option<Groups>,
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

/// A number for each expert that keeps all of them busy; no gradient teaches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Correction {
    /// Its name in the feed-forward.
    pub(crate) name: &'static str,
    /// Its dimensions before that of experts, all of one.
    pub(crate) leading: &'static [i64],
}

/// Neighbouring experts, as many in each group, <https://arxiv.org/abs/2412.19437>.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Groups {
    pub(crate) count: i64,
    pub(crate) picked: i64,
    /// A group is as good as so many of its best together.
    pub(crate) judged_by: i64,
}

/// What the scores of the experts that were picked become.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum RouterWeights {
    AsTheyAre,
    /// Divided by their sum and a number that keeps the division finite.
    OfTheirSum {
        eps: f64,
    },
    /// Divided by their sum, or by a number where that is less.
    OfTheirSumAtLeast(f64),
}

/// The weights.
pub(super) struct Router {
    shape: RouterShape,
    weight: Tensor,             // [E, D]
    bias: Option<Tensor>,       // [E]
    correction: Option<Tensor>, // [.., E]
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
            correction: None,
            groups: None,
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
        let own = format!("{name}.{}", shape.name);
        let weight = source.tensor(&format!("{own}.weight"), &size, Role::Weight);
        let mut bias = || source.tensor(&format!("{own}.bias"), &size[..1], Role::Bias);
        let bias = (shape.kind == LinearKind::Biased).then(&mut bias);
        let correction = shape.correction.map(|it| {
            let size = [it.leading, &size[..1]].concat();
            source.tensor(&format!("{name}.{}", it.name), &size, Role::Fixed)
        });
        Self { shape: shape.clone(), weight, bias, correction }
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
        let (_, experts) =
            self.compared(&scores).topk(self.shape.num_experts_per_tok, 1, true, true);
        let picked = scores.gather(1, &experts, false); // [N, K]
        let picked = match self.shape.scores {
            RouterScores::SoftmaxOfPicked => picked.softmax(1, wide),
            RouterScores::Softmax | RouterScores::Sigmoid => picked,
        };
        let sum = picked.sum_dim_intlist([1i64].as_slice(), true, None); // [N, 1]
        let weights = match self.shape.weights {
            RouterWeights::AsTheyAre => picked,
            RouterWeights::OfTheirSum { eps } => picked / (sum + eps),
            RouterWeights::OfTheirSumAtLeast(least) => picked / sum.clamp_min(least),
        };
        let scale = self.shape.scale;
        let weights = if scale == 1.0 { weights } else { weights * scale };
        Routes { experts, weights }
    }

    /// What experts are compared by. // [N, E] -> [N, E]
    fn compared(&self, scores: &Tensor) -> Tensor {
        let scores = match &self.correction {
            Some(correction) => scores.detach() + correction.to_kind(scores.kind()).flatten(0, -1),
            None => scores.detach(),
        };
        let Some(Groups { count, picked, judged_by }) = self.shape.groups else { return scores };
        let grouped = scores.unflatten(1, [count, -1]); // [N, groups, E / groups]
        let (best, _) = grouped.topk(judged_by, 2, true, false);
        let (_, groups) =
            best.sum_dim_intlist([2i64].as_slice(), false, None).topk(picked, 1, true, false);
        let in_none = scores.new_ones([scores.size()[0], count], (Kind::Bool, scores.device()));
        let in_none = in_none.scatter_value(1, &groups, 0).unsqueeze(-1);
        grouped.masked_fill(&in_none, f64::NEG_INFINITY).flatten(1, 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    fn route(shape: RouterShape, products: &[f64], correction: &[f64]) -> Vec<(i64, f64)> {
        let experts = products.len() as i64;
        let mut source = |name: &str, size: &[i64]| match name {
            "mlp.gate.weight" => Tensor::from_slice(products).view(size),
            _ => Tensor::from_slice(correction).view(size),
        };
        let router = Router::new(&mut source, "mlp", &shape, [experts, 1]);
        let x = Tensor::ones([1, 1], (Kind::Double, Device::Cpu));
        let Routes { experts, weights } = router.route(&x);
        let experts = Vec::<i64>::try_from(experts.flatten(0, 1)).unwrap();
        let weights = Vec::<f64>::try_from(weights.flatten(0, 1)).unwrap();
        let mut picked: Vec<_> = experts.into_iter().zip(weights).collect();
        picked.sort_by_key(|(expert, _)| *expert);
        picked
    }

    #[test]
    fn a_correction_says_which_and_not_how_much() {
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let products = [2.0, 1.0, 0.0, -1.0];
        let shape = RouterShape {
            scores: RouterScores::Sigmoid,
            correction: Some(Correction { name: "correction", leading: &[1] }),
            scale: 2.0,
            ..RouterShape::softmax("gate", 2, RouterWeights::OfTheirSum { eps: 0.5 })
        };
        let got = route(shape, &products, &[0.0, 0.0, 0.0, 9.0]);
        let sum = sigmoid(2.0) + sigmoid(-1.0) + 0.5;
        for ((expert, weight), (number, product)) in got.into_iter().zip([(0, 2.0), (3, -1.0)]) {
            assert_eq!(expert, number);
            assert!((weight - 2.0 * sigmoid(product) / sum).abs() < 1e-12);
        }
    }

    #[test]
    fn experts_come_out_of_the_best_groups() {
        // The best expert of all stands in a group whose two best are worse than those of the others.
        let products = [5.0, -9.0, -9.0, 3.0, 3.0, -9.0, 2.0, 2.5, -9.0];
        let shape = RouterShape {
            scores: RouterScores::SoftmaxOfPicked,
            groups: Some(Groups { count: 3, picked: 2, judged_by: 2 }),
            ..RouterShape::softmax("gate", 3, RouterWeights::AsTheyAre)
        };
        let got = route(shape, &products, &[]);
        let experts: Vec<i64> = got.iter().map(|(expert, _)| *expert).collect();
        assert_eq!(experts, [3, 4, 7]);
        assert!((got.iter().map(|(_, weight)| weight).sum::<f64>() - 1.0).abs() < 1e-12);
    }
}
