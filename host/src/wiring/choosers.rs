//! The configuration's plugins: found, checked against what the run offers, opened, made from their
//! options. Every fault of a step is reported at once.

use crate::plugins::{self, Found, Loaded, SearchPath, Watchdog};
use iterit_core::config::Config;
use iterit_core::corpus::Corpus;
use iterit_core::models::Extent;
use iterit_core::nearest::nearest;
use iterit_core::observer::Observer;
use iterit_core::plugin_set::{Named, PluginSet, WeightedScorer};
use iterit_core::record::PluginRecord;
use iterit_core::sdk::{DiversityScorer, LogLevel, PluginKind, Service, UpdateStrategy};
use iterit_core::{Error, Result};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// The strategy that is added where `--plugins` names none.
const DEFAULT_STRATEGY: &str = "iterative";

/// Plugins that were found and fit together; none of their code has run.
#[derive(Clone)]
pub(crate) struct Choosers {
    found: Vec<Found>,
}

impl Choosers {
    /// What `selection.plugins` names for a run, with a strategy in any case.
    pub(crate) fn find(config: &Config, observer: &dyn Observer) -> Result<Self> {
        let search_path = SearchPath::new(&config.selection.plugin_path).map_err(faults)?;
        let mut choosers = Self::named(config, &search_path, observer)?;
        if choosers.of(PluginKind::Strategy).next().is_none() {
            let default = [DEFAULT_STRATEGY.to_owned()];
            choosers.found.extend(plugins::find(&default, &search_path).map_err(faults)?);
            observer.say(
                LogLevel::Info,
                "",
                &format!("--plugins names no update strategy, so `{DEFAULT_STRATEGY}` is added"),
            );
        }
        choosers.check(config, &search_path)?;
        Ok(choosers)
    }

    /// Those of one kind among what `selection.plugins` names, for work that has no use for others.
    pub(crate) fn of_kind(
        config: &Config,
        kind: PluginKind,
        observer: &dyn Observer,
    ) -> Result<Self> {
        let search_path = SearchPath::new(&config.selection.plugin_path).map_err(faults)?;
        let mut choosers = Self::named(config, &search_path, observer)?;
        choosers.check(config, &search_path)?;
        choosers.found.retain(|found| found.kind() == kind);
        Ok(choosers)
    }

    fn named(config: &Config, search_path: &SearchPath, observer: &dyn Observer) -> Result<Self> {
        let found = plugins::find(&config.selection.plugins, search_path).map_err(faults)?;
        for warning in found.iter().filter_map(|found| found.warning.as_deref()) {
            observer.say(LogLevel::Warn, "", warning);
        }
        Ok(Self { found })
    }

    /// At most one diversity scorer, exactly one strategy, no weight for a plugin not in use, and no
    /// options for a plugin that is nowhere. Options for one that is there and not in use are fine:
    /// recipes are shared between runs with different plugins.
    fn check(&self, config: &Config, search_path: &SearchPath) -> Result<()> {
        let mut faults = Vec::new();
        for kind in [PluginKind::Diversity, PluginKind::Strategy] {
            let names: Vec<_> =
                self.of(kind).map(|found| format!("`{}`", found.scorer.name)).collect();
            if names.len() > 1 {
                faults.push(format!(
                    "--plugins names {} {} plugins, {}, expected one",
                    names.len(),
                    kind.name(),
                    names.join(" and ")
                ));
            }
        }
        let unused = |name: &str| !self.found.iter().any(|found| found.scorer.name == name);
        for name in config.selection.weights.keys().filter(|name| unused(name)) {
            faults.push(format!(
                "`selection.weights.{name}`: no plugin `{name}` is in use\nhint: name it in --plugins"
            ));
        }
        // Its file names samples by their positions in the data; drawn, they have others.
        if config.data.pool.is_some_and(|share| share < 1.0) && !unused("scores") {
            faults.push(
                "`data.pool` draws a part of the samples, and plugin `scores` reads scores by their \
                 positions among all\nhint: --set data.pool=1, in a comparison compare.pool=1"
                    .to_owned(),
            );
        }
        let mut idle = config.plugins.keys().filter(|name| unused(name)).peekable();
        if idle.peek().is_some() {
            let offered = search_path.offers().into_iter().map(|found| found.scorer.name);
            let known: Vec<String> = offered.chain(self.names()).collect();
            faults.extend(
                idle.filter(|name| !known.contains(name)).map(|name| nowhere(name, &known)),
            );
        }
        if faults.is_empty() { Ok(()) } else { Err(Error::Config(faults)) }
    }

    fn names(&self) -> impl Iterator<Item = String> {
        self.found.iter().map(|found| found.scorer.name.clone())
    }

    fn of(&self, kind: PluginKind) -> impl Iterator<Item = &Found> {
        self.found.iter().filter(move |found| found.kind() == kind)
    }

    /// Whether there is a diversity scorer, and it needs nothing but texts.
    pub(crate) fn compare_texts(&self) -> bool {
        self.of(PluginKind::Diversity).any(|found| found.scorer.services.is_empty())
    }

