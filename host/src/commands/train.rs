//! The main job: choose, train, record, export. Where the results lie goes to stdout.

use crate::cli::Train;
use crate::progress::{Screen, bytes, count, duration};
use crate::wiring::{self, Choosers};
use iterit_core::config::{Config, Setting, budget};
use iterit_core::corpus::Corpus;
use iterit_core::estimate::{Estimate, training_tokens};
use iterit_core::learner::{Learner, Sequence, Unwatched};
use iterit_core::models::Models;
use iterit_core::observer::Observer;
use iterit_core::record::RunManifest;
use iterit_core::run::{Inputs, Lender, Run, RunOptions, RunState};
use iterit_core::run_directory::{self, RunDirectory};
use iterit_core::sdk::LogLevel;
use iterit_core::{Error, Result, export, tensorboard, whole_file};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

pub(crate) fn run(args: &Train, settings: &[Setting]) -> Result<()> {
    let config = wiring::config(&args.common, settings)?;
    let screen = Screen::new();
    let root = config.output_path()?.to_owned();
    let directory = match args.resume {
        true => RunDirectory::open(&root)?,
        false => RunDirectory::new(&root)?,
    };
    let trained = train(&config, &directory, &screen);
    if matches!(trained, Err(Error::Cancelled)) {
        screen.line(&format!(
            "interrupted; what is done lies in `{}`\nhint: go on with the same command and --resume",
            root.display()
        ));
    }
    trained?;
    finish(&directory, &screen);
    Ok(())
}

fn train(config: &Config, directory: &RunDirectory, screen: &Screen) -> Result<()> {
    // Everything that can be wrong is looked at before anything is written.
    let choosers = Choosers::find(config, screen)?;
    let (corpus, held_out) = wiring::corpora(config, screen)?;
    let budget = budget(config.selection.ratio, corpus.num_samples())?;
    let models = wiring::models(config, &corpus, screen)?;
    choosers.require(&models.offered(&corpus))?;
    let scores = choosers.score_anything();
    let records = choosers.records();
    let files: Vec<PathBuf> = choosers.files().cloned().collect();
    let plugins = choosers.open(config)?;

    let options = RunOptions {
        budget,
        train: config.train.clone(),
        save_every: config.output.save_every,
        keep: config.output.keep,
    };
    let lender = Lender {
        corpus: &corpus,
        models: &models,
        seed: config.seed,
        threads: wiring::threads(),
        observer: screen,
    };
    let inputs = Inputs { lender, held_out: held_out.as_ref(), directory };
    let mut run = Run { inputs, plugins, options, state: RunState::default() };
    let manifest = RunManifest {
        iterit: env!("CARGO_PKG_VERSION").to_owned(),
        seed: config.seed,
        num_samples: corpus.num_samples(),
        budget,
        epochs: config.train.epochs,
        total_steps: run.schedule()?.total_steps,
        model: models.ask(|learner| learner.facts()),
        plugins: records,
        sha256: fingerprints(config, &files)?,
    };
    begin_or_resume(&mut run, config, &manifest, screen)?;
    warn_of_texts(&corpus, screen);
    announce(&run, &manifest, scores, screen)?;
    run.train()?;
    export_model(config, &corpus, &models, &directory.model_path())?;
    write_views(config, &corpus, directory)
}

/// A new run is written down; a begun one must be the same, and goes back to its checkpoint.
fn begin_or_resume(
    run: &mut Run<'_>,
    config: &Config,
    manifest: &RunManifest,
    screen: &Screen,
) -> Result<()> {
    let directory = run.inputs.directory;
    if !directory.manifest_path().exists() {
        return directory.begin(&config.to_toml(), manifest);
    }
    let begun: RunManifest = run_directory::read_json(&directory.manifest_path())?;
    let changed = differences(&begun, manifest);
    if !changed.is_empty() {
        return Err(Error::Config(changed));
    }
    match directory.checkpoints()?.last() {
        Some(checkpoint) => {
            run.restore(&checkpoint.folder)?;
            screen.line(&format!("resuming at epoch {}, step {}", run.state.epoch, run.state.step));
        }
        None => {
            directory.rewind(0, 0)?;
            screen.line("there is no checkpoint yet, so the run begins anew");
        }
    }
    Ok(())
}

/// What a resume may not change: the result would be neither of the two runs.
fn differences(begun: &RunManifest, now: &RunManifest) -> Vec<String> {
    let mut faults = Vec::new();
    let mut check = |what: &str, begun: String, now: String| {
        if begun != now {
            faults.push(format!(
                "the run to resume was begun with {what} {begun}, now it is {now}\n\
                 hint: resume with what it was begun with, or begin another run"
            ));
        }
    };
    check("seed", begun.seed.to_string(), now.seed.to_string());
    check("samples", begun.num_samples.to_string(), now.num_samples.to_string());
    check("a budget of", begun.budget.to_string(), now.budget.to_string());
    check("epochs", begun.epochs.to_string(), now.epochs.to_string());
    check("optimizer steps", begun.total_steps.to_string(), now.total_steps.to_string());
    let names = |manifest: &RunManifest| {
        manifest.plugins.iter().map(|plugin| plugin.name.as_str()).collect::<Vec<_>>().join(",")
    };
    check("plugins", names(begun), names(now));
    for (file, begun_hash) in &begun.sha256 {
        if let Some(hash) = now.sha256.get(file).filter(|hash| *hash != begun_hash) {
            check(&format!("`{file}` of sha256"), begun_hash.clone(), hash.clone());
        }
    }
    faults
}

