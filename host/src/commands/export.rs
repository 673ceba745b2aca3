//! `export`: the model of a run's checkpoint, as Hugging Face loads it.

use crate::cli::Export;
use crate::progress::Screen;
use crate::ranks;
use crate::stdout;
use crate::training::{Exported, export_model};
use crate::wiring;
use iterit_core::config::{Config, DeviceChoice, FinalModel};
use iterit_core::run_directory::{Checkpoint, RunDirectory};
use iterit_core::{Error, Result, held_out};

pub(crate) fn run(args: &Export) -> Result<()> {
    ranks::refuse("export")?;
    let screen = Screen::new();
    let directory = RunDirectory::open(&args.run)?;
    if args.out.exists() {
        return Err(Error::config(format!(
            "--out `{}` is there already, expected a new folder",
            args.out.display()
        )));
    }
    let mut config = Config::load(Some(&directory.config_path()), &[])?;
    // Weights are copied, not computed with: a run's GPU need not be there.
    config.model.device = DeviceChoice::Cpu;
    let checkpoint = choose(&directory, &config, args.step)?;
    screen.line(&format!("the weights are those after {} steps", checkpoint.step));
    let corpus = wiring::corpus(&config, Some(1), &screen)?;
    let models = wiring::models(&config, &corpus, wiring::threads(), &screen)?;
    models.change(|learner| learner.restore(&checkpoint.folder.join("learner")))?;
    let exported = if args.merge { Exported::Merged } else { Exported::Trained };
    export_model(&config, &corpus, &models, exported, &args.out)?;
    stdout::line(format_args!("{}", args.out.display()));
    Ok(())
}

/// The checkpoint of a step that was named, else the one that the run itself would leave.
fn choose(directory: &RunDirectory, config: &Config, step: Option<u64>) -> Result<Checkpoint> {
    if let Some(step) = step {
        return directory.checkpoint(step);
    }
    let no_checkpoint =
        || Error::Run(format!("`{}` has no checkpoint", directory.root().display()));
    let last = directory.checkpoints()?.pop().ok_or_else(no_checkpoint)?;
    if config.output.model == FinalModel::Last {
        return Ok(last);
    }
    // What was seen after the last checkpoint counts no more than the steps that led there.
    let mut seen = directory.read()?.evaluations;
    seen.retain(|evaluation| evaluation.step <= last.step);
    held_out::best(&seen).map_or(Ok(last), |best| directory.checkpoint(best.step))
}
