//! What the runs of a comparison share, and one run of it.

use super::arms::{self, CheckedArm, Faults, named};
use super::devices::{Devices, Taken};
use super::inputs::inputs;
use super::price::{self, Predicted};
use super::questions::Questions;
use super::shared_scores::SharedScores;
use crate::observers::Observed;
use crate::progress::{Board, Screen, count, duration};
use crate::training::{self, Origin, Training};
use crate::wiring::{self, Texts};
use iterit_core::compare::{ArmResult, Judged, Keep, Ledger, Plan, Run, Scoring, drive};
use iterit_core::config::{Config, FinalModel, budget};
use iterit_core::corpus::{Corpus, TextReport};
use iterit_core::dataset::Drawn;
use iterit_core::identity::{Content, Environment};
use iterit_core::models::Models;
use iterit_core::observer::{Observer, Phase};
use iterit_core::record::HeldOutLine;
use iterit_core::run::{Inputs, Lender, evaluate};
use iterit_core::run_directory::RunDirectory;
use iterit_core::sdk::{LogLevel, RunShape};
use iterit_core::statistics::summary::mean;
use iterit_core::{Error, Result, Sample};
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;

/// A plan that can be run.
pub(crate) struct Experiment<'a> {
    plan: &'a Plan,
    config: Config,
    arms: Vec<CheckedArm<'a>>,
    corpus: Corpus,
    held_out: Corpus,
    /// What arms are judged by instead of the held-out loss.
    questions: Option<Questions>,
    /// Everything that is read, by the part it plays.
    contents: BTreeMap<String, Content>,
    /// sha256 of every file, by its path.
    sha256: BTreeMap<String, String>,
    environment: Environment,
    devices: Devices,
    jobs: NonZeroUsize,
    threads: usize,
    /// By arm, what a run is predicted to take.
    predicted: Vec<Predicted>,
}

impl<'a> Experiment<'a> {
    /// Reads what all runs share and looks at every arm. Nothing is written.
    ///
    /// # Errors
    /// Every fault of the configuration, the arms, the data and the tokenizer; then the model's.
    pub(crate) fn prepare(plan: &'a Plan, jobs: NonZeroUsize, screen: &Screen) -> Result<Self> {
        let mut faults = Faults::default();
        let config = plan.config()?;
        faults.take(has_held_out(&config));
        let arms = arms::arms(plan, screen, &mut faults);
        for checked in &arms {
            let fair = judged_as_trained(&checked.config);
            faults.take(fair.map_err(|error| named(checked.arm, error)));
        }
        let texts = wiring::whole_texts(&config, screen);
        let read = Error::both(texts, Questions::of(plan, &config, screen));
        let ((), (texts, questions)) = Error::both(faults.told(), read)?;
        let Texts { corpus, held_out, sha256: read } = texts;
        let held_out = held_out.expect("held-out data were asked for");
        let threads = wiring::threads_of(jobs);
        let models = wiring::models(&config, &corpus, threads, screen)?;
        corpus.report().map_or(Ok(()), TextReport::refuse_no_op)?;
        let parts = inputs(plan, &config, &arms, &read)?;
        let sha256 = wiring::hashes(&parts, &read)?;
        let device = models.ask(|learner| learner.facts()).device;
        let mut experiment = Self {
            plan,
            contents: wiring::contents(&parts, &sha256, &corpus),
            sha256,
            environment: wiring::environment(1, threads, &device)?,
            devices: Devices::new(config.model.device, jobs),
            config,
            arms,
            corpus,
            held_out,
            questions,
            jobs,
            threads,
            predicted: Vec::new(),
        };
        experiment.predicted = experiment.predict(&models, screen)?;
        training::warn_of_texts(&experiment.corpus, screen);
        experiment.announce(&models, screen);
        plan.assumed.iter().for_each(|said| screen.say(LogLevel::Info, "", said));
        plan.warnings().iter().for_each(|said| screen.say(LogLevel::Warn, "", said));
        Ok(experiment)
    }

