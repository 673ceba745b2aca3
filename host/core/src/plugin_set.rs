//! The plugins of one run. Each may live in this process or in a loaded library: nobody here can
//! tell.

use crate::{Error, Result};
use iterit_sdk::{ComplexityScorer, DiversityScorer, UpdateStrategy};

/// A plugin with the name and version that messages give it.
pub struct Named<P: ?Sized> {
    /// The name in `--plugins`.
    pub name: String,
    /// The version of the crate that offers it.
    pub version: String,
    /// The plugin.
    pub plugin: Box<P>,
}

/// One complexity scorer and its exponent in the product of scores.
pub struct WeightedScorer {
    /// The scorer.
    pub scorer: Named<dyn ComplexityScorer>,
    /// `selection.weights`.
    pub weight: f64,
}

/// What decides what is trained on.
pub struct PluginSet {
    /// Any number of complexity scorers; with none every sample scores 1.
    pub complexity: Vec<WeightedScorer>,
    /// At most one diversity scorer; with none every gain is 1.
    pub diversity: Option<Named<dyn DiversityScorer>>,
    /// Exactly one strategy.
    pub strategy: Named<dyn UpdateStrategy>,
}

impl<P: ?Sized> Named<P> {
    /// How messages call it.
    pub fn label(&self) -> String {
        format!("plugin `{}` {}", self.name, self.version)
    }

    /// For `map_err`: says which plugin failed at what. A cancelled run is nobody's fault.
    pub fn failed(&self, call: &'static str) -> impl FnOnce(iterit_sdk::Error) -> Error + use<P> {
        let plugin = self.label();
        move |source| match source.is_cancelled() {
            true => Error::Cancelled,
            false => Error::Plugin { plugin, call, source },
        }
    }
}

impl PluginSet {
    /// Every plugin's state, by name.
    pub fn save(&self) -> Result<Vec<(String, Vec<u8>)>> {
        let mut states = Vec::new();
        for WeightedScorer { scorer, .. } in &self.complexity {
            let state = scorer.plugin.save().map_err(scorer.failed("save"))?;
            states.push((scorer.name.clone(), state));
        }
        if let Some(diversity) = &self.diversity {
            let state = diversity.plugin.save().map_err(diversity.failed("save"))?;
            states.push((diversity.name.clone(), state));
        }
        let state = self.strategy.plugin.save().map_err(self.strategy.failed("save"))?;
        states.push((self.strategy.name.clone(), state));
        Ok(states)
    }

    /// Gives every plugin back the state saved under its name.
    pub fn restore(&mut self, states: &[(String, Vec<u8>)]) -> Result<()> {
        let is_missing = |name: &&String| states.iter().all(|(saved, _)| saved != *name);
        if let Some(name) = self.names().find(is_missing) {
            return Err(Error::Run(format!(
                "the checkpoint holds no state of plugin `{name}`\n\
                 hint: resume with the --plugins the run was begun with"
            )));
        }
        for (name, state) in states {
            if let Some(WeightedScorer { scorer, .. }) =
                self.complexity.iter_mut().find(|weighted| &weighted.scorer.name == name)
            {
                scorer.plugin.restore(state).map_err(scorer.failed("restore"))?;
            } else if let Some(diversity) =
                self.diversity.as_mut().filter(|diversity| &diversity.name == name)
            {
                diversity.plugin.restore(state).map_err(diversity.failed("restore"))?;
            } else if &self.strategy.name == name {
                self.strategy.plugin.restore(state).map_err(self.strategy.failed("restore"))?;
            } else {
                return Err(Error::Run(format!(
                    "the checkpoint holds the state of plugin `{name}`, which this run does not use\n\
                     hint: resume with the --plugins the run was begun with"
                )));
            }
        }
        Ok(())
    }

    fn names(&self) -> impl Iterator<Item = &String> {
        let complexity = self.complexity.iter().map(|weighted| &weighted.scorer.name);
        let diversity = self.diversity.iter().map(|diversity| &diversity.name);
        complexity.chain(diversity).chain([&self.strategy.name])
    }
}
