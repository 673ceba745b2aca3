//! `compare`: several ways to select, several seeds each, judged on the same held-out samples. The
//! table goes to stdout.

use crate::cli::Compare;
use crate::comparison::{Experiment, conclude, leave, planned};
use crate::progress::Screen;
use crate::ranks;
use crate::stdout;
use iterit_core::compare::{Begun, Ledger, Plan};
use iterit_core::config::Setting;
use iterit_core::{Error, Result, report};

pub(crate) fn run(args: &Compare, settings: &[Setting]) -> Result<()> {
    ranks::refuse("compare")?;
    if args.plan {
        return say_how_many(args, settings);
    }
    let plan = plan(args, settings)?;
    let config = plan.config()?;
    let root = config.output_path()?;
    match args.resume {
        true => Ledger::open(root).map(drop)?,
        false => Ledger::check_new(root)?,
    }
    let screen = Screen::new();
    let experiment = Experiment::prepare(&plan, args.jobs, &screen)?;
    let begun = Begun::new(&plan, experiment.contents().clone())?;
    let ledger = match args.resume {
        true => Ledger::resume(root, &begun)?,
        false => Ledger::begin(root, &begun)?,
    };
    let results = experiment.run(&ledger, &screen);
    if matches!(results, Err(Error::Cancelled)) {
        screen.line(&format!(
            "interrupted; {} of {} runs are finished and lie in `{}`\nhint: go on with the same \
             command and --resume",
            plan.runs().len() - ledger.pending(&plan).len(),
            plan.runs().len(),
            root.display()
        ));
    }
    let results = results?;
    let comparison = conclude(&ledger, &results)?;
    let page = leave(&ledger, &comparison, &results, &experiment.samples())?;
    screen.repeat_warnings();
    stdout::write(report::comparison_table(&comparison));
    stdout::line(format_args!("report  {}", page.display()));
    Ok(())
}

/// Seeds and held-out samples that would show a difference; the table goes to stdout. Arms need not
/// be named; where they are, there are so many questions.
fn say_how_many(args: &Compare, settings: &[Setting]) -> Result<()> {
    let has_arms = args.file.is_some() || settings.iter().any(|it| it.within("compare").is_some());
    let plan = if has_arms { Some(plan(args, settings)?) } else { None };
    let table = planned(args.spread.as_deref(), args.common.out.as_deref(), plan.as_ref())?;
    stdout::write(table);
    Ok(())
}

fn plan(args: &Compare, settings: &[Setting]) -> Result<Plan> {
    let mut faults = Vec::new();
    if args.file.is_some() && args.common.config.is_some() {
        faults.push("--config and a file of a comparison: give one of them".to_owned());
    }
    if args.common.names_plugins() {
        faults.push(
            "--plugins is for one run\nhint: name every arm of a comparison with --arm A,B"
                .to_owned(),
        );
    }
    if !faults.is_empty() {
        return Err(Error::Config(faults));
    }
    match args.file.as_ref().or(args.common.config.as_ref()) {
        Some(path) => Plan::load(path, settings),
        None => Plan::parse("", "command line", settings),
    }
}
