//! What a finished run leaves besides its records.

use iterit_core::config::Config;
use iterit_core::corpus::Corpus;
use iterit_core::models::Models;
use iterit_core::run_directory::RunDirectory;
use iterit_core::{Result, export, report, tensorboard, whole_file};
use std::path::Path;

/// What of a model with an adapter is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exported {
    /// What was trained.
    Trained,
    /// All of it, as one model.
    Merged,
}

/// `model/`: what was trained from the learner, tokenizer and template from its origin.
pub(crate) fn export_model(
    config: &Config,
    corpus: &Corpus,
    models: &Models,
    exported: Exported,
    out: &Path,
) -> Result<()> {
    whole_file::write_folder(out, |folder| {
        models.ask(|learner| match exported {
            Exported::Trained => learner.export(folder),
            Exported::Merged => learner.export_merged(folder),
        })?;
        let encoder = corpus.encoder().expect("a trained model has a tokenizer");
        export::complete(config.model_path()?, encoder, folder)
    })
}

/// What people look at: TensorBoard's curves and the report.
pub(super) fn write_views(
    config: &Config,
    corpus: &Corpus,
    directory: &RunDirectory,
) -> Result<()> {
    let record = directory.read()?;
    if config.output.tensorboard {
        let folder = directory.root().join("tensorboard");
        tensorboard::write(&folder, &record)?;
    }
    let page = report::run_html(&record, &corpus.samples());
    whole_file::write(&directory.report_path(), page.as_bytes())
}
