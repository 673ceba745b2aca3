//! `report`: one self-contained HTML page about a run, about several side by side, or about a
//! comparison as far as it has come.

use crate::cli::Report;
use crate::comparison;
use crate::ranks;
use crate::stdout;
use crate::wiring;
use iterit_core::compare::{Ledger, runs};
use iterit_core::config::Config;
use iterit_core::record::RunRecord;
use iterit_core::report::{self, RunView};
use iterit_core::run_directory::RunDirectory;
use iterit_core::{Error, Result, Sample, whole_file};
use std::path::{Path, PathBuf};

pub(crate) fn run(args: &Report) -> Result<()> {
    ranks::refuse("report")?;
    let out = args.out.as_deref();
    out.map_or(Ok(()), check_is_file)?;
    let page = match &args.runs[..] {
        [one] if Ledger::is_there(one) => of_comparison(one, out)?,
        [one] => of_run(one, out)?,
        many => of_runs(many, out)?,
    };
    stdout::line(format_args!("{}", page.display()));
    Ok(())
}

/// A page is one file, in a folder that is there: a folder made for a misspelt path helps nobody.
fn check_is_file(out: &Path) -> Result<()> {
    let shown = out.display();
    if out.is_dir() || out.as_os_str().as_encoded_bytes().ends_with(b"/") {
        let file = out.join("report.html");
        return Err(Error::config(format!(
            "--out `{shown}` is a folder, expected a file for the page\nhint: --out {}",
            file.display()
        )));
    }
    match out.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) if !parent.is_dir() => Err(Error::config(format!(
            "--out `{shown}`: there is no folder `{}`\nhint: make it, or name another file",
            parent.display()
        ))),
        _ => Ok(()),
    }
}

fn of_run(run: &Path, out: Option<&Path>) -> Result<PathBuf> {
    let directory = RunDirectory::open(run)?;
    let (record, samples) = read(&directory)?;
    let out = out.map_or_else(|| directory.report_path(), Path::to_owned);
    whole_file::write(&out, report::run_html(&record, &samples).as_bytes())?;
    Ok(out)
}

fn of_runs(folders: &[PathBuf], out: Option<&Path>) -> Result<PathBuf> {
    let Some(out) = out else {
        return Err(Error::config(
            "a page about several runs has no folder of its own\nhint: say where with --out FILE",
        ));
    };
    let mut read_runs = Vec::new();
    for folder in folders {
        let (record, samples) = read(&RunDirectory::open(folder)?)?;
        read_runs.push((folder.display().to_string(), record, samples));
    }
    let views: Vec<RunView<'_>> = read_runs
        .iter()
        .map(|(name, record, samples)| RunView { name, record, samples: Some(samples) })
        .collect();
    whole_file::write(out, report::html(&views).as_bytes())?;
    Ok(out.to_owned())
}

fn of_comparison(root: &Path, out: Option<&Path>) -> Result<PathBuf> {
    let ledger = Ledger::open(root)?;
    let begun = ledger.begun()?;
    let runs = runs(&begun.arms);
    let results = ledger.results(&runs)?;
    if results.len() < runs.len() {
        anstream::eprintln!(
            "warning: {} of {} runs are finished; the page is about those",
            results.len(),
            runs.len()
        );
    }
    let comparison = comparison::conclude(&ledger, &results)?;
    let first = runs.iter().find(|&&run| ledger.is_finished(run)).expect("one was compared");
    let directory = RunDirectory::open(&ledger.run_folder(*first))?;
    let samples = wiring::pool(&Config::load(Some(&directory.config_path()), &[])?)?;
    match out {
        None => comparison::leave(&ledger, &comparison, &results, &samples),
        Some(out) => {
            ledger.look(&comparison)?;
            let page = report::comparison_html(&comparison, &results, Some(&samples));
            whole_file::write(out, page.as_bytes())?;
            Ok(out.to_owned())
        }
    }
}

/// A run's record, and the samples it chose from.
fn read(directory: &RunDirectory) -> Result<(RunRecord, Vec<Sample>)> {
    let record = directory.read()?;
    let config = Config::load(Some(&directory.config_path()), &[])?;
    let samples = wiring::pool(&config)?;
    let samples = match directory.read_drawn()? {
        Some(drawn) => drawn.take(&samples),
        None => samples,
    };
    Ok((record, samples))
}
