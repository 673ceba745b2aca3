//! The main job: choose, train, record, export. Where the results lie goes to stdout.

use crate::cli::Train;
use crate::observers::Observed;
use crate::progress::Screen;
use crate::stdout;
use crate::training::{Origin, Training, announce, needs, warn_of_texts};
use crate::wiring::{self, Choosers, Company, Texts};
use iterit_core::config::{Config, Setting, budget};
use iterit_core::run::{Inputs, Lender};
use iterit_core::run_directory::RunDirectory;
use iterit_core::{Error, Result};

pub(crate) fn run(args: &Train, settings: &[Setting]) -> Result<()> {
    let mut config = wiring::config(&args.common, settings)?;
    let gathered = Company::gather(args.ranks.ranks, &mut config)?;
    let Some(mut company) = gathered else { return Ok(()) };
    let screen = Screen::new();
    let root = config.output_path()?.to_owned();
    let was_there = root.exists();
    let directory = match args.resume {
        true => RunDirectory::open(&root)?,
        false => RunDirectory::new(&root)?,
    };
    let trained = train(&config, &mut company, &directory, &screen);
    match trained {
        Err(Error::Cancelled) => screen.line(&format!(
            "interrupted; what is done lies in `{}`\nhint: go on with the same command and --resume",
            root.display()
        )),
        Err(_) if !args.resume => {
            if let Err(fault) = directory.take_back(was_there) {
                screen.line(&format!("warning: {fault}"));
            }
        }
        _ => {}
    }
    trained?;
    screen.repeat_warnings();
    stdout::line(format_args!("model   {}", directory.model_path().display()));
    stdout::line(format_args!("report  {}", directory.report_path().display()));
    Ok(())
}

fn train(
    config: &Config,
    company: &mut Company,
    directory: &RunDirectory,
    screen: &Screen,
) -> Result<()> {
    // Everything that can be wrong is looked at before anything is written.
    let (choosers, texts) =
        Error::both(Choosers::find(config, screen), wiring::texts(config, screen))?;
    let Texts { corpus, held_out, sha256: read } = texts;
    budget(config.selection.ratio, corpus.num_samples())?;
    let models = company.models(config, &corpus, screen)?;
    let (ranks, threads) = (company.ranks(), company.threads());
    let device = models.ask(|learner| learner.facts()).device;
    choosers.require(&models.offered(&corpus))?;
    let parts = wiring::parts(config, &choosers, &read)?;
    let sha256 = wiring::hashes(&parts, &read)?;
    let contents = wiring::contents(&parts, &sha256, &corpus);
    let origin = Origin {
        plugins: choosers.records(),
        identity: wiring::identity(config, &choosers, contents),
        sha256,
        environment: wiring::environment(ranks, threads, &device)?,
    };
    let extent = choosers.extent(held_out.as_ref());
    let plugins = choosers.open(config)?;

    let observer = &Observed::new(screen);
    let lender = Lender { corpus: &corpus, models: &models, seed: config.seed, threads, observer };
    let inputs = Inputs { lender, held_out: held_out.as_ref(), directory };
    let mut training = Training::prepare(config, inputs, plugins, origin)?;
    training.begin_or_resume()?;
    warn_of_texts(&corpus, screen);
    needs::fit(&models, &corpus, config.train.batch, extent, screen);
    announce(&training, extent)?;
    let name = directory.root().file_name().unwrap_or_default().to_string_lossy();
    observer.attend(&training.beginning(&name), || {
        training.train()?;
        training.leave_model()?;
        training.leave_views()
    })
}
