//! Beginning a run, or going on with the one that was begun: as itself, or not at all.

use crate::wiring;
use iterit_core::config::{Config, OnResume, on_resume};
use iterit_core::identity::{Difference, Identity, config_differences};
use iterit_core::json_file::read_json;
use iterit_core::observer::Observer;
use iterit_core::record::{Resumption, RunManifest};
use iterit_core::run::Run;
use iterit_core::run_directory::RunDirectory;
use iterit_core::sdk::LogLevel;
use iterit_core::{Error, Result};

/// A new run is written down; a begun one must be the same, and goes back to its checkpoint. What a
/// resume may change and did is told, and written down too.
pub(super) fn begin_or_resume(
    run: &mut Run<'_>,
    config: &Config,
    manifest: &mut RunManifest,
) -> Result<()> {
    let directory = run.inputs.directory;
    let observer: &dyn Observer = run.inputs.lender.observer;
    let say = |level: LogLevel, message: String| observer.say(level, "", &message);
    if !directory.manifest_path().exists() {
        if let Some(drawn) = run.inputs.lender.corpus.drawn() {
            directory.write_drawn(drawn)?;
        }
        return directory.begin(&config.to_toml(), manifest);
    }
    let mut begun: RunManifest = read_json(&directory.manifest_path())?;
    if begun.identity.config.is_empty() {
        begun.identity = identity_by_older_version(directory, &begun)?;
    }
    Config::complete(&mut begun.identity.config);
    refuse_another(&begun, manifest)?;
    match directory.checkpoints()?.last() {
        Some(checkpoint) => {
            run.restore(&checkpoint.folder)?;
            let (epoch, step) = (run.state.epoch, run.state.step);
            say(LogLevel::Info, format!("resuming at epoch {epoch}, step {step}"));
        }
        None => {
            directory.rewind(0, 0)?;
            say(LogLevel::Info, "there is no checkpoint yet, so the run begins anew".to_owned());
        }
    }
    let changed = changed(&begun, manifest);
    if let Some(noted) = noted(&changed) {
        say(LogLevel::Warn, noted);
    }
    manifest.resumed = begun.resumed;
    if !changed.is_empty() {
        manifest.resumed.push(Resumption { step: run.state.step, changed });
    }
    directory.begin(&config.to_toml(), manifest)
}

/// Older versions wrote down a configuration and hashes by path.
fn identity_by_older_version(directory: &RunDirectory, begun: &RunManifest) -> Result<Identity> {
    let path = directory.config_path();
    let text = std::fs::read_to_string(&path).map_err(Error::io("read", &path))?;
    let names: Vec<String> = begun.plugins.iter().map(|plugin| plugin.name.clone()).collect();
    let config = wiring::of_plugins(Config::text_by_key(&text)?, &names);
    Ok(Identity { config, ..Identity::default() })
}

/// Every difference that would make the result neither of the two runs.
fn refuse_another(begun: &RunManifest, now: &RunManifest) -> Result<()> {
    let counts = |key: &str| on_resume(key) == OnResume::Refused;
    let mut differences = begun.identity.differences(&now.identity, counts);
    if begun.identity.contents.is_empty() {
        differences.extend(now.identity.differences_by_path(&begun.sha256));
    }
    if differences.is_empty() {
        // The same from the same; unless another version of the program counts otherwise.
        let numbers = |manifest: &RunManifest| {
            let RunManifest { num_samples, budget, total_steps, .. } = manifest;
            [("samples", num_samples), ("budget", budget), ("optimizer steps", total_steps)]
                .map(|(what, number)| (what.to_owned(), (*number).into()))
                .into()
        };
        differences = config_differences(&numbers(begun), &numbers(now));
    }
    let fault = |difference: Difference| format!("the run to resume was begun with {difference}");
    let mut faults: Vec<String> = differences.into_iter().map(fault).collect();
    match faults.last_mut() {
        None => Ok(()),
        Some(last) => {
            last.push_str("\nhint: resume with what it was begun with, or begin another run");
            Err(Error::Config(faults))
        }
    }
}

/// What a resume may change, and this one does.
fn changed(begun: &RunManifest, now: &RunManifest) -> Vec<Difference> {
    let mut changed = config_differences(&begun.identity.config, &now.identity.config);
    changed.extend(begun.environment.differences(&now.environment));
    changed
}

/// What of that numbers may depend on in their last digits, in words.
fn noted(changed: &[Difference]) -> Option<String> {
    let is_noted = |difference: &&Difference| on_resume(&difference.what) != OnResume::Free;
    let noted: Vec<String> =
        changed.iter().filter(is_noted).map(|difference| format!("\n  {difference}")).collect();
    (!noted.is_empty()).then(|| {
        format!(
            "the run goes on otherwise than it was begun, so numbers may differ in their last \
             digits from those of one that was not interrupted; it was begun with{}",
            noted.concat()
        )
    })
}
