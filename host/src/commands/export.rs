//! `export`: the model of a run's checkpoint, as Hugging Face loads it.

use crate::cli::Export;
use crate::progress::Screen;
use crate::training::{Exported, export_model};
use crate::wiring;
use iterit_core::config::Config;
use iterit_core::run_directory::{Checkpoint, RunDirectory};
use iterit_core::{Error, Result};

pub(crate) fn run(args: &Export) -> Result<()> {
    let screen = Screen::new();
    let directory = RunDirectory::open(&args.run)?;
    if args.out.exists() {
        return Err(Error::config(format!(
            "--out `{}` is there already, expected a new folder",
            args.out.display()
        )));
    }
    let config = Config::load(Some(&directory.config_path()), &[])?;
    let checkpoint = choose(&directory, args.step)?;
    let corpus = wiring::corpus(&config, Some(1), &screen)?;
    let models = wiring::models(&config, &corpus, wiring::threads(), &screen)?;
    models.change(|learner| learner.restore(&checkpoint.folder.join("learner")))?;
    let exported = if args.merge { Exported::Merged } else { Exported::Trained };
    export_model(&config, &corpus, &models, exported, &args.out)?;
    anstream::println!("{}", args.out.display());
    Ok(())
}

fn choose(directory: &RunDirectory, step: Option<u64>) -> Result<Checkpoint> {
    let checkpoints = directory.checkpoints()?;
    let steps: Vec<String> =
        checkpoints.iter().map(|checkpoint| checkpoint.step.to_string()).collect();
    let chosen = match step {
        Some(step) => checkpoints.into_iter().find(|checkpoint| checkpoint.step == step),
        None => checkpoints.into_iter().next_back(),
    };
    chosen.ok_or_else(|| {
        Error::Run(match step {
            Some(step) => format!(
                "there is no checkpoint of step {step}, there are those of {}",
                steps.join(", ")
            ),
            None => format!("`{}` has no checkpoint", directory.root().display()),
        })
    })
}
