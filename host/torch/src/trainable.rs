//! What is trained: leaves of the graph, by name, each with what it is for. All weights of a model, or
//! what stands beside weights that are frozen. Optimizer, norms and checkpoints see these alone.

use crate::layers::Role;
use crate::models::decoder::Asked;
use crate::models::shape::DecoderShape;
use crate::parameters::Weights;
use crate::shim;
use iterit_core::Result;
use tch::Tensor;

/// One leaf.
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) tensor: Tensor,
    pub(crate) role: Role,
}

/// All leaves, in an order that does not change.
pub(crate) struct Trainable {
    parameters: Vec<Parameter>,
}

impl Trainable {
    /// Makes leaves of these tensors, which stay where they are.
    pub(crate) fn new(named: impl IntoIterator<Item = (String, Tensor, Role)>) -> Self {
        let leaf = |(name, tensor, role): (String, Tensor, Role)| Parameter {
            name,
            tensor: tensor.set_requires_grad(true),
            role,
        };
        Self { parameters: named.into_iter().map(leaf).collect() }
    }

    /// Every weight of a model that is learned by gradients.
    pub(crate) fn whole(weights: &Weights, shape: &DecoderShape) -> Self {
        let leaf = |(asked, (name, tensor)): (Asked, (&str, &Tensor))| {
            assert_eq!(asked.name, name, "weights lie in the model's order");
            (asked.name, tensor.shallow_clone(), asked.role)
        };
        let asked = shape.walk().tensors.into_iter().zip(weights.iter());
        Self::new(asked.filter(|(asked, _)| asked.role != Role::Fixed).map(leaf))
    }

    /// The leaves.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &Parameter> {
        self.parameters.iter()
    }

    /// How many numbers there are to train.
    pub(crate) fn num_elements(&self) -> u64 {
        self.iter().map(|parameter| parameter.tensor.numel() as u64).sum()
    }

    /// A weight that no token met, an expert's, has no gradient: gives it one of zero, so that it is updated
    /// as it is in transformers, where all experts are one tensor.
    pub(crate) fn complete_gradients(&self) -> Result<()> {
        let tensors = self.iter().map(|parameter| &parameter.tensor);
        let mut lacking = tensors.filter(|tensor| !tensor.grad().defined());
        lacking.try_for_each(|tensor| shim::backward(&[tensor], &[&tensor.zeros_like()]))
    }

    /// Adds gradients, in the order of the leaves; an undefined one is that of a leaf nothing met.
    pub(crate) fn add_gradients(&self, gradients: &[Tensor]) -> Result<()> {
        let both = self.iter().map(|parameter| &parameter.tensor).zip(gradients);
        let mut defined = both.filter(|(_, gradient)| gradient.defined());
        defined.try_for_each(|(tensor, gradient)| shim::backward(&[tensor], &[gradient]))
    }

    /// Forgets all gradients, and frees their memory.
    pub(crate) fn clear_gradients(&self) -> Result<()> {
        self.iter().try_for_each(|parameter| shim::clear_gradient(&parameter.tensor))
    }
}
