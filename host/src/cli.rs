//! What can be typed. Nothing here does anything: flags become [`Setting`]s, in the order given.
//!
//! A flag that sets a key of the configuration has that key as its id, and is nobody's to read
//! otherwise: so one that is added cannot be forgotten. All others are read by their command.

use clap::{
    ArgAction, ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum,
};
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
    /// Measure a model: its loss on a data set, multiple choice, answers in its own words
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
    /// Print what a shell needs to complete this program's words
    Completions(Completions),
    /// Print the manual page of this program, or of one of its commands
    Man(Man),
}

#[derive(Debug, Args)]
pub(crate) struct Train {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Continue the run in --out from its last checkpoint
    #[arg(long)]
    pub(crate) resume: bool,
    #[command(flatten)]
    pub(crate) ranks: Ranks,
}

/// How many processes share the work.
#[derive(Debug, Args)]
pub(crate) struct Ranks {
    /// Processes on this machine that share the model's work, each on a GPU of its own where there are GPUs
    #[arg(long, visible_alias = "gpus", value_name = "N")]
    pub(crate) ranks: Option<NonZeroUsize>,
}

/// The flags of every command that reads a configuration.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// A TOML file; flags and --set come after it
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Plugins by name or path, comma separated
    #[arg(id = "selection.plugins", long = "plugins", value_name = "A,B", value_delimiter = ',')]
    plugins: Vec<String>,
    /// A Hugging Face model folder
    #[arg(id = "model.path", long = "model", value_name = "FOLDER")]
    model: Option<String>,
    /// A data file; may be given several times
    #[arg(id = "data.path", long = "data", value_name = "FILE")]
    data: Vec<String>,
    /// Where results go
    #[arg(id = "output.path", long = "out", value_name = "PATH")]
    pub(crate) out: Option<PathBuf>,
    /// Samples an epoch: a share up to 1, a count above
    #[arg(id = "selection.ratio", long = "ratio", value_name = "R", allow_negative_numbers = true)]
    ratio: Option<String>,
    /// auto, cpu, cuda or cuda:N
    #[arg(id = "model.device", long = "device", value_name = "DEVICE")]
    device: Option<String>,
    /// A built-in chat template's name or a file
    #[arg(id = "data.template", long = "template", value_name = "NAME")]
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
    pub(crate) file: Option<PathBuf>,
    /// Run nothing: say how many seeds would show 1, 2 and 5 %, from the seeds of the comparison in --out
    #[arg(long, conflicts_with = "resume")]
    pub(crate) plan: bool,
    /// For --plan: deviation between seeds, and error of the held-out set, in percent of the loss
    #[arg(long, requires = "plan", value_name = "SEEDS,SAMPLES")]
    pub(crate) spread: Option<String>,
    /// The plugins of one arm, comma separated; give one for each arm
    #[arg(id = "compare.arms", long = "arm", value_name = "A,B")]
    arm: Vec<String>,
    /// The seeds of every arm, comma separated
    #[arg(id = "compare.seeds", long = "seeds", value_name = "N,N")]
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
    /// Write every sample's texts and tokens to this file, one JSON line each
    #[arg(long, value_name = "FILE")]
    pub(crate) dump: Option<PathBuf>,
    /// Print the figures as JSON, and no samples
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Score {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Score only the first N samples
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<NonZeroUsize>,
    #[command(flatten)]
    pub(crate) ranks: Ranks,
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
    /// Questions with choices, judged by likelihood; configs/README.md shows their rows
    #[arg(long, value_name = "FILE")]
    pub(crate) choices: Option<PathBuf>,
    /// Questions to be answered in words, judged by exact match
    #[arg(long, value_name = "FILE")]
    pub(crate) questions: Option<PathBuf>,
    /// Ask texts as the user's turn of the chat template, not as they stand
    #[arg(long)]
    pub(crate) chat: bool,
    #[command(flatten)]
    pub(crate) generation: Generation,
}

/// How questions are answered in words.
#[derive(Debug, Args)]
pub(crate) struct Generation {
    /// The most tokens of an answer
    #[arg(long, default_value_t = 256, value_name = "N", requires = "questions")]
    pub(crate) max_new_tokens: usize,
    /// 0: always the likeliest token
    #[arg(long, default_value_t = 0.0, value_name = "T", requires = "questions")]
    pub(crate) temperature: f64,
    /// Draw from the fewest tokens that are together as likely as this
    #[arg(long, default_value_t = 1.0, value_name = "P", requires = "questions")]
    pub(crate) top_p: f64,
    /// A text at which an answer ends, without it; may be given several times
    #[arg(long, value_name = "TEXT", requires = "questions")]
    pub(crate) stop: Vec<String>,
    /// Upper and lower case are the same to the match
    #[arg(long, requires = "questions")]
    pub(crate) ignore_case: bool,
    /// Punctuation does not count in the match
    #[arg(long, requires = "questions")]
    pub(crate) ignore_punctuation: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The run's folder
    #[arg(value_name = "RUN")]
    pub(crate) run: PathBuf,
    /// The checkpoint's step; the last one unless given
    #[arg(long, value_name = "N")]
    pub(crate) step: Option<u64>,
    /// Write the whole model with its adapter merged in, not the adapter
    #[arg(long)]
    pub(crate) merge: bool,
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

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// Which shell
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// The command, such as `compare`
    #[arg(value_name = "COMMAND")]
    pub(crate) command: Option<String>,
}

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
    let mut command = Cli::command();
    let matches = command.get_matches_mut();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let (command, matches) = innermost(&command, &matches);
    (cli, settings(command, matches))
}