/// The sha256 of data, weights and plugins, by path.
fn fingerprints(config: &Config, plugins: &[PathBuf]) -> Result<BTreeMap<String, String>> {
    let model = config.model_path()?;
    let mut files: Vec<PathBuf> =
        [&config.data.path, &config.data.eval_path, &config.data.target_path]
            .into_iter()
            .flatten()
            .cloned()
            .collect();
    files.extend(plugins.iter().cloned());
    let entries = std::fs::read_dir(model).map_err(Error::io("read", model))?;
    for entry in entries {
        let path = entry.map_err(Error::io("read", model))?.path();
        let is_part = |suffix: &str| path.extension().is_some_and(|extension| extension == suffix);
        if is_part("safetensors") || is_part("json") {
            files.push(path);
        }
    }
    files.iter().map(|path| Ok((path.display().to_string(), wiring::sha256(path)?))).collect()
}

/// Cut and empty responses, and ends that stop nothing: counted, never silent.
fn warn_of_texts(corpus: &Corpus, screen: &Screen) {
    let Some(report) = corpus.report() else { return };
    let warn = |message: String| screen.say(LogLevel::Warn, "", &message);
    if report.training.truncated > 0 {
        warn(format!(
            "{} of {} training texts are cut at {} tokens; {} have no response left to learn",
            report.training.truncated, report.samples, report.max_length, report.zero_loss
        ));
    }
    if report.empty_responses > 0 {
        warn(format!("{} responses are empty and cannot be scored", report.empty_responses));
    }
    if report.end.missed > 0 {
        warn(format!(
            "{} of {} training texts end in `{}`, which does not become a token that stops generation",
            report.end.missed, report.end.checked, report.end.text
        ));
    }
}

/// What the run will cost, before it begins.
fn announce(run: &Run<'_>, manifest: &RunManifest, scores: bool, screen: &Screen) -> Result<()> {
    let corpus = run.inputs.lender.corpus;
    let model = &manifest.model;
    screen.line(&format!(
        "{} of {} parameters in {} on {}, {} samples, {} an epoch, {} epochs, {} steps",
        model.architecture,
        count(model.parameters),
        model.dtype,
        model.device,
        count(manifest.num_samples),
        count(manifest.budget),
        manifest.epochs,
        manifest.total_steps,
    ));
    let estimate = estimate(run, corpus)?;
    let scoring = match scores {
        true => format!(
            "scoring all samples {} tokens, about {}; ",
            count(estimate.scoring_tokens),
            duration(estimate.scoring_seconds())
        ),
        false => String::new(),
    };
    screen.line(&format!(
        "estimate: {scoring}training {} tokens, about {}; weights, gradients and optimizer {}",
        count(estimate.training_tokens),
        duration(estimate.training_seconds()),
        bytes(model.resident_bytes),
    ));
    Ok(())
}

/// Measures the model's speed on a few samples.
fn estimate(run: &Run<'_>, corpus: &Corpus) -> Result<Estimate> {
    let ids = 0..corpus.num_samples();
    let scoring_tokens = ids
        .clone()
        .map(|id| {
            let encoded = corpus.encoded(id);
            let alone = encoded.unconditional.as_ref().map_or(0, |alone| alone.tokens.len());
            (encoded.conditional.tokens.len() + alone) as u64
        })
        .sum();
    let tokens: u64 = ids.map(|id| corpus.encoded(id).training.tokens.len() as u64).sum();
    let mean_tokens = tokens as f64 / corpus.num_samples() as f64;
    Ok(Estimate {
        scoring_tokens,
        training_tokens: training_tokens(&run.budgets()?, mean_tokens),
        tokens_per_second: run.inputs.lender.models.ask(|learner| speed(learner, corpus))?,
    })
}

/// Forward tokens a second over samples spread through the data.
fn speed(learner: &mut dyn Learner, corpus: &Corpus) -> Result<f64> {
    const PROBES: u64 = 64;
    let stride = (corpus.num_samples() / PROBES).max(1) as usize;
    let probes: Vec<Sequence> = (0..corpus.num_samples())
        .step_by(stride)
        .map(|id| corpus.encoded(id).conditional.clone())
        .collect();
    // The first passes of a process pay for what later ones find ready.
    learner.token_nll(&probes, &Unwatched)?;
    let clock = Instant::now();
    learner.token_nll(&probes, &Unwatched)?;
    let tokens: usize = probes.iter().map(|probe| probe.tokens.len()).sum();
    Ok(tokens as f64 / clock.elapsed().as_secs_f64().max(1e-6))
}

/// `model/`: weights and configuration from the learner, tokenizer and template from its origin.
pub(crate) fn export_model(
    config: &Config,
    corpus: &Corpus,
    models: &Models,
    out: &Path,
) -> Result<()> {
    whole_file::write_folder(out, |folder| {
        models.ask(|learner| learner.export(folder))?;
        let encoder = corpus.encoder().expect("a trained model has a tokenizer");
        export::complete(config.model_path()?, encoder, folder)
    })
}

/// What people look at: TensorBoard's curves and the report.
fn write_views(config: &Config, corpus: &Corpus, directory: &RunDirectory) -> Result<()> {
    let record = directory.read()?;
    if config.output.tensorboard {
        let folder = directory.root().join("tensorboard");
        tensorboard::write(&folder, &record.steps, &record.epochs)?;
    }
    super::report::write(&record, corpus.samples(), &directory.report_path())
}

fn finish(directory: &RunDirectory, screen: &Screen) {
    let warnings = screen.warnings();
    if !warnings.is_empty() {
        screen.line(&format!("{} warnings:", warnings.len()));
        for warning in warnings {
            screen.line(&format!("  {warning}"));
        }
    }
    anstream::println!("model   {}", directory.model_path().display());
    anstream::println!("report  {}", directory.report_path().display());
}
