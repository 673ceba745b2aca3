//! Beginning a run, or going on with the one that was begun.

use iterit_core::config::Config;
use iterit_core::observer::Observer;
use iterit_core::record::RunManifest;
use iterit_core::run::Run;
use iterit_core::run_directory::read_json;
use iterit_core::sdk::LogLevel;
use iterit_core::{Error, Result};

/// A new run is written down; a begun one must be the same, and goes back to its checkpoint.
pub(super) fn begin_or_resume(
    run: &mut Run<'_>,
    config: &Config,
    manifest: &RunManifest,
) -> Result<()> {
    let directory = run.inputs.directory;
    let observer: &dyn Observer = run.inputs.lender.observer;
    if !directory.manifest_path().exists() {
        if let Some(drawn) = run.inputs.lender.corpus.drawn() {
            directory.write_drawn(drawn)?;
        }
        return directory.begin(&config.to_toml(), manifest);
    }
    let begun: RunManifest = read_json(&directory.manifest_path())?;
    let changed = differences(&begun, manifest);
    if !changed.is_empty() {
        return Err(Error::Config(changed));
    }
    match directory.checkpoints()?.last() {
        Some(checkpoint) => {
            run.restore(&checkpoint.folder)?;
            let (epoch, step) = (run.state.epoch, run.state.step);
            observer.say(LogLevel::Info, "", &format!("resuming at epoch {epoch}, step {step}"));
        }
        None => {
            directory.rewind(0, 0)?;
            let message = "there is no checkpoint yet, so the run begins anew";
            observer.say(LogLevel::Info, "", message);
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
