//! Scores before any training, shared between the runs: the keys under which a run's scorers look
//! for them, and the scorers that do.

use crate::wiring::{self, Part, files_named, options};
use iterit_core::compare::{CachedScorer, ScoreCache, ScoreCacheKey, Scoring};
use iterit_core::config::Config;
use iterit_core::corpus::Corpus;
use iterit_core::models::Models;
use iterit_core::plugin_set::WeightedScorer;
use iterit_core::record::PluginRecord;
use iterit_core::{Error, Result};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// A cache, and the part of its keys that is one for all runs.
pub(super) struct SharedScores {
    cache: Arc<ScoreCache>,
    common: ScoreCacheKey,
    /// sha256 of files by path, the plugins' among them.
    inputs: BTreeMap<String, String>,
}

impl SharedScores {
    /// For runs on these texts, by a model as `config` has it, on so many threads: the order in
    /// which numbers are added up depends on them.
    pub(super) fn new(
        folder: &Path,
        config: &Config,
        corpus: &Corpus,
        threads: usize,
        inputs: &BTreeMap<String, String>,
    ) -> Result<Self> {
        let own = std::env::current_exe().map_err(Error::io("find", "this program"))?;
        let encoder = corpus.encoder().expect("a comparison has a tokenizer");
        let data = wiring::hashes(&wiring::data_parts(config, inputs), inputs)?;
        let common = ScoreCacheKey {
            model: wiring::hashes(&wiring::model_parts(config)?, inputs)?,
            data: data.into_values().collect(),
            template: encoder.template().source().to_owned(),
            scorer: String::new(),
            options: Value::Null,
            config: json!({
                "model": config.model,
                "data": config.data,
                "target_end": config.train.target_end,
                "threads": threads,
            }),
            iterit: format!("{} {}", env!("CARGO_PKG_VERSION"), wiring::sha256(&own)?),
            ids: String::new(),
        };
        Ok(Self { cache: Arc::new(ScoreCache::new(folder)), common, inputs: inputs.clone() })
    }

    /// The key of a plugin under a run's configuration.
    pub(super) fn key(&self, plugin: &PluginRecord, config: &Config) -> ScoreCacheKey {
        let mut files: Vec<Part> = Vec::new();
        if let Some(table) = config.plugins.get(&plugin.name) {
            files_named("", &toml::Value::Table(table.clone()), &mut files);
        }
        let hash = |path: &str| self.inputs.get(path).cloned();
        let named: Vec<Option<String>> =
            files.iter().map(|(_, path)| hash(&path.display().to_string())).collect();
        // Ids are positions in what the seed drew.
        let mut shared = self.common.config.clone();
        if config.data.pool.is_some_and(|share| share < 1.0) {
            shared["drawn_by"] = json!(config.seed);
        }
        ScoreCacheKey {
            config: shared,
            scorer: json!([plugin.name, plugin.version, hash(&plugin.path)]).to_string(),
            options: json!([options(config, &plugin.name), named]),
            ..self.common.clone()
        }
    }

    /// The same scorer, with a look into the cache before it is asked.
    pub(super) fn share(
        &self,
        weighted: WeightedScorer,
        key: ScoreCacheKey,
        models: &Models,
    ) -> WeightedScorer {
        let WeightedScorer { mut scorer, weight } = weighted;
        scorer.plugin = Box::new(CachedScorer::new(
            scorer.plugin,
            Arc::clone(&self.cache),
            key,
            models.forward_tokens(),
        ));
        WeightedScorer { scorer, weight }
    }

    /// What a run was spared of scoring.
    pub(super) fn spared(
        &self,
        keys: &[ScoreCacheKey],
        num: u64,
        spent: Scoring,
    ) -> Result<Scoring> {
        self.cache.spared(keys, num, spent)
    }
}
