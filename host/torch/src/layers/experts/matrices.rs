//! How the checkpoint keeps the matrices of the experts, and what one expert makes of its tokens.
//!
//! They are no linear layers of their own to transformers 5, so adapters pass them by.
//!
//! n tokens of one expert, E experts, D features, I inner features.

use super::ExpertsShape;
use crate::layers::activation::Activation;
use crate::layers::{Role, Source};
use tch::Tensor;

/// Where the matrices lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExpertLayout {
    /// Under `experts` and an expert's number: gate, up and down, [I, D] twice and [D, I].
    Separate([&'static str; 3]),
    /// All experts in two tensors: gate above up, [E, 2·I, D], and down, [E, D, I].
    Stacked([&'static str; 2]),
    /// The same with each matrix lying on its side: [E, D, 2·I] and [E, I, D].
    StackedLying([&'static str; 2]),
    /// gpt-oss's: [E, D, 2·I], gate and up in turns, and [E, I, D], each with a bias.
    AlternatingBiased,
}

/// What becomes of gate and up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum ExpertGate {
    /// a(gate) ⊙ up.
    Activated(Activation),
    /// gate ⊙ σ(α gate) ⊙ (up + 1), gate at most `limit` and up within it.
    Clamped { alpha: f64, limit: f64 },
}

/// All of them.
pub(super) enum Matrices {
    Separate { experts: Vec<[Tensor; 3]>, gate: ExpertGate },
    Stacked { gate_up: Tensor, down: Tensor, gate: ExpertGate },
    StackedLying { gate_up: Tensor, down: Tensor, gate: ExpertGate },
    AlternatingBiased { gate_up: [Tensor; 2], down: [Tensor; 2], gate: ExpertGate },
}

/// One expert's.
pub(super) struct Expert {
    inputs: Inputs,
    output: Output,
    gate: ExpertGate,
}

enum Inputs {
    Separate([Tensor; 2]),          // [I, D]
    Stacked(Tensor),                // [2·I, D]
    AlternatingBiased([Tensor; 2]), // [D, 2·I], [2·I]
}

enum Output {
    Plain(Tensor),       // [D, I]
    Biased([Tensor; 2]), // [I, D], [D]
}

impl ExpertLayout {
    /// The layout that a checkpoint has instead of this one, as `shape_of` finds its tensors in the
    /// feed-forward.
    pub(crate) fn found(
        self,
        [inner, hidden_size]: [i64; 2],
        shape_of: impl Fn(&str) -> Option<Vec<i64>>,
    ) -> Option<Self> {
        let [gate_up, down] = ["experts.gate_up_proj", "experts.down_proj"];
        let found = shape_of(gate_up)?;
        match self {
            Self::Separate(_) => Some(Self::STACKED),
            // As wide as high, it stands upright, as transformers takes it.
            Self::STACKED if inner * 2 != hidden_size && found[1..] == [hidden_size, 2 * inner] => {
                Some(Self::StackedLying([gate_up, down]))
            }
            _ => None,
        }
    }

    /// One by one, by the usual names.
    pub(crate) const GATE_UP_DOWN: Self = Self::Separate(["gate_proj", "up_proj", "down_proj"]);

    /// As transformers 5 has them in memory, and writes them where it is asked to.
    pub(crate) const STACKED: Self = Self::Stacked(["experts.gate_up_proj", "experts.down_proj"]);
}

impl Matrices {
    pub(super) fn new(
        source: &mut Source<'_>,
        name: &str,
        shape: &ExpertsShape,
        hidden_size: i64,
    ) -> Self {
        let (count, inner, gate) = (shape.num_experts, shape.intermediate_size, shape.gate);
        let all = |source: &mut Source<'_>, part: &str, [rows, columns]: [i64; 2]| {
            source.tensor(&format!("{name}.{part}"), &[count, rows, columns], Role::Weight)
        };
        match shape.layout {
            ExpertLayout::Separate(parts) => {
                let sizes = [[inner, hidden_size], [inner, hidden_size], [hidden_size, inner]];
                let expert = |number: i64| {
                    let tensor = |i: usize| {
                        let name = format!("{name}.experts.{number}.{}.weight", parts[i]);
                        source.tensor(&name, &sizes[i], Role::Weight)
                    };
                    [0, 1, 2].map(tensor)
                };
                Self::Separate { experts: (0..count).map(expert).collect(), gate }
            }
            ExpertLayout::Stacked([gate_up, down]) => {
                let gate_up = all(source, gate_up, [2 * inner, hidden_size]);
                Self::Stacked { gate_up, down: all(source, down, [hidden_size, inner]), gate }
            }
            ExpertLayout::StackedLying([gate_up, down]) => {
                let gate_up = all(source, gate_up, [hidden_size, 2 * inner]);
                Self::StackedLying { gate_up, down: all(source, down, [inner, hidden_size]), gate }
            }
            ExpertLayout::AlternatingBiased => {
                let mut biased = |part: &str, size: [i64; 2]| {
                    let name = format!("{name}.experts.{part}");
                    let weight = source.tensor(&name, &[count, size[0], size[1]], Role::Weight);
                    let bias =
                        source.tensor(&format!("{name}_bias"), &[count, size[1]], Role::Bias);
                    [weight, bias]
                };
                let gate_up = biased("gate_up_proj", [hidden_size, 2 * inner]);
                let down = biased("down_proj", [inner, hidden_size]);
                Self::AlternatingBiased { gate_up, down, gate }
            }
        }
    }

    /// One by one, in their order. What holds all experts is cut apart at once, so that its gradient is
    /// put together once and not as often as there are experts.
    pub(super) fn each(&self) -> Vec<Expert> {
        let apart = |pair: &[Tensor; 2]| {
            let [weights, biases] = pair.each_ref().map(|it| it.unbind(0));
            weights.into_iter().zip(biases).map(|(weight, bias)| [weight, bias])
        };
        match self {
            Self::Separate { experts, gate } => experts
                .iter()
                .map(|[gate_matrix, up, down]| Expert {
                    inputs: Inputs::Separate([gate_matrix, up].map(Tensor::shallow_clone)),
                    output: Output::Plain(down.shallow_clone()),
                    gate: *gate,
                })
                .collect(),
            Self::Stacked { gate_up, down, gate } => stacked(gate_up, down, *gate),
            Self::StackedLying { gate_up, down, gate } => {
                stacked(&gate_up.transpose(1, 2), &down.transpose(1, 2), *gate)
            }
            Self::AlternatingBiased { gate_up, down, gate } => apart(gate_up)
                .zip(apart(down))
                .map(|(gate_up, down)| Expert {
                    inputs: Inputs::AlternatingBiased(gate_up),
                    output: Output::Biased(down),
                    gate: *gate,
                })
                .collect(),
        }
    }
}

impl Expert {
    /// [n, D] -> [n, D]
    pub(super) fn forward(&self, x: &Tensor) -> Tensor {
        let product = |x: &Tensor, weight: &Tensor| x.linear(weight, None::<&Tensor>);
        let [gate, up] = match &self.inputs {
            Inputs::Separate(matrices) => matrices.each_ref().map(|it| product(x, it)),
            Inputs::Stacked(matrix) => halves(product(x, matrix).chunk(2, -1)),
            Inputs::AlternatingBiased([weight, bias]) => {
                halves(bias.addmm(x, weight).unflatten(-1, [-1, 2]).unbind(-1))
            }
        };
        let inner = self.gate.apply(&gate, &up); // [n, I]
        match &self.output {
            Output::Plain(matrix) => product(&inner, matrix),
            Output::Biased([weight, bias]) => bias.addmm(&inner, weight),
        }
    }
}

impl ExpertGate {
    fn apply(self, gate: &Tensor, up: &Tensor) -> Tensor {
        match self {
            Self::Activated(activation) => activation.apply(gate) * up,
            Self::Clamped { alpha, limit } => {
                let gate = gate.clamp_max(limit);
                let up = up.clamp(-limit, limit);
                (up + 1.0) * (&gate * (&gate * alpha).sigmoid())
            }
        }
    }
}

/// [E, 2·I, D], [E, D, I]
fn stacked(gate_up: &Tensor, down: &Tensor, gate: ExpertGate) -> Vec<Expert> {
    let expert = |(gate_up, down)| Expert {
        inputs: Inputs::Stacked(gate_up),
        output: Output::Plain(down),
        gate,
    };
    gate_up.unbind(0).into_iter().zip(down.unbind(0)).map(expert).collect()
}

fn halves(parts: Vec<Tensor>) -> [Tensor; 2] {
    parts.try_into().expect("gate and up")
}
