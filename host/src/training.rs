//! One run, from a configuration to a trained model and its records: the main job, and every run of
//! a comparison. It is given its texts and models; where they come from is `wiring`'s.

pub(crate) mod needs;

mod announce;
mod leave;
mod resume;

pub(crate) use announce::{announce, estimate, speed, trained, warn_of_texts};
pub(crate) use leave::{Exported, export_model};

use crate::observers::Beginning;
use iterit_core::config::{BudgetUnit, Config, FinalModel, budget};
use iterit_core::corpus::{Corpus, TextReport};
use iterit_core::identity::{Environment, Identity};
use iterit_core::plugin_set::PluginSet;
use iterit_core::record::{PluginRecord, RunManifest};
use iterit_core::run::{Inputs, Run, RunOptions, RunState};
use iterit_core::run_directory::Occupied;
use iterit_core::sdk::LogLevel;
use iterit_core::{Error, Result};
use std::collections::BTreeMap;

/// A run that is ready to begin, or to go on.
pub(crate) struct Training<'a> {
    config: &'a Config,
    run: Run<'a>,
    manifest: RunManifest,
    /// Since it began to write.
    occupied: Option<Occupied>,
}

/// What a run is made from besides its texts and its model.
pub(crate) struct Origin {
    /// The plugins, by name.
    pub(crate) plugins: Vec<PluginRecord>,
    /// sha256 of every file, by path.
    pub(crate) sha256: BTreeMap<String, String>,
    /// What makes it the run it is.
    pub(crate) identity: Identity,
    /// What carries it out.
    pub(crate) environment: Environment,
}

impl<'a> Training<'a> {
    /// Nothing is written yet.
    ///
    /// # Errors
    /// Texts of which none carries loss; a budget of nothing or of more than there is; a strategy that plans no
    /// training.
    pub(crate) fn prepare(
        config: &'a Config,
        inputs: Inputs<'a>,
        plugins: PluginSet,
        origin: Origin,
    ) -> Result<Self> {
        let lender = inputs.lender;
        let num_samples = lender.corpus.num_samples();
        if inputs.held_out.is_none() {
            refuse_without_held_out(config)?;
        }
        lender.corpus.report().map_or(Ok(()), TextReport::refuse_no_op)?;
        let budget = budget(config.selection.ratio, num_samples)?;
        let options = RunOptions {
            budget,
            tokens: match config.selection.budget {
                BudgetUnit::Samples => None,
                BudgetUnit::Tokens => Some(tokens_of(budget, lender.corpus)),
            },
            ties: config.selection.ties,
            train: config.train.clone(),
            save_every: config.output.save_every,
            keep: config.output.keep,
            model: config.output.model,
        };
        let run = Run { inputs, plugins, options, state: RunState::default() };
        let manifest = RunManifest {
            iterit: env!("CARGO_PKG_VERSION").to_owned(),
            seed: config.seed,
            num_samples,
            budget: run.options.budget,
            epochs: config.train.epochs,
            total_steps: run.schedule()?.total_steps,
            model: lender.models.ask(|learner| learner.facts()),
            plugins: origin.plugins,
            sha256: origin.sha256,
            texts: lender.text_record(),
            identity: origin.identity,
            environment: origin.environment,
            resumed: Vec::new(),
        };
        Ok(Self { config, run, manifest, occupied: None })
    }

    /// How far it has come, and what it works on.
    pub(crate) fn run(&self) -> &Run<'a> {
        &self.run
    }

    /// What made it.
    pub(crate) fn manifest(&self) -> &RunManifest {
        &self.manifest
    }

    /// Writes a new run down; a begun one must be the same, and goes back to its checkpoint.
    ///
    /// # Errors
    /// What differs from the run that was begun; another process that works in its folder.
    pub(crate) fn begin_or_resume(&mut self) -> Result<()> {
        self.occupied = Some(self.run.inputs.directory.occupy()?);
        resume::begin_or_resume(&mut self.run, self.config, &mut self.manifest)
    }

    /// What observers are told, by the name they know it by, before its first step or the first one
    /// after a resume.
    pub(crate) fn beginning(&self, name: &str) -> Beginning {
        let folder = self.run.inputs.directory.root();
        Beginning::new(name, folder, self.config, &self.manifest, self.run.state.step)
    }

    /// Trains to the end.
    ///
    /// # Errors
    /// [`Cancelled`](iterit_core::Error::Cancelled) with a checkpoint left, or whatever went wrong.
    pub(crate) fn train(&mut self) -> Result<()> {
        self.run.train()
    }

    /// Leaves the trained model, as Hugging Face loads it: as it is after the last step, or as it was
    /// where the held-out loss was lowest.
    pub(crate) fn leave_model(&self) -> Result<()> {
        let inputs = &self.run.inputs;
        if self.config.output.model == FinalModel::Best {
            self.go_back_to_best()?;
        }
        let (corpus, models) = (inputs.lender.corpus, inputs.lender.models);
        export_model(self.config, corpus, models, Exported::Trained, &inputs.directory.model_path())
    }

    fn go_back_to_best(&self) -> Result<()> {
        let Inputs { lender, directory, .. } = self.run.inputs;
        let Some(best) = self.run.best_step() else { return Ok(()) };
        if best == self.run.state.step {
            return Ok(());
        }
        let checkpoint = directory.checkpoint(best)?.folder.join("learner");
        lender.models.change(|learner| learner.restore(&checkpoint))?;
        let message = format!(
            "model/ has the weights of the lowest held-out loss, those after {best} of {} steps",
            self.run.state.step
        );
        lender.observer.say(LogLevel::Info, "", &message);
        Ok(())
    }

    /// Leaves what people look at: TensorBoard's curves and the report.
    pub(crate) fn leave_views(&self) -> Result<()> {
        let inputs = &self.run.inputs;
        leave::write_views(self.config, inputs.lender.corpus, inputs.directory)
    }
}

/// Keys that decide by held-out samples, where there are none.
fn refuse_without_held_out(config: &Config) -> Result<()> {
    let Config { train, output, .. } = config;
    let set = [
        ("train.eval_every", train.eval_every > 0),
        ("train.patience", train.patience.is_some()),
        ("output.model = \"best\"", output.model == FinalModel::Best),
    ];
    let mut faults: Vec<String> = set
        .into_iter()
        .filter(|(_, is_set)| *is_set)
        .map(|(key, _)| format!("{key} goes by the held-out loss, and no samples are held out"))
        .collect();
    match faults.last_mut() {
        None => Ok(()),
        Some(last) => {
            last.push_str("\nhint: --set data.eval_fraction=0.05, or data.eval_path=FILE");
            Err(Error::Config(faults))
        }
    }
}

/// The tokens that so many samples of mean length have.
fn tokens_of(budget: u64, corpus: &Corpus) -> u64 {
    let ids = 0..corpus.num_samples();
    let all: usize = ids.map(|id| corpus.encoded(id).training_tokens()).sum();
    (all as f64 * budget as f64 / corpus.num_samples() as f64).round() as u64
}
