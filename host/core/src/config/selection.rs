//! `[selection]`: which plugins choose, and how many samples.

use crate::greedy::Ties;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What an epoch is given so much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BudgetUnit {
    /// Samples.
    #[default]
    Samples,
    /// The tokens that as many samples of mean length have.
    Tokens,
}

/// The section `[selection]`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SelectionConfig {
    /// Plugins by name or path.
    pub plugins: Vec<String>,
    /// Samples an epoch: a share of the data up to 1, a count above.
    pub ratio: f64,
    /// What the ratio is of.
    pub budget: BudgetUnit,
    /// What decides between picks that add nothing.
    pub ties: Ties,
    /// Folders searched for plugins before the others.
    pub plugin_path: Vec<PathBuf>,
    /// Seconds without a sign of life after which a plugin counts as hung and the run is ended; 0
    /// waits for ever.
    pub plugin_timeout: u64,
    /// The exponent of each complexity scorer; 1 where unset.
    pub weights: BTreeMap<String, f64>,
}

impl Default for SelectionConfig {
    fn default() -> Self {
        Self {
            plugins: ["ifd", "diversity", "iterative"].map(String::from).to_vec(),
            ratio: 0.05,
            budget: BudgetUnit::default(),
            ties: Ties::default(),
            plugin_path: Vec::new(),
            plugin_timeout: 600,
            weights: BTreeMap::new(),
        }
    }
}

impl SelectionConfig {
    /// The exponent of one complexity scorer.
    pub fn weight(&self, scorer: &str) -> f64 {
        self.weights.get(scorer).copied().unwrap_or(1.0)
    }
}
