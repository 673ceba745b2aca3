//! `cargo xtask oracle`: are the committed goldens what transformers and scikit-learn say today?
//!
//! The scripts in `tests/golden` write beside themselves. To compare, they run in a copy; to
//! regenerate, in place.

use crate::error::{Error, Result};
use crate::{artifacts, compare, process, setup, venv, workspace};
use clap::Subcommand;
use std::fs;
use std::path::{Path, PathBuf};

/// The scripts that make goldens, in an order in which each finds what it reads.
const SCRIPTS: [&str; 23] = [
    "python_words.py",
    "tfidf.py",
    "scripts.py",
    "tables.py",
    "embeddings.py",
    "dedup.py",
    "schedules.py",
    "decay.py",
    "moments.py",
    "statistics/oracle.py",
    "models.py",
    "architectures.py",
    "lora.py",
    "superfilter.py",
    "model_folders.py",
    "tokenizer_folders.py",
    "turns.py",
    "sentence_piece.py",
    "demo.py",
    "generation.py",
    "lm_eval_choices.py",
    "jinja.py",
    "loop.py",
];

/// What to do instead of comparing.
#[derive(Subcommand)]
pub(crate) enum Action {
    /// Write the goldens anew
    Goldens,
    /// Write the demo's data and tokenizer anew, pretrain its model, and write the goldens anew
    Generate,
}

/// Compares the committed goldens with fresh ones, then checks our exports in transformers and PEFT,
/// and our ranks under torchrun.
pub(crate) fn compare() -> Result<()> {
    let python = venv::python()?;
    let tests = workspace::root().join("tests");
    let check = [Path::new("--check")];
    venv::run(&python, &tests.join("data/generate.py"), &check)?;
    venv::run(&python, &tests.join("golden/config_fields.py"), &check)?;

    let copy = tempfile::tempdir().map_err(Error::io("create", std::env::temp_dir()))?;
    for folder in ["data", "golden"] {
        copy_folder(&tests.join(folder), &copy.path().join(folder))?;
    }
    write_goldens(&python, &copy.path().join("golden"))?;
    let differences = compare::folders(&tests.join("golden"), &copy.path().join("golden"))?;
    if !differences.is_empty() {
        return Err(Error::Told(format!(
            "the committed goldens differ from fresh ones:\n{}\nhint: cargo xtask oracle goldens \
             writes them anew",
            differences.join("\n")
        )));
    }
    eprintln!("the committed goldens are what the oracles say");

    setup::run()?;
    let host = artifacts::build("dev")?.host;
    process::run(&mut process::cargo(["build", "--workspace", "--example", "next_logits"]))?;
    let next_logits = host.with_file_name("examples").join("next_logits");
    for script in ["golden/exported.py", "golden/adapted.py"] {
        venv::run(&python, &tests.join(script), &[&host, &next_logits])?;
    }
    venv::run(&python, &tests.join("golden/ranks.py"), &[&host])
}

/// Writes committed files anew.
pub(crate) fn regenerate(action: &Action) -> Result<()> {
    let python = venv::python()?;
    let tests = workspace::root().join("tests");
    if matches!(action, Action::Generate) {
        venv::run(&python, &tests.join("data/generate.py"), &[Path::new("--model")])?;
    }
    venv::run(&python, &tests.join("golden/config_fields.py"), &[])?;
    write_goldens(&python, &tests.join("golden"))
}

fn write_goldens(python: &Path, folder: &Path) -> Result<()> {
    for script in SCRIPTS {
        eprintln!("{script}");
        venv::run(python, &folder.join(script), &[])?;
    }
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).map_err(Error::io("create", to))?;
    for entry in fs::read_dir(from).map_err(Error::io("read", from))? {
        let path: PathBuf = entry.map_err(Error::io("read", from))?.path();
        let place = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy_folder(&path, &place)?;
        } else {
            fs::copy(&path, &place).map_err(Error::io("copy", &path))?;
        }
    }
    Ok(())
}