    /// Everything that is read, by the part it plays.
    pub(crate) fn contents(&self) -> &BTreeMap<String, Content> {
        &self.contents
    }

    /// What is chosen from, or drawn of.
    pub(crate) fn samples(&self) -> Vec<Sample> {
        self.corpus.samples()
    }

    /// What one seed draws of the pool, the same for every arm; none where all have all.
    fn drawn(&self, seed: u64) -> Option<Corpus> {
        let share = self.config.data.pool.filter(|share| *share < 1.0)?;
        Some(self.corpus.draw(Drawn::new(self.corpus.num_samples() as usize, share, seed)))
    }

    /// How many samples a run can choose from.
    fn pool_size(&self) -> u64 {
        let share = self.config.data.pool.unwrap_or(1.0);
        ((self.corpus.num_samples() as f64 * share) as u64).max(1)
    }

    /// Opens every arm's plugins, which checks their options, and asks what they will train on.
    fn predict(&self, models: &Models, screen: &Screen) -> Result<Vec<Predicted>> {
        let mut faults = Faults::default();
        let offered = models.offered(&self.corpus);
        let speed = training::speed(models, &self.corpus, screen)?;
        let share = self.pool_size() as f64 / self.corpus.num_samples() as f64;
        let predict = |checked: &CheckedArm<'_>| -> Result<Predicted> {
            checked.choosers.require(&offered)?;
            let budget = budget(checked.config.selection.ratio, self.pool_size())?;
            let plugins = checked.choosers.clone().open(&checked.config)?;
            let run = RunShape {
                num_samples: self.pool_size(),
                epochs: checked.config.train.epochs,
                budget,
            };
            let strategy = &plugins.strategy;
            let budgets = strategy.plugin.budgets(&run).map_err(strategy.failed("budgets"))?;
            let estimate = training::estimate(&self.corpus, &budgets, speed);
            let scoring = match checked.choosers.ask_models() {
                true => share * estimate.scoring_seconds(),
                false => 0.0,
            };
            Ok(Predicted { scoring, training: estimate.training_seconds() })
        };
        let predicted = self.arms.iter().map(|checked| {
            let predicted = predict(checked).map_err(|error| named(checked.arm, error));
            faults.take(predicted).unwrap_or_default()
        });
        let mut predicted: Vec<Predicted> = predicted.collect();
        faults.told()?;
        for (place, checked) in self.arms.iter().enumerate() {
            let Some(dear) = &checked.arm.costs_as else { continue };
            let dear = self.arms.iter().position(|other| other.arm.name == *dear);
            let training = predicted[dear.expect("the plan was checked")].seconds();
            predicted[place] = Predicted { scoring: 0.0, training };
        }
        Ok(predicted)
    }

    fn announce(&self, models: &Models, screen: &Screen) {
        let model = models.ask(|learner| learner.facts());
        let runs = self.plan.runs();
        let seconds: f64 = runs.iter().map(|&run| self.predicted[self.place(run)].seconds()).sum();
        screen.line(&format!(
            "{} of {} parameters in {} on {}; {} samples to choose from{}, {} held out",
            model.architecture,
            count(model.parameters),
            model.dtype,
            model.device,
            count(self.pool_size()),
            match self.pool_size() == self.corpus.num_samples() {
                true => String::new(),
                false =>
                    format!(" (each seed draws its own of {})", count(self.corpus.num_samples())),
            },
            count(self.held_out.num_samples()),
        ));
        screen.line(&format!(
            "{} arms, {} runs, {} at a time on {} threads each{}: about {}",
            self.plan.arms.len(),
            runs.len(),
            self.jobs,
            self.threads,
            self.devices.shown().map_or(String::new(), |all| format!(", {all}")),
            duration(seconds / self.jobs.get() as f64)
        ));
        if let Some(hint) = price::hint(&self.arms, &self.predicted) {
            screen.say(LogLevel::Info, "", &hint);
        }
        let longest = |it: &&str| *it == "length";
        let names = self.plan.arms.iter().flat_map(|arm| &arm.plugins).map(String::as_str);
        if names.filter(|name| longest(name)).count() == 0 {
            screen.say(
                LogLevel::Info,
                "",
                "hint: the longest responses are a baseline that is hard to beat: \
                 --arm length,static adds it",
            );
        }
    }

    fn place(&self, run: Run<'_>) -> usize {
        let place = self.arms.iter().position(|checked| checked.arm.name == run.arm.name);
        place.expect("every arm of the plan was checked")
    }

    /// Runs what is not finished; the results of all.
    ///
    /// # Errors
    /// [`Error::Cancelled`], or what went wrong in which run.
    pub(crate) fn run(&self, ledger: &Ledger, screen: &Screen) -> Result<Vec<ArmResult>> {
        let pending = ledger.pending(self.plan);
        let predicted: Vec<f64> =
            pending.iter().map(|&run| self.predicted[self.place(run)].seconds()).collect();
        let shared = SharedScores::new(
            &ledger.scores_folder(),
            &self.config,
            &self.corpus,
            self.threads,
            &self.sha256,
        )?;
        self.ask_before(ledger, screen)?;
        let board = Board::new(screen, &predicted, self.jobs.get());
        drive(self.plan, ledger, self.jobs, |run| {
            let place = pending.iter().position(|other| *other == run).expect("it is pending");
            let lane = board.begin(place, format!("{}, seed {}", run.arm.name, run.seed));
            let judged = self.run_one(run, &self.devices.take(), ledger, &shared, &lane)?;
            lane.end(self.plan.design.measure.figure(), mean(&judged.held_out));
            Ok(judged)
        })
    }

    /// What the held-out samples, or the questions, say of the model that every run begins with.
    fn ask_before(&self, ledger: &Ledger, observer: &dyn Observer) -> Result<()> {
        if ledger.before()?.is_some() {
            return Ok(());
        }
        let models = wiring::models(&self.config, &self.corpus, self.threads, observer)?;
        if let Some(questions) = &self.questions {
            let said = questions.ask(&models, observer)?;
            return ledger.store_before(&Judged::by_answers(said.right(), Scoring::default()));
        }
        observer.begin(Phase::Evaluating, None);
        let losses = evaluate(&self.held_out, &models, observer);
        observer.end(Phase::Evaluating);
        let lines = losses?.into_iter().zip(0..);
        let lines: Vec<HeldOutLine> =
            lines.map(|(nll, id)| HeldOutLine { id, nll: nll.sum, tokens: nll.tokens }).collect();
        ledger.store_before(&Judged::new(&lines, Scoring::default()))
    }

    /// What a run is asked of and trains. That it lies on this device is no part of what the run is.
    fn models_on(
        &self,
        device: &Taken<'_>,
        config: &Config,
        corpus: &Corpus,
        observer: &dyn Observer,
    ) -> Result<Models> {
        let mut config = config.clone();
        config.model.device = device.choice();
        wiring::models_over(device.base(), &config, corpus, self.threads, observer)
    }

    /// One run, from the same weights as every other, in a folder of its own.
    fn run_one(
        &self,
        run: Run<'_>,
        device: &Taken<'_>,
        ledger: &Ledger,
        shared: &SharedScores,
        observer: &dyn Observer,
    ) -> Result<Judged> {
        let folder = ledger.run_folder(run);
        let mut config = self.plan.run_config(run)?;
        config.output.path = Some(folder.clone());
        let directory = open_or_new(&folder)?;
        let drawn = self.drawn(run.seed);
        let corpus = drawn.as_ref().unwrap_or(&self.corpus);
        if let Some(dear) = self.plan.price_of(run) {
            let cost = ledger.result(dear)?.cost();
            config.selection.ratio = price::ratio(&cost, corpus, config.train.epochs);
        }
        let models = self.models_on(device, &config, corpus, observer)?;
        let choosers = self.arms[self.place(run)].choosers.clone();
        let parts = wiring::parts(&config, &choosers, &self.sha256)?;
        let contents = wiring::contents(&parts, &self.sha256, &self.corpus);
        let identity = wiring::identity(&config, &choosers, contents);
        let records = choosers.records();
        let mut plugins = choosers.open(&config)?;
        let mut keys = Vec::new();
        let share = |weighted| {
            let record = records.iter().find(|record| record.name == named_in(&weighted));
            let key = shared.key(record.expect("every plugin has a record"), &config);
            keys.push(key.clone());
            shared.share(weighted, key, &models)
        };
        plugins.complexity = plugins.complexity.into_iter().map(share).collect();

        let observer = &Observed::new(observer);
        let lender =
            Lender { corpus, models: &models, seed: config.seed, threads: self.threads, observer };
        let held_out = Some(&self.held_out);
        let inputs = Inputs { lender, held_out, directory: &directory };
        let origin = Origin {
            plugins: records,
            identity,
            sha256: self.sha256.clone(),
            environment: Environment {
                device: models.ask(|learner| learner.facts()).device,
                ..self.environment.clone()
            },
        };
        let mut training = Training::prepare(&config, inputs, plugins, origin)?;
        training.begin_or_resume()?;
        training::needs::fit_quietly(&models, corpus, config.train.batch, observer);
        let name = format!("{}/seed-{}", run.arm.name, run.seed);
        observer.attend(&training.beginning(&name), || {
            training.train()?;
            if self.plan.keep == Keep::Models {
                training.leave_model()?;
            }
            training.leave_views()
        })?;
        let epochs = directory.read()?.epochs;
        let first = epochs
            .first()
            .map(|epoch| Scoring { seconds: epoch.seconds.scoring, tokens: epoch.forward_tokens });
        let spent = first.unwrap_or_default();
        let spared = shared.spared(&keys, corpus.num_samples(), spent)?;
        let Some(questions) = &self.questions else {
            let last = epochs.last().map_or(0, |epoch| epoch.epoch);
            return Ok(Judged::new(&directory.read_held_out(last)?, spared));
        };
        let said = questions.ask(&models, observer)?;
        said.write(&folder.join("questions.jsonl"))?;
        Ok(Judged::by_answers(said.right(), spared))
    }
}

