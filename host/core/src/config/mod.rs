//! What a run is told: defaults, then a TOML file, then flags and `--set` in order.
//!
//! Nothing is guessed: an unknown key is refused with the nearest name, and every fault of a file
//! and a command line is reported at once. `[plugins.NAME]` is kept as it stands, the plugin
//! itself checks it.

mod budget;
mod data;
mod lora;
mod model;
mod output;
mod selection;
mod train;

mod setting;
mod keys;
mod names;
mod by_key;
mod file;
mod resolve;

pub use budget::budget;
pub use by_key::{OnResume, on_resume};
pub use data::{DataConfig, TooLong};
pub use lora::{LoraConfig, LoraInit, LoraTargets};
pub use model::{AddedTokens, DeviceChoice, Dtype, FewBits, ModelConfig};
pub use output::{FinalModel, OutputConfig, words};
pub use selection::{BudgetUnit, SelectionConfig};
pub use setting::Setting;
pub use train::{AdamMoments, MicroBatch, Shard, Shuffle, TrainConfig};

use crate::{Error, Result};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use toml::Table;

/// The whole configuration, resolved: every key has its value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Config {
    /// What all randomness of the run comes from.
    pub seed: u64,
    /// `[model]`
    pub model: ModelConfig,
    /// `[data]`
    pub data: DataConfig,
    /// `[selection]`
    pub selection: SelectionConfig,
    /// `[train]`
    pub train: TrainConfig,
    /// `[output]`
    pub output: OutputConfig,
    /// `[plugins.NAME]`: the options of each plugin, as they were given.
    pub plugins: BTreeMap<String, Table>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            seed: 42,
            model: ModelConfig::default(),
            data: DataConfig::default(),
            selection: SelectionConfig::default(),
            train: TrainConfig::default(),
            output: OutputConfig::default(),
            plugins: BTreeMap::new(),
        }
    }
}

impl Config {
    /// Defaults, then the file, then the settings in order.
    ///
    /// ```
    /// use iterit_core::config::{Config, Setting};
    /// let set = Setting::parse("train.schedule=linear")?;
    /// let config = Config::load(None, &[set, Setting::flag("--ratio", "selection.ratio", "0.1")])?;
    /// assert_eq!(config.selection.ratio, 0.1);
    /// # Ok::<(), iterit_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// A file that cannot be read, or [`Error::Config`] with every fault.
    pub fn load(file: Option<&Path>, settings: &[Setting]) -> Result<Self> {
        let mut faults = Vec::new();
        let mut all = match file {
            Some(path) => file::read(path, &mut faults)?,
            None => Vec::new(),
        };
        all.extend_from_slice(settings);
        resolve::resolve(all, faults)
    }

    /// Reads a TOML text; `name` is what messages call it.
    ///
    /// # Errors
    /// [`Error::Config`] with every fault.
    pub fn parse(text: &str, name: &str) -> Result<Self> {
        Self::parse_with(text, name, &[])
    }

    /// Defaults, then a TOML text, then the settings in order.
    ///
    /// # Errors
    /// [`Error::Config`] with every fault.
    pub fn parse_with(text: &str, name: &str, settings: &[Setting]) -> Result<Self> {
        let mut faults = Vec::new();
        let mut all = file::settings(text, name, &mut faults);
        all.extend_from_slice(settings);
        resolve::resolve(all, faults)
    }

    /// The text that loads again to the same configuration, with every key that has a value.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a configuration holds only what TOML can say")
    }

    /// Every key that has a value, by its dotted name, those of plugins and weights among them.
    pub fn by_key(&self) -> BTreeMap<String, Value> {
        let table = self.to_toml().parse().expect("a configuration is TOML");
        by_key::by_key(table)
    }

    /// The same of a text that a run saved: also where it is older than some keys of today, which
    /// then have no value.
    ///
    /// # Errors
    /// A text that is no TOML.
    pub fn text_by_key(text: &str) -> Result<BTreeMap<String, Value>> {
        let table = text.parse::<Table>().map_err(|error| Error::config(error.to_string()))?;
        Ok(by_key::by_key(table))
    }

    /// Gives keys that an older version had not heard of their defaults, which have the effect of what that
    /// version did.
    pub fn complete(keys: &mut BTreeMap<String, Value>) {
        for (key, value) in Self::default().by_key() {
            keys.entry(key).or_insert(value);
        }
    }

    /// The name of every key, in the order of the documentation; `selection.weights.NAME` and
    /// `plugins.NAME.KEY` are not among them.
    pub fn keys() -> impl Iterator<Item = &'static str> {
        keys::keys().map(|key| key.name)
    }

    /// The model's folder.
    ///
    /// # Errors
    /// Where it is not set.
    pub fn model_path(&self) -> Result<&Path> {
        self.model.path.as_deref().ok_or_else(|| missing("model.path", "--model FOLDER"))
    }

    /// The run's folder.
    ///
    /// # Errors
    /// Where it is not set.
    pub fn output_path(&self) -> Result<&Path> {
        self.output.path.as_deref().ok_or_else(|| missing("output.path", "--out FOLDER"))
    }
}

fn missing(key: &str, flag: &str) -> Error {
    Error::config(format!("`{key}` is not set\nhint: give it with {flag} or in the configuration"))
}
