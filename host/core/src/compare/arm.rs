//! One strategy in a comparison, and one run of it.

use crate::config::Setting;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// One strategy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arm {
    /// What it is called in the report; unique.
    pub name: String,
    /// The list that `--plugins` takes.
    pub plugins: Vec<String>,
    /// Further settings, each as `--set` takes it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<String>,
    /// The arm that it may cost as much as, scoring included: each of its runs trains on so many samples
    /// of mean length as make up what that arm's run with the same seed took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub costs_as: Option<String>,
    /// The seeds it runs with.
    pub seeds: Vec<u64>,
}

/// One run of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run<'a> {
    /// What is run.
    pub arm: &'a Arm,
    /// With which seed.
    pub seed: u64,
}

impl Arm {
    /// An arm from a list as `--plugins` and `--arm` take it, called by it.
    ///
    /// # Errors
    /// Where it names no plugin.
    pub fn from_list(list: &str, seeds: &[u64]) -> Result<Self> {
        let plugins: Vec<String> =
            list.split(',').map(str::trim).filter(|p| !p.is_empty()).map(str::to_owned).collect();
        if plugins.is_empty() {
            return Err(Error::config(format!(
                "arm `{list}` names no plugin, expected a list such as \"ifd,diversity\""
            )));
        }
        Ok(Self::new(plugins.join(","), plugins, seeds))
    }

    /// An arm of these plugins and no further settings.
    pub(super) fn new(name: String, plugins: Vec<String>, seeds: &[u64]) -> Self {
        Self { name, plugins, set: Vec::new(), costs_as: None, seeds: seeds.to_vec() }
    }

    /// Whether it is this plugin as it comes.
    pub(super) fn is_plainly(&self, plugin: &str) -> bool {
        self.plugins == [plugin] && self.set.is_empty() && self.costs_as.is_none()
    }

    /// Whether it picks before the first epoch only.
    pub(super) fn picks_once(&self) -> bool {
        self.plugins.iter().any(|plugin| plugin == "static")
    }
}

impl Run<'_> {
    /// What sets this run apart from the others, on top of the plan's own configuration.
    ///
    /// # Errors
    /// Where one of the arm's settings is none.
    pub(super) fn settings(&self) -> Result<Vec<Setting>> {
        let origin = format!("arm {}", self.arm.name);
        let plugins = self.arm.plugins.iter().cloned();
        let mut settings = vec![Setting::list(&origin, "selection.plugins", plugins)];
        for set in &self.arm.set {
            settings.push(Setting::parse(set)?);
        }
        settings.push(Setting::flag(&origin, "seed", &self.seed.to_string()));
        Ok(settings)
    }
}
