//! A model's weights under Hugging Face's names, in the model's order, trained or frozen. Knows neither
//! files nor optimizers.

use crate::layers::Role;
use crate::models::decoder::Asked;
use crate::models::shape::DecoderShape;
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use tch::{Device, Kind, Tensor};

/// libtorch's generator belongs to the process, so one draws at a time.
static GENERATOR: Mutex<()> = Mutex::new(());

/// Every tensor of a model but those that are kept in few bits.
pub(crate) struct Weights {
    names: Vec<String>,
    tensors: Vec<Tensor>,
    index: HashMap<String, usize>,
    /// Which keep their type.
    fixed: HashSet<String>,
}

impl Weights {
    /// Tensors that have their shapes already.
    pub(crate) fn new(named: impl IntoIterator<Item = (String, Tensor)>) -> Self {
        let (names, tensors): (Vec<String>, Vec<Tensor>) = named.into_iter().unzip();
        let index = names.iter().cloned().zip(0..).collect();
        Self { names, tensors, index, fixed: HashSet::new() }
    }

    /// The same, of which these are not cast.
    pub(crate) fn with_fixed(self, fixed: HashSet<String>) -> Self {
        Self { fixed, ..self }
    }

    /// Whether a tensor keeps its type.
    pub(crate) fn is_fixed(&self, name: &str) -> bool {
        self.fixed.contains(name)
    }

    /// The same weights in another type, gradients flowing back to these.
    pub(crate) fn cast(&self, kind: Kind) -> Self {
        let cast = |(name, tensor): (&str, &Tensor)| match self.is_fixed(name) {
            true => (name.to_owned(), tensor.shallow_clone()),
            false => (name.to_owned(), tensor.to_kind(kind)),
        };
        Self::new(self.iter().map(cast)).with_fixed(self.fixed.clone())
    }

    /// The same tensors in a second place.
    pub(crate) fn share(&self) -> Self {
        self.with_each(Tensor::shallow_clone)
    }

    /// Over the same storage, with gradients of their own.
    pub(crate) fn apart(&self) -> Self {
        self.with_each(leaf_apart)
    }

    fn with_each(&self, change: impl Fn(&Tensor) -> Tensor) -> Self {
        let changed = self.iter().map(|(name, tensor)| (name.to_owned(), change(tensor)));
        Self::new(changed).with_fixed(self.fixed.clone())
    }

    /// Gives tables with a row for each token the rows that they lack, each the mean of those that are
    /// there, as a token that is added at random would be anything but. Longer tables stay as they are.
    pub(crate) fn grow(&mut self, tables: &[&str], rows: i64) {
        let _no_grad = tch::no_grad_guard();
        for (name, table) in self.names.iter().zip(&mut self.tensors) {
            let lacking = rows - table.size()[0];
            if tables.contains(&name.as_str()) && lacking > 0 {
                let mean = table.mean_dim(&[0i64][..], true, Kind::Float); // [1, D]
                let added = mean.to_kind(table.kind()).expand([lacking, -1], false);
                *table = Tensor::cat(&[&*table, &added], 0);
            }
        }
    }

    /// The tensor of this name.
    pub(crate) fn get(&self, name: &str) -> &Tensor {
        &self.tensors[self.index[name]]
    }

    /// Names and tensors, in the model's order.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Tensor)> {
        self.names.iter().map(String::as_str).zip(&self.tensors)
    }

    /// How many numbers there are.
    pub(crate) fn num_elements(&self) -> u64 {
        self.tensors.iter().map(|tensor| tensor.numel() as u64).sum()
    }
}

/// A model as it starts before any training: normal weights, norms of one, biases of zero.
pub(crate) fn random(shape: &DecoderShape, seed: i64, take: &mut dyn FnMut(&str, Tensor)) {
    let on_cpu = (Kind::Float, Device::Cpu);
    let values = |asked: &Asked| match asked.role {
        Role::Norm => Tensor::ones(&asked.shape, on_cpu),
        Role::Bias | Role::Fixed => Tensor::zeros(&asked.shape, on_cpu),
        Role::Weight => Tensor::randn(&asked.shape, on_cpu) * shape.initializer_range,
    };
    let asked = shape.walk().tensors;
    drawing(seed, || asked.iter().for_each(|asked| take(&asked.name, values(asked))));
}

/// A leaf over the storage of another.
pub(crate) fn leaf_apart(leaf: &Tensor) -> Tensor {
    leaf.detach().set_requires_grad(leaf.requires_grad())
}

/// Draws from libtorch's generator on the CPU, the same for the same seed.
pub(crate) fn drawing<T>(seed: i64, draw: impl FnOnce() -> T) -> T {
    let _drawing = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
    tch::manual_seed(seed);
    draw()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_for_added_tokens_are_the_mean_of_the_others() {
        let table = || Tensor::from_slice(&[1f32, 2.0, 3.0, 6.0]).view([2, 2]);
        let named = ["embedding", "other"].map(|name| (name.to_owned(), table()));
        let mut weights = Weights::new(named);
        weights.grow(&["embedding", "head"], 4);
        let expected = Tensor::from_slice(&[1f32, 2.0, 3.0, 6.0, 2.0, 4.0, 2.0, 4.0]).view([4, 2]);
        assert_eq!((&weights.tensors[0], &weights.tensors[1]), (&expected, &table()));
        weights.grow(&["embedding"], 3);
        assert_eq!(weights.tensors[0].size(), [4, 2]);
    }
}
