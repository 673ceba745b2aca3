//! `report`: one self-contained HTML page about a run.

use crate::cli::Report;
use iterit_core::config::Config;
use iterit_core::record::RunRecord;
use iterit_core::run_directory::RunDirectory;
use iterit_core::{Result, Sample, dataset, report, whole_file};
use std::path::Path;

pub(crate) fn run(args: &Report) -> Result<()> {
    let directory = RunDirectory::open(&args.run)?;
    let record = directory.read()?;
    let config = Config::load(Some(&directory.config_path()), &[])?;
    let samples = dataset::load(&config.data.path, config.data.format)?;
    let out = args.out.clone().unwrap_or_else(|| directory.report_path());
    write(&record, &samples[..record.manifest.num_samples as usize], &out)?;
    anstream::println!("{}", out.display());
    Ok(())
}

/// Writes the page of one run.
pub(crate) fn write(record: &RunRecord, samples: &[Sample], path: &Path) -> Result<()> {
    whole_file::write(path, report::run_html(record, samples).as_bytes())
}