fn named_in(weighted: &iterit_core::plugin_set::WeightedScorer) -> &str {
    &weighted.scorer.name
}

/// The folder of a run, begun or not. What is left of one that was killed before it was written
/// down is removed: it holds nothing yet.
fn open_or_new(folder: &Path) -> Result<RunDirectory> {
    if let Ok(begun) = RunDirectory::open(folder) {
        return Ok(begun);
    }
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(Error::io("remove", folder))?;
    }
    RunDirectory::new(folder)
}

/// A comparison judges by the held-out samples. An arm that chose its own weights by them would be judged
/// by what it was fitted to.
fn judged_as_trained(config: &Config) -> Result<()> {
    let chooses = [
        ("train.patience", config.train.patience.is_some()),
        ("output.model = \"best\"", config.output.model == FinalModel::Best),
    ];
    let chooses = chooses.into_iter().filter(|(_, is_set)| *is_set);
    let faults: Vec<String> = chooses
        .map(|(key, _)| {
            format!(
                "{key} chooses weights by the held-out samples that a comparison judges by\n\
                 hint: leave it out; train.eval_every shows the course all the same"
            )
        })
        .collect();
    if faults.is_empty() { Ok(()) } else { Err(Error::Config(faults)) }
}

fn has_held_out(config: &Config) -> Result<()> {
    if !config.data.eval_path.is_empty() || config.data.eval_fraction > 0.0 {
        return Ok(());
    }
    Err(Error::config(
        "a comparison judges all arms on samples that none is trained on, and there are none\n\
         hint: name a file with --set data.eval_path=FILE, or leave data.eval_fraction out, and a \
         tenth of the data is held out",
    ))
}
