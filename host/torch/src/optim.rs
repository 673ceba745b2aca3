//! AdamW with decoupled weight decay, <https://arxiv.org/abs/1711.05101>. Norms and biases do not decay,
//! as in transformers. Knows what is trained, not what it computes.

use crate::layers::Role;
use crate::shim::{self, AdamWCoefficients, Shared};
use crate::side_by_side;
use crate::trainable::{Parameter, Trainable};
use iterit_core::Result;
use tch::{Device, Kind, Tensor};

/// The numbers of AdamW that a run sets once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWOptions {
    /// How slowly the two moments forget.
    pub betas: [f64; 2],
    /// Keeps the division finite.
    pub eps: f64,
    /// The part of a weight that goes at rate 1, each step.
    pub weight_decay: f64,
}

impl Default for AdamWOptions {
    fn default() -> Self {
        Self { betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0.0 }
    }
}

/// The moments of every parameter, in the parameters' order.
pub(crate) struct AdamW {
    pub(crate) options: AdamWOptions,
    pub(crate) exp_avgs: Vec<Tensor>,
    pub(crate) exp_avg_sqs: Vec<Tensor>,
    /// Steps done.
    pub(crate) steps: u64,
}

impl AdamW {
    /// Moments of zero.
    pub(crate) fn new(trainable: &Trainable, options: AdamWOptions) -> Self {
        let zero = |parameter: &Parameter| parameter.tensor.detach().zeros_like();
        let zeros = || trainable.iter().map(zero).collect();
        Self { options, exp_avgs: zeros(), exp_avg_sqs: zeros(), steps: 0 }
    }

    /// One step along the gradients that the parameters hold, on so many threads.
    pub(crate) fn step(
        &mut self,
        trainable: &Trainable,
        learning_rate: f64,
        lanes: usize,
    ) -> Result<()> {
        self.steps += 1;
        let tensors: Vec<&Tensor> = trainable.iter().map(|it| &it.tensor).collect();
        let mut groups = Vec::new();
        for decays in [true, false] {
            let all = trainable.iter().enumerate();
            let group = all.filter(|(_, it)| (it.role == Role::Weight) == decays);
            let group: Vec<usize> = group.map(|(index, _)| index).collect();
            let weight_decay = if decays { self.options.weight_decay } else { 0.0 };
            groups.extend(shares(&tensors, &group, lanes).into_iter().map(|it| (it, weight_decay)));
        }
        let model = (&*self, &tensors);
        let shared = Shared::new(&model);
        let step = |group: usize| {
            let (adamw, tensors) = shared.get();
            let (group, weight_decay) = &groups[group];
            adamw.step_group(tensors, group, learning_rate, *weight_decay)
        };
        side_by_side::run(groups.len(), lanes, step, |_, ()| Ok(()))
    }

    fn step_group(
        &self,
        tensors: &[&Tensor],
        group: &[usize],
        learning_rate: f64,
        weight_decay: f64,
    ) -> Result<()> {
        if group.is_empty() {
            return Ok(());
        }
        let gradients: Vec<Tensor> = group.iter().map(|&index| tensors[index].grad()).collect();
        let pick = |from: &[Tensor]| -> Vec<Tensor> {
            group.iter().map(|&index| from[index].shallow_clone()).collect()
        };
        let (exp_avgs, exp_avg_sqs) = (pick(&self.exp_avgs), pick(&self.exp_avg_sqs));
        let weights: Vec<&Tensor> = group.iter().map(|&index| tensors[index]).collect();
        let [beta1, beta2] = self.options.betas;
        let eps = self.options.eps;
        shim::fused_adamw(
            &weights,
            &gradients.iter().collect::<Vec<_>>(),
            &exp_avgs.iter().collect::<Vec<_>>(),
            &exp_avg_sqs.iter().collect::<Vec<_>>(),
            &step_number(self.steps, tensors[0].device()),
            AdamWCoefficients { learning_rate, beta1, beta2, eps, weight_decay },
        )
    }
}

/// A group of tensors in up to so many shares of about the same size; never an empty one.
fn shares(tensors: &[&Tensor], group: &[usize], lanes: usize) -> Vec<Vec<usize>> {
    let size = |index: &usize| tensors[*index].numel();
    let total: usize = group.iter().map(size).sum();
    let mut shares = vec![Vec::new(); lanes];
    let mut before = 0;
    for index in group {
        shares[(before * lanes / total.max(1)).min(lanes - 1)].push(*index);
        before += size(index);
    }
    shares.retain(|share| !share.is_empty());
    shares
}

fn step_number(step: u64, device: Device) -> Tensor {
    Tensor::full([] as [i64; 0], step as f64, (Kind::Float, device))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(count: i64, step: f64) -> Tensor {
        (Tensor::arange(count, (Kind::Double, Device::Cpu)) * step).sin()
    }

    fn two_parameters() -> Trainable {
        let float = |x: Tensor| x.to_kind(Kind::Float);
        Trainable::new([
            ("up_proj.weight".to_owned(), float(wave(33, 0.7)), Role::Weight),
            ("ln_1.weight".to_owned(), float(wave(5, 1.1)), Role::Norm),
        ])
    }

    /// Puts g into the gradient slots, as a backward pass would.
    fn set_gradients(trainable: &Trainable, round: f64) {
        trainable.clear_gradients().unwrap();
        for Parameter { tensor, .. } in trainable.iter() {
            let gradient = wave(tensor.numel() as i64, 0.3 + round).to_kind(Kind::Float);
            shim::backward(&[tensor], &[&gradient]).unwrap();
        }
    }

    #[test]
    fn agrees_with_the_formula_in_f64() {
        let parameters = two_parameters();
        let options = AdamWOptions { betas: [0.8, 0.95], eps: 1e-7, weight_decay: 0.1 };
        let mut adamw = AdamW::new(&parameters, options);
        let start: Vec<Vec<f64>> = parameters
            .iter()
            .map(|it| Vec::try_from(it.tensor.to_kind(Kind::Double)).unwrap())
            .collect();
        let mut expected = start.clone();
        let mut moments: Vec<Vec<[f64; 2]>> =
            start.iter().map(|weights| vec![[0.0; 2]; weights.len()]).collect();
        for step in 1..=5 {
            let learning_rate = 0.01 * f64::from(step);
            set_gradients(&parameters, f64::from(step));
            for (index, Parameter { tensor, role, .. }) in parameters.iter().enumerate() {
                let decay = if *role == Role::Norm { 0.0 } else { 0.1 };
                let gradient: Vec<f64> =
                    Vec::try_from(tensor.grad().to_kind(Kind::Double)).unwrap();
                for (i, g) in gradient.into_iter().enumerate() {
                    let [m, v] = &mut moments[index][i];
                    *m = 0.8 * *m + 0.2 * g;
                    *v = 0.95 * *v + 0.05 * g * g;
                    let m_hat = *m / (1.0 - 0.8f64.powi(step));
                    let v_hat = *v / (1.0 - 0.95f64.powi(step));
                    let w = &mut expected[index][i];
                    *w -= learning_rate * decay * *w;
                    *w -= learning_rate * m_hat / (v_hat.sqrt() + 1e-7);
                }
            }
            adamw.step(&parameters, learning_rate, 1 + step as usize % 3).unwrap();
        }
        for (Parameter { tensor, .. }, expected) in parameters.iter().zip(&expected) {
            let got: Vec<f64> = Vec::try_from(tensor.to_kind(Kind::Double)).unwrap();
            assert!(got.iter().zip(expected).all(|(got, want)| (got - want).abs() < 2e-6));
        }
    }
}
