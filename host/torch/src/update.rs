//! What is done with a gradient that is whole: its norm, clipping by it, one step of the optimizer. Knows
//! what is trained, not where the gradient came from.

use crate::optim::AdamW;
use crate::shim;
use crate::trainable::Trainable;
use iterit_core::Result;
use iterit_core::learner::StepOptions;
use tch::Tensor;

/// Clips the gradient, whose norm this is, and steps along it, on so many threads.
pub(crate) fn apply(
    trainable: &Trainable,
    optimizer: &mut AdamW,
    norm: f64,
    options: &StepOptions,
    lanes: usize,
) -> Result<()> {
    clip(trainable, norm, options.max_grad_norm)?;
    optimizer.step(trainable, options.learning_rate, lanes)
}

/// √Σ‖g‖² over all gradients, on their device. // []
pub(crate) fn global_norm(trainable: &Trainable) -> Result<Tensor> {
    let gradients: Vec<Tensor> = trainable.iter().map(|it| it.tensor.grad()).collect();
    shim::global_norm(&gradients.iter().collect::<Vec<_>>())
}

/// Scales the gradients down to a global norm of at most `max_norm`, as torch does it: by
/// max_norm / (norm + 1e-6).
fn clip(trainable: &Trainable, norm: f64, max_norm: f64) -> Result<()> {
    let scale = max_norm / (norm + 1e-6);
    if scale >= 1.0 {
        return Ok(());
    }
    let gradients: Vec<Tensor> = trainable.iter().map(|it| it.tensor.grad()).collect();
    shim::scale(&gradients.iter().collect::<Vec<_>>(), scale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::Role;
    use tch::{Device, Kind};

    #[test]
    fn clipping_scales_to_the_norm_and_leaves_small_gradients() {
        let wave = |count: i64| (Tensor::arange(count, (Kind::Float, Device::Cpu)) * 0.3).sin();
        let parameters = Trainable::new([
            ("up_proj.weight".to_owned(), wave(33), Role::Weight),
            ("ln_1.weight".to_owned(), wave(5), Role::Norm),
        ]);
        for parameter in parameters.iter() {
            let gradient = wave(parameter.tensor.numel() as i64) + 0.1;
            shim::backward(&[&parameter.tensor], &[&gradient]).unwrap();
        }
        let exact = |parameters: &Trainable| -> f64 {
            let squares = parameters.iter().map(|it| {
                it.tensor.grad().to_kind(Kind::Double).square().sum(Kind::Double).double_value(&[])
            });
            squares.sum::<f64>().sqrt()
        };
        let norm = global_norm(&parameters).unwrap().double_value(&[]);
        assert!((norm - exact(&parameters)).abs() < 1e-6 * norm);
        clip(&parameters, norm, norm * 2.0).unwrap();
        assert!((exact(&parameters) - norm).abs() < 1e-6 * norm);
        clip(&parameters, norm, f64::INFINITY).unwrap();
        assert!((exact(&parameters) - norm).abs() < 1e-6 * norm);
        clip(&parameters, norm, 0.5).unwrap();
        assert!((exact(&parameters) - 0.5).abs() < 1e-5);
        parameters.clear_gradients().unwrap();
        assert!(parameters.iter().all(|it| !it.tensor.grad().defined()));
    }
}