    /// Whether scores cost what a model takes to answer.
    pub(crate) fn ask_models(&self) -> bool {
        let asks = |service: &String| service != Service::TargetSamples.name();
        self.of(PluginKind::Complexity).any(|found| found.scorer.services.iter().any(asks))
    }

    /// What the trained model is asked about in a run that judges itself by `held_out`.
    pub(crate) fn extent(&self, held_out: Option<&Corpus>) -> Extent {
        let asks = |service: &String| service != Service::TargetSamples.name();
        let any = self.found.iter().any(|found| found.scorer.services.iter().any(asks));
        if any || held_out.is_some() { Extent::All } else { Extent::Probe }
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Refuses a plugin that needs what this run cannot give.
    pub(crate) fn require(&self, offered: &[Service]) -> Result<()> {
        plugins::require(&self.found, offered).map_err(faults)
    }

    /// What the run's manifest says of them.
    pub(crate) fn records(&self) -> Vec<PluginRecord> {
        self.found
            .iter()
            .map(|found| PluginRecord {
                name: found.scorer.name.clone(),
                kind: found.kind().name().to_owned(),
                version: found.manifest.version.clone(),
                path: found.path.display().to_string(),
            })
            .collect()
    }

    /// Their names and libraries, in order.
    pub(crate) fn libraries(&self) -> impl Iterator<Item = (&str, &PathBuf)> {
        self.found.iter().map(|found| (found.scorer.name.as_str(), &found.path))
    }

    /// Opens the plugins of a run and makes each from its options.
    pub(crate) fn open(self, config: &Config) -> Result<PluginSet> {
        let Opened { complexity, diversity, strategy } = self.open_all(config)?;
        let strategy = strategy.expect("the plugins of a run have a strategy");
        Ok(PluginSet { complexity, diversity, strategy })
    }

    /// Opens complexity scorers and makes each from its options.
    pub(crate) fn open_complexity(self, config: &Config) -> Result<Vec<WeightedScorer>> {
        self.open_all(config).map(|opened| opened.complexity)
    }

    /// Opens the diversity scorer, where there is one, and makes it from its options.
    pub(crate) fn open_diversity(
        self,
        config: &Config,
    ) -> Result<Option<Named<dyn DiversityScorer>>> {
        self.open_all(config).map(|opened| opened.diversity)
    }

    fn open_all(self, config: &Config) -> Result<Opened> {
        let watchdog = match config.selection.plugin_timeout {
            0 => Watchdog::off(),
            seconds => Watchdog::new(Duration::from_secs(seconds)),
        };
        let loaded = plugins::open(self.found, &watchdog).map_err(faults)?;
        let mut opened = Opened::default();
        let mut faults = Vec::new();
        for plugin in &loaded {
            let options = options(config, &plugin.name);
            if let Err(fault) = opened.add(plugin, &options, config) {
                faults.push(format!("[plugins.{}]: {}: {fault}", plugin.name, plugin.label()));
            }
        }
        if faults.is_empty() { Ok(opened) } else { Err(Error::Config(faults)) }
    }
}

/// Options for a plugin that is not there: a misspelt name, whose plugin would run on its defaults.
fn nowhere(name: &str, known: &[String]) -> String {
    let hint = match nearest(name, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `plugins.{near}`?"),
        None => {
            "name the plugin's folder in selection.plugin_path, or remove the section".to_owned()
        }
    };
    format!("`plugins.{name}`: there is no plugin `{name}`\nhint: {hint}")
}

#[derive(Default)]
struct Opened {
    complexity: Vec<WeightedScorer>,
    diversity: Option<Named<dyn DiversityScorer>>,
    strategy: Option<Named<dyn UpdateStrategy>>,
}

impl Opened {
    fn add(
        &mut self,
        plugin: &Loaded,
        options: &str,
        config: &Config,
    ) -> iterit_core::sdk::Result<()> {
        match plugin.kind {
            PluginKind::Complexity => {
                let scorer = named(plugin, plugin.new_complexity(options)?);
                let weight = config.selection.weight(&plugin.name);
                self.complexity.push(WeightedScorer { scorer, weight });
            }
            PluginKind::Diversity => {
                self.diversity = Some(named(plugin, plugin.new_diversity(options)?));
            }
            PluginKind::Strategy => {
                self.strategy = Some(named(plugin, plugin.new_strategy(options)?));
            }
        }
        Ok(())
    }
}

fn named<P: ?Sized>(loaded: &Loaded, plugin: Box<P>) -> Named<P> {
    Named { name: loaded.name.clone(), version: loaded.manifest.version.clone(), plugin }
}

/// A plugin's section of the configuration, as it crosses the boundary.
pub(crate) fn options(config: &Config, plugin: &str) -> String {
    let none = BTreeMap::<String, String>::new();
    match config.plugins.get(plugin) {
        Some(table) => serde_json::to_string(table).expect("a TOML table is JSON"),
        None => serde_json::to_string(&none).expect("an empty map is JSON"),
    }
}

fn faults(error: plugins::Error) -> Error {
    Error::Config(error.faults)
}
