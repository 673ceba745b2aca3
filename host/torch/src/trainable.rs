//! What is trained: leaves of the graph, by name, each with what it is for. All weights of a model, or
//! what stands beside weights that are frozen. Optimizer, norms and checkpoints see these alone.

use crate::layers::Role;
use crate::models::decoder::Asked;
use crate::models::shape::DecoderShape;
use crate::parameters::Weights;
use crate::share::Share;
use crate::shim;
use iterit_core::Result;
use tch::Tensor;

/// One leaf.
pub(crate) struct Parameter {
    /// Its place among all leaves of the model.
    pub(crate) number: usize,
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
        let leaf = |(number, (name, tensor, role)): (usize, (String, Tensor, Role))| Parameter {
            number,
            name,
            tensor: tensor.set_requires_grad(true),
            role,
        };
        Self { parameters: named.into_iter().enumerate().map(leaf).collect() }
    }

    /// The same leaves, of which `share` has some.
    pub(crate) fn part(&self, share: Share) -> Self {
        let size = |it: &&Parameter| it.tensor.numel();
        let leaf = |it: &Parameter| Parameter {
            number: it.number,
            name: it.name.clone(),
            tensor: it.tensor.shallow_clone(),
            role: it.role,
        };
        let own = share.of(self.iter().collect(), size);
        Self { parameters: own.into_iter().map(leaf).collect() }
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

    /// Those of all leaves.
    pub(crate) fn complete_gradients(&self) -> Result<()> {
        complete_gradients(self.iter().map(|parameter| &parameter.tensor))
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

/// A weight that no token met, an expert's, has no gradient: gives it one of zero, so that it is updated as it is in
/// transformers, where all experts are one tensor.
pub(crate) fn complete_gradients<'a>(leaves: impl IntoIterator<Item = &'a Tensor>) -> Result<()> {
    let mut lacking = leaves.into_iter().filter(|leaf| !leaf.grad().defined());
    lacking.try_for_each(|leaf| shim::backward(&[leaf], &[&leaf.zeros_like()]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::models;
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::Path;

    /// A name without the number of its layer.
    fn pattern(name: &str) -> String {
        let part = |part: &str| match part.parse::<usize>() {
            Ok(_) => "N".to_owned(),
            Err(_) => part.to_owned(),
        };
        name.split('.').map(part).collect::<Vec<_>>().join(".")
    }

    /// `tests/golden/decay.json`: what transformers' Trainer lets decay. Names of stacked experts are other
    /// ones in memory than in a checkpoint, and are no part of this.
    #[test]
    fn what_decays_is_what_decays_in_transformers() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
        let text = std::fs::read(golden.join("decay.json")).unwrap();
        let expected: BTreeMap<String, BTreeMap<String, bool>> =
            serde_json::from_slice(&text).unwrap();
        let mut seen = BTreeSet::new();
        let folders = ["architectures", "models"].map(|it| golden.join(it).read_dir().unwrap());
        for folder in folders.into_iter().flatten() {
            let config = folder.unwrap().path().join("config.json");
            let Ok(config) = Config::read(&config) else { continue };
            let Some(expected) = expected.get(config.model_type()) else { continue };
            let expected: BTreeMap<String, bool> =
                expected.iter().map(|(name, decays)| (pattern(name), *decays)).collect();
            let asked = models::shape(&config).unwrap().walk().tensors;
            let mut compared = 0;
            for asked in asked.into_iter().filter(|it| it.role != Role::Fixed) {
                let Some(decays) = expected.get(&pattern(&asked.name)) else { continue };
                assert_eq!(asked.role == Role::Weight, *decays, "{}", asked.name);
                compared += 1;
            }
            assert!(compared > 8, "{}: {compared} names are known", config.model_type());
            seen.insert(config.model_type().to_owned());
        }
        assert_eq!(seen.len(), expected.len(), "{seen:?}");
    }
}
