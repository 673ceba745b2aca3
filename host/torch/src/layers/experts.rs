//! A feed-forward of many experts, of which a router picks a few for every token,
//! <https://arxiv.org/abs/1701.06538>: y = Σ w_e · E_e(x) over the experts e that were picked; and, where
//! there is one, an expert that every token passes through, y + σ(g · x) · E(x), with a gate or without.
//!
//! Tokens are put in the order of their experts, so that an expert runs once over all of its tokens, and
//! back by the inverse permutation. Nothing is summed in an order that chance decides.
//!
//! N tokens, E experts, K experts a token, D features.

mod matrices;
mod router;

pub(crate) use matrices::{ExpertGate, ExpertLayout};
pub(crate) use router::{Correction, Groups, RouterScores, RouterShape, RouterWeights};

use super::Source;
use super::gated::{Gated, GatedShape};
use super::linear::{Linear, LinearKind};
use matrices::Matrices;
use router::{Router, Routes};
use tch::Tensor;

/// Which experts, and how they are chosen.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ExpertsShape {
    pub(crate) num_experts: i64,
    pub(crate) intermediate_size: i64,
    pub(crate) layout: ExpertLayout,
    pub(crate) gate: ExpertGate,
    pub(crate) router: RouterShape,
    pub(crate) shared: Option<SharedExpert>,
}

/// An expert that every token passes through.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SharedExpert {
    pub(crate) name: &'static str,
    pub(crate) shape: GatedShape,
    /// The name of a row g whose product with a token says how much of it counts.
    pub(crate) gate: Option<&'static str>,
}

/// The weights of all of them.
pub(crate) struct Experts {
    num_experts: i64,
    router: Router,
    matrices: Matrices,
    shared: Option<Shared>,
}

struct Shared {
    expert: Gated,
    gate: Option<Linear>,
}