fn innermost<'a>(
    command: &'a clap::Command,
    matches: &'a ArgMatches,
) -> (&'a clap::Command, &'a ArgMatches) {
    match matches.subcommand() {
        Some((name, inner)) => {
            innermost(command.find_subcommand(name).expect("it was found"), inner)
        }
        None => (command, matches),
    }
}

fn settings(
    command: &clap::Command,
    matches: &ArgMatches,
) -> Result<Vec<Setting>, iterit_core::Error> {
    let mut found: Vec<(usize, Setting)> = Vec::new();
    for argument in command.get_arguments() {
        let key = argument.get_id().as_str();
        let (Some(long), Some(values)) = (argument.get_long(), raw(matches, key)) else { continue };
        let flag = format!("--{long}");
        match (key, argument.get_action()) {
            ("set", _) => {
                for (place, value) in values {
                    found.push((place, Setting::parse(&value)?));
                }
            }
            ("compare.seeds", _) => {
                found.extend(values.into_iter().map(|(place, value)| {
                    (place, Setting::flag(&flag, key, &format!("[{value}]")))
                }))
            }
            (key, _) if !is_setting(key) => {}
            // A list is given as a whole, where its last part stands.
            (key, ArgAction::Append) => {
                let place = values.last().map_or(0, |value| value.0);
                let items = values.into_iter().map(|value| value.1).filter(|item| !item.is_empty());
                found.push((place, Setting::list(&flag, key, items)));
            }
            (key, _) => found.extend(
                values.into_iter().map(|(place, value)| (place, Setting::flag(&flag, key, &value))),
            ),
        }
    }
    found.sort_by_key(|(place, _)| *place);
    Ok(found.into_iter().map(|(_, setting)| setting).collect())
}

/// Whether the id of a flag is a key of the configuration.
fn is_setting(id: &str) -> bool {
    id.contains('.')
}

/// The values of a flag with their places on the command line; `None` where it was not given.
fn raw(matches: &ArgMatches, id: &str) -> Option<Vec<(usize, String)>> {
    let values = matches.try_get_raw(id).ok()??;
    let places = matches.indices_of(id)?;
    Some(places.zip(values.map(|value| value.to_string_lossy().into_owned())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_become_settings_in_the_order_given() {
        let check = |line: &str, expected: &[&str]| {
            let mut command = Cli::command();
            let matches = command.try_get_matches_from_mut(line.split(' ')).unwrap();
            let (command, matches) = innermost(&command, &matches);
            let found = settings(command, matches).unwrap();
            let shown = |setting: &Setting| {
                let sections = ["model", "data", "selection", "train", "output", "compare"];
                let (section, (key, value)) = sections
                    .iter()
                    .find_map(|section| Some((section, setting.within(section)?)))
                    .expect("a key in a section");
                format!("{section}.{key}={value}")
            };
            assert_eq!(found.iter().map(shown).collect::<Vec<_>>(), expected, "{line}");
        };
        check(
            "host --ratio 2 --data a --plugins ifd,length --set train.epochs=3 --data b",
            &[
                "selection.ratio=2",
                "selection.plugins=[\"ifd\", \"length\"]",
                "train.epochs=3",
                "data.path=[\"a\", \"b\"]",
            ],
        );
        check("host eval --model m --device cpu", &["model.path=\"m\"", "model.device=\"cpu\""]);
        check(
            "host compare --arm ifd --seeds 1,2 --out o --arm random",
            &["compare.seeds=[1, 2]", "output.path=\"o\"", "compare.arms=[\"ifd\", \"random\"]"],
        );
        check("host export run --out o", &[]);
    }

    /// A flag that was left out of a table here was parsed and dropped without a word.
    #[test]
    fn a_flag_that_no_command_can_read_sets_a_key() {
        let lines: Vec<&str> = include_str!("cli.rs").lines().collect();
        let (code, _tests) =
            lines.split_at(lines.iter().position(|it| *it == "#[cfg(test)]").unwrap());
        let mut private = 0;
        for (at, line) in code.iter().enumerate().filter(|(_, it)| it.ends_with(',')) {
            let is_flag = at > 0 && code[at - 1].starts_with("    #[arg(");
            if is_flag && line.starts_with("    ") && !line.trim_start().starts_with("pub(crate)") {
                private += 1;
                let sets = code[at - 1].contains("id = \"") || line.trim() == "set: Vec<String>,";
                assert!(sets, "line {}: `{line}` is read by nobody", at + 1);
            }
        }
        assert_eq!(private, 9, "those of Common and Compare");
    }
}
