//! What can be typed. Nothing here does anything: flags become [`Setting`]s, in the order given.

use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use iterit_core::config::Setting;
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// Fine-tunes a language model on the few percent of an instruction set worth training on.
///
/// Without a subcommand it trains.
#[derive(Debug, Parser)]
#[command(name = "iterit-host", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) train: Train,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Train with several selections and seeds, and say whether any is better than another
    Compare(Compare),
    /// Do everything but the training: show texts, masks, truncation, steps, memory
    Check(Check),
    /// Score samples and write one JSON line each
    Score(Score),
    /// Pick samples by scores made before, without a model
    Select(Select),
    /// Measure the loss of a model on a data set
    Eval(Eval),
    /// Write the model of a run's checkpoint as Hugging Face loads it
    Export(Export),
    /// Write one HTML page about a run, several runs, or a comparison
    Report(Report),
    /// Say what this machine and this build can do
    Doctor(Doctor),
    /// List, check and begin plugins
    #[command(subcommand)]
    Plugins(Plugins),
}

#[derive(Debug, Args)]
pub(crate) struct Train {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Continue the run in --out from its last checkpoint
    #[arg(long)]
    pub(crate) resume: bool,
}

/// The flags of every command that reads a configuration.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// A TOML file; flags and --set come after it
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Plugins by name or path, comma separated
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    plugins: Vec<String>,
    /// A Hugging Face model folder
    #[arg(long, value_name = "FOLDER")]
    model: Option<String>,
    /// A data file; may be given several times
    #[arg(long, value_name = "FILE")]
    data: Vec<String>,
    /// Where results go
    #[arg(long, value_name = "PATH")]
    pub(crate) out: Option<PathBuf>,
    /// Samples an epoch: a share up to 1, a count above
    #[arg(long, value_name = "R", allow_negative_numbers = true)]
    ratio: Option<String>,
    /// auto, cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE")]
    device: Option<String>,
    /// A built-in chat template's name or a file
    #[arg(long, value_name = "NAME")]
    template: Option<String>,
    /// Any key of the configuration; the value is TOML, else a bare string
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl Common {
    /// Whether --plugins was given.
    pub(crate) fn names_plugins(&self) -> bool {
        !self.plugins.is_empty()
    }
}

#[derive(Debug, Args)]
pub(crate) struct Compare {
    /// A TOML file with a section `compare`; flags and --set come after it
    #[arg(value_name = "FILE")]
    pub(crate) plan: Option<PathBuf>,
    /// The plugins of one arm, comma separated; give one for each arm
    #[arg(long, value_name = "A,B")]
    arm: Vec<String>,
    /// The seeds of every arm, comma separated
    #[arg(long, value_name = "N,N")]
    seeds: Option<String>,
    /// Arms that run side by side
    #[arg(long, default_value = "1", value_name = "N")]
    pub(crate) jobs: NonZeroUsize,
    /// Go on with the comparison in --out
    #[arg(long)]
    pub(crate) resume: bool,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) common: Common,
    /// How many samples to show
    #[arg(long, default_value_t = 2, value_name = "N")]
    pub(crate) show: usize,
}

#[derive(Debug, Args)]
pub(crate) struct Score {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Score only the first N samples
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<NonZeroUsize>,
}

#[derive(Debug, Args)]
pub(crate) struct Select {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Scores as `score` writes them; `id`, `score` and `eligible` are read
    #[arg(long, value_name = "FILE")]
    pub(crate) scores: PathBuf,
    /// How many samples to pick
    #[arg(long, value_name = "K")]
    pub(crate) budget: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Eval {
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The run's folder
    #[arg(value_name = "RUN")]
    pub(crate) run: PathBuf,
    /// The checkpoint's step; the last one unless given
    #[arg(long, value_name = "N")]
    pub(crate) step: Option<u64>,
    /// Where the model goes; a new folder
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Report {
    /// The folder of a run or of a comparison; several runs are shown side by side
    #[arg(value_name = "RUN", required = true)]
    pub(crate) runs: Vec<PathBuf>,
    /// Where the page goes; report.html in the folder unless there are several
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {}

#[derive(Debug, Subcommand)]
pub(crate) enum Plugins {
    /// Name, kind, version, SDK, services, options with defaults, path
    List {
        /// A further folder to search
        #[arg(long, value_name = "FOLDER")]
        plugin_path: Vec<PathBuf>,
    },
    /// Load a plugin in a process of its own and try it on a fake model
    Check {
        /// The plugin's file
        path: PathBuf,
        /// Its options, as JSON
        #[arg(long, default_value = "{}", value_name = "JSON")]
        options: String,
        /// Seconds it may take
        #[arg(long, default_value_t = 60)]
        timeout: u64,
        /// This is the child process
        #[arg(long, hide = true)]
        child: bool,
    },
    /// Begin a plugin crate that builds anywhere
    New {
        /// The crate's and the scorer's name
        name: String,
        /// What it will be
        #[arg(long)]
        kind: Kind,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Kind {
    Complexity,
    Diversity,
    Strategy,
}

/// What was typed, and the flags among it as settings, in their order.
pub(crate) fn parse() -> (Cli, Result<Vec<Setting>, iterit_core::Error>) {
    let matches = Cli::command().get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let settings = settings(innermost(&matches));
    (cli, settings)
}

fn innermost(matches: &ArgMatches) -> &ArgMatches {
    match matches.subcommand() {
        Some((_, inner)) => innermost(inner),
        None => matches,
    }
}

/// Single-valued flags and the keys they set.
const FLAGS: [(&str, &str); 5] = [
    ("model", "model.path"),
    ("ratio", "selection.ratio"),
    ("device", "model.device"),
    ("template", "data.template"),
    ("out", "output.path"),
];

/// Flags that give a list as a whole.
const LISTS: [(&str, &str); 3] =
    [("plugins", "selection.plugins"), ("data", "data.path"), ("arm", "compare.arms")];

fn settings(matches: &ArgMatches) -> Result<Vec<Setting>, iterit_core::Error> {
    let mut found: Vec<(usize, Setting)> = Vec::new();
    for (flag, key) in FLAGS {
        if let Some(values) = raw(matches, flag) {
            for (place, value) in values {
                found.push((place, Setting::flag(&format!("--{flag}"), key, &value)));
            }
        }
    }
    for (flag, key) in LISTS {
        if let Some(values) = raw(matches, flag) {
            let place = values.last().map_or(0, |value| value.0);
            let items = values.into_iter().map(|value| value.1).filter(|item| !item.is_empty());
            found.push((place, Setting::list(&format!("--{flag}"), key, items)));
        }
    }
    for (place, value) in raw(matches, "seeds").unwrap_or_default() {
        found.push((place, Setting::flag("--seeds", "compare.seeds", &format!("[{value}]"))));
    }
    for (place, value) in raw(matches, "set").unwrap_or_default() {
        found.push((place, Setting::parse(&value)?));
    }
    found.sort_by_key(|(place, _)| *place);
    Ok(found.into_iter().map(|(_, setting)| setting).collect())
}

/// The values of a flag with their places on the command line; `None` where this command has no
/// such flag or it was not given.
fn raw(matches: &ArgMatches, flag: &str) -> Option<Vec<(usize, String)>> {
    let values = matches.try_get_raw(flag).ok()??;
    let places = matches.indices_of(flag)?;
    Some(places.zip(values.map(|value| value.to_string_lossy().into_owned())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