impl Experts {
    pub(crate) fn new(
        source: &mut Source<'_>,
        name: &str,
        shape: &ExpertsShape,
        hidden_size: i64,
    ) -> Self {
        let router = Router::new(source, name, &shape.router, [shape.num_experts, hidden_size]);
        let matrices = Matrices::new(source, name, shape, hidden_size);
        let shared = shape.shared.as_ref().map(|shared| Shared {
            expert: Gated::new(
                source,
                &format!("{name}.{}", shared.name),
                &shared.shape,
                hidden_size,
            ),
            gate: shared.gate.map(|gate| {
                let gate = format!("{name}.{gate}");
                Linear::new(source, &gate, [1, hidden_size], LinearKind::Plain)
            }),
        });
        Self { num_experts: shape.num_experts, router, matrices, shared }
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Tensor {
        let tokens = x.flatten(0, -2); // [N, D]
        let routed = self.routed(&tokens);
        let all = match &self.shared {
            Some(shared) => routed + shared.forward(&tokens),
            None => routed,
        };
        all.view_as(x) // [.., D] -> [.., D]
    }

    /// What the experts of each token make of it. // [N, D] -> [N, D]
    fn routed(&self, x: &Tensor) -> Tensor {
        let Routes { experts, weights } = self.router.route(x); // [N, K] each
        let [num_tokens, per_token] = experts.size()[..] else {
            unreachable!("some experts a token")
        };
        let experts = experts.flatten(0, 1); // [N·K]
        // By expert, and the tokens of one expert in their own order.
        let order = experts.argsort_stable(true, 0, false);
        let back = order.argsort(0, false);
        let tokens = order.divide_scalar_mode(per_token, "floor");

        let outputs = self.in_order(&x.index_select(0, &tokens), &self.tokens_of_each(&experts));
        let by_token = outputs.index_select(0, &back).view([num_tokens, per_token, -1]);
        let weights = weights.to_kind(x.kind()).unsqueeze(-1); // [N, K, 1]
        (by_token * weights).sum_dim_intlist([1i64].as_slice(), false, None)
    }

    /// How many tokens each expert has; the one number that the device is waited for.
    fn tokens_of_each(&self, experts: &Tensor) -> Vec<i64> {
        let counts = experts.bincount(None::<&Tensor>, self.num_experts);
        Vec::try_from(counts).expect("a flat tensor of whole numbers")
    }

    /// Runs every expert that has tokens over those. // [N·K, D] -> [N·K, D]
    fn in_order(&self, x: &Tensor, tokens_of_each: &[i64]) -> Tensor {
        let runs = x.split_with_sizes(tokens_of_each, 0);
        let outputs: Vec<Tensor> = self
            .matrices
            .each()
            .iter()
            .zip(&runs)
            .filter(|(_, run)| run.size()[0] > 0)
            .map(|(expert, run)| expert.forward(run))
            .collect();
        Tensor::cat(&outputs, 0)
    }
}

impl Shared {
    fn forward(&self, x: &Tensor) -> Tensor {
        let output = self.expert.forward(x);
        match &self.gate {
            Some(gate) => gate.forward(x).sigmoid() * output,
            None => output,
        } // [N, D] -> [N, D]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::activation::Activation;
    use crate::testing::numbers;
    use tch::{Device, Kind};

    const NUM_EXPERTS: i64 = 5;
    const HIDDEN: i64 = 4;
    const INNER: i64 = 3;

    fn gate() -> Tensor {
        numbers(&[NUM_EXPERTS, INNER, HIDDEN], 0.1)
    }

    fn up() -> Tensor {
        numbers(&[NUM_EXPERTS, INNER, HIDDEN], 0.2)
    }

    fn down() -> Tensor {
        numbers(&[NUM_EXPERTS, HIDDEN, INNER], 0.3)
    }

    fn shape(layout: ExpertLayout, gate: ExpertGate) -> ExpertsShape {
        ExpertsShape {
            num_experts: NUM_EXPERTS,
            intermediate_size: INNER,
            layout,
            gate,
            router: RouterShape::softmax("gate", 2, RouterWeights::AsTheyAre),
            shared: None,
        }
    }

    fn experts(shape: &ExpertsShape) -> Experts {
        let of_expert = |name: &str, all: &Tensor| {
            let number = name.split('.').find_map(|part| part.parse().ok()).unwrap();
            all.get(number)
        };
        let alternating = || Tensor::stack(&[gate(), up()], 2).view([NUM_EXPERTS, -1, HIDDEN]);
        let mut source = |name: &str, size: &[i64]| {
            let tensor = match name {
                "mlp.gate.weight" => numbers(&[NUM_EXPERTS, HIDDEN], 0.4) * 3.0,
                "mlp.experts.gate_up_proj" if size[1] == HIDDEN => alternating().transpose(1, 2),
                "mlp.experts.gate_up_proj" => Tensor::cat(&[gate(), up()], 1),
                "mlp.experts.down_proj" if size[1] == INNER => down().transpose(1, 2),
                "mlp.experts.down_proj" => down(),
                _ if name.ends_with("bias") => Tensor::zeros(size, (Kind::Double, Device::Cpu)),
                _ if name.ends_with("gate_proj.weight") => of_expert(name, &gate()),
                _ if name.ends_with("up_proj.weight") => of_expert(name, &up()),
                _ => of_expert(name, &down()),
            };
            assert_eq!(tensor.size(), size, "{name}");
            tensor
        };
        Experts::new(&mut source, "mlp", shape, HIDDEN)
    }

    /// Token by token, the two best experts of each.
    fn naive(x: &Tensor, gated: impl Fn(&Tensor, &Tensor) -> Tensor) -> Tensor {
        let router = numbers(&[NUM_EXPERTS, HIDDEN], 0.4) * 3.0;
        let token = |row: i64| {
            let x = x.get(row);
            let shares = Vec::<f64>::try_from(router.mv(&x).softmax(0, Kind::Double)).unwrap();
            let mut best: Vec<usize> = (0..shares.len()).collect();
            best.sort_by(|&a, &b| shares[b].total_cmp(&shares[a]));
            let expert = |&e: &usize| {
                let matrix = |all: Tensor| all.get(e as i64);
                let inner = gated(&matrix(gate()).mv(&x), &matrix(up()).mv(&x));
                matrix(down()).mv(&inner) * shares[e]
            };
            let outputs: Vec<Tensor> = best[..2].iter().map(expert).collect();
            &outputs[0] + &outputs[1]
        };
        Tensor::stack(&(0..x.size()[0]).map(token).collect::<Vec<_>>(), 0)
    }

    #[test]
    fn every_layout_gives_the_sum_over_the_experts_of_a_token() {
        let silu = ExpertGate::Activated(Activation::Silu);
        let clamped = ExpertGate::Clamped { alpha: 1.7, limit: 0.4 };
        let clamp = |gate: &Tensor, up: &Tensor| {
            let gate = gate.clamp_max(0.4);
            (up.clamp(-0.4, 0.4) + 1.0) * &gate * (&gate * 1.7).sigmoid()
        };
        let x = numbers(&[11, HIDDEN], 0.5);
        for (layout, gate, expected) in [
            (ExpertLayout::GATE_UP_DOWN, silu, naive(&x, |gate, up| gate.silu() * up)),
            (ExpertLayout::STACKED, silu, naive(&x, |gate, up| gate.silu() * up)),
            (ExpertLayout::AlternatingBiased, clamped, naive(&x, clamp)),
        ] {
            let got = experts(&shape(layout, gate)).forward(&x.view([1, 11, HIDDEN]));
            assert_eq!(got.size(), [1, 11, HIDDEN]);
            let distance = (got.get(0) - expected).abs().max().double_value(&[]);
            assert!(distance < 1e-12, "{layout:?}: {distance}");
        }
    }

    #[test]
    fn a_gradient_goes_to_the_experts_that_were_picked() {
        let experts =
            experts(&shape(ExpertLayout::GATE_UP_DOWN, ExpertGate::Activated(Activation::Silu)));
        let x = numbers(&[1, HIDDEN], 0.5);
        let picked = Vec::<i64>::try_from(experts.router.route(&x).experts.flatten(0, 1)).unwrap();
        let Matrices::Separate { experts: list, .. } = &experts.matrices else { panic!() };
        for matrices in list {
            for matrix in matrices {
                let _ = matrix.set_requires_grad(true);
            }
        }
        experts.forward(&x).sum(Kind::Double).backward();
        for (number, matrices) in (0..).zip(list) {
            let is_picked = picked.contains(&number);
            assert!(matrices.iter().all(|it| it.grad().defined() == is_picked), "{number}");
        }
    }
}
