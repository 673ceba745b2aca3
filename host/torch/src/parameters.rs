//! A model's trainable weights under Hugging Face's names, in the model's order. Knows neither files
//! nor what the weights are for.

use crate::models::decoder::Decoder;
use crate::models::shape::DecoderShape;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use tch::{Device, Kind, Tensor};

/// libtorch's generator belongs to the process, so one draws at a time.
static GENERATOR: Mutex<()> = Mutex::new(());

/// Names and leaf tensors.
pub(crate) struct Parameters {
    names: Vec<String>,
    tensors: Vec<Tensor>,
    index: HashMap<String, usize>,
}

impl Parameters {
    /// Takes tensors that have their shapes already and makes trainable leaves of them.
    pub(crate) fn new(named: impl IntoIterator<Item = (String, Tensor)>) -> Self {
        let trainable = |(name, tensor): (String, Tensor)| (name, tensor.set_requires_grad(true));
        Self::from_tensors(named.into_iter().map(trainable))
    }

    /// As a model starts before any training: normal weights, norms of one, biases of zero.
    pub(crate) fn random(shape: &DecoderShape, kind: Kind, device: Device, seed: i64) -> Self {
        let _drawing = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
        tch::manual_seed(seed);
        let on_cpu = (Kind::Float, Device::Cpu);
        Self::new(shape.parameters().into_iter().map(|(name, size)| {
            let values = match Role::of(&name) {
                Role::Norm => Tensor::ones(&size, on_cpu),
                Role::Bias => Tensor::zeros(&size, on_cpu),
                Role::Weight => Tensor::randn(&size, on_cpu) * shape.initializer_range,
            };
            (name, values.to_kind(kind).to_device(device))
        }))
    }

    /// The same weights in another type, gradients flowing back to these.
    pub(crate) fn cast(&self, kind: Kind) -> Self {
        Self::from_tensors(self.iter().map(|(name, tensor)| (name.into(), tensor.to_kind(kind))))
    }

    /// The model that computes with these weights.
    pub(crate) fn decoder(&self, shape: &DecoderShape) -> Decoder {
        Decoder::new(shape, &mut |name, _| self.tensors[self.index[name]].shallow_clone())
    }

    /// Gives tables with a row for each token the rows that they lack, each the mean of those that are there, as
    /// a token that is added at random would be anything but. Longer tables stay as they are.
    pub(crate) fn grow(&mut self, tables: &[&str], rows: i64) {
        let _no_grad = tch::no_grad_guard();
        for (name, table) in self.names.iter().zip(&mut self.tensors) {
            let lacking = rows - table.size()[0];
            if tables.contains(&name.as_str()) && lacking > 0 {
                let mean = table.mean_dim(&[0i64][..], true, Kind::Float); // [1, D]
                let added = mean.to_kind(table.kind()).expand([lacking, -1], false);
                *table = Tensor::cat(&[table.detach(), added], 0).set_requires_grad(true);
            }
        }
    }

    /// Names and tensors, in the model's order.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Tensor)> {
        self.names.iter().map(String::as_str).zip(&self.tensors)
    }

    /// The tensors alone, in the model's order.
    pub(crate) fn tensors(&self) -> Vec<&Tensor> {
        self.tensors.iter().collect()
    }

    /// How many numbers there are to train.
    pub(crate) fn num_elements(&self) -> u64 {
        self.tensors.iter().map(|tensor| tensor.numel() as u64).sum()
    }

    fn from_tensors(named: impl IntoIterator<Item = (String, Tensor)>) -> Self {
        let (names, tensors): (Vec<String>, Vec<Tensor>) = named.into_iter().unzip();
        let index = names.iter().cloned().zip(0..).collect();
        Self { names, tensors, index }
    }
}

/// What a weight is, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Weight,
    Norm,
    Bias,
}

impl Role {
    /// By the rules transformers uses to tell which weights decay.
    pub(crate) fn of(name: &str) -> Self {
        if name.ends_with("bias") {
            Self::Bias
        } else if name.contains("norm") || name.contains("ln_") {
            Self::Norm
        } else {
            Self::Weight
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_for_added_tokens_are_the_mean_of_the_others() {
        let table = || Tensor::from_slice(&[1f32, 2.0, 3.0, 6.0]).view([2, 2]);
        let named = ["embedding", "other"].map(|name| (name.to_owned(), table()));
        let mut parameters = Parameters::new(named);
        parameters.grow(&["embedding", "head"], 4);
        let expected = Tensor::from_slice(&[1f32, 2.0, 3.0, 6.0, 2.0, 4.0, 2.0, 4.0]).view([4, 2]);
        let [embedding, other] = parameters.tensors()[..] else { panic!() };
        assert!(*embedding == expected && embedding.is_leaf() && embedding.requires_grad());
        assert_eq!(*other, table());
        parameters.grow(&["embedding"], 3);
        assert_eq!(parameters.tensors()[0].size(), [4, 2]);
    }

    #[test]
    fn roles_by_name() {
        for (name, role) in [
            ("model.embed_tokens.weight", Role::Weight),
            ("model.layers.0.self_attn.q_proj.weight", Role::Weight),
            ("model.layers.0.self_attn.q_proj.bias", Role::Bias),
            ("model.layers.0.self_attn.k_norm.weight", Role::Norm),
            ("model.layers.0.input_layernorm.weight", Role::Norm),
            ("model.norm.weight", Role::Norm),
            ("transformer.h.0.ln_1.weight", Role::Norm),
            ("lm_head.weight", Role::Weight),
        ] {
            assert_eq!(Role::of(name), role, "{name}");
        }
    }
}
