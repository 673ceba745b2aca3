//! All that a resume needs, written to a folder and read back.
//!
//! ```text
//! state.json       where the run stands, what was scored and chosen
//! plugins/NAME     what each plugin remembers, in bytes of its own
//! learner/         weights and optimizer
//! ```

use super::{Run, RunState};
use crate::json_file::read_json;
use crate::run_directory::Kept;
use crate::{Error, Result, whole_file};
use std::path::Path;

impl Run<'_> {
    /// Writes all that a resume needs.
    pub(super) fn save_checkpoint(&mut self) -> Result<()> {
        self.state.plugin_states = self.plugins.save()?;
        let (state, models) = (&self.state, self.inputs.lender.models);
        let best = self.best_step().filter(|_| self.keeps_best());
        let kept = Kept { newest: self.options.keep, best };
        self.inputs.directory.write_checkpoint(state.step, kept, |folder| {
            write_state(folder, state)?;
            let learner_folder = folder.join("learner");
            std::fs::create_dir(&learner_folder).map_err(Error::io("create", &learner_folder))?;
            models.ask(|learner| learner.save(&learner_folder))
        })
    }

    /// Goes back to a checkpoint: model, plugins, and the files that lie beyond it.
    pub fn restore(&mut self, checkpoint: &Path) -> Result<()> {
        let state = read_state(checkpoint)?;
        state.check(checkpoint, self.inputs.lender.corpus.num_samples())?;
        self.inputs.lender.models.change(|learner| learner.restore(&checkpoint.join("learner")))?;
        self.plugins.restore(&state.plugin_states)?;
        let first_unmade = state.epoch + u32::from(state.in_progress.is_some());
        self.inputs.directory.rewind(state.step, first_unmade)?;
        self.inputs.directory.write_evaluations(&state.evaluations)?;
        self.state = state;
        Ok(())
    }
}

fn write_state(folder: &Path, state: &RunState) -> Result<()> {
    whole_file::write_json(&folder.join("state.json"), state)?;
    for (name, bytes) in &state.plugin_states {
        whole_file::write(&folder.join("plugins").join(file_name(name)?), bytes)?;
    }
    Ok(())
}

fn read_state(folder: &Path) -> Result<RunState> {
    let mut state: RunState = read_json(&folder.join("state.json"))?;
    let folder = folder.join("plugins");
    if !folder.exists() {
        return Ok(state); // an earlier version kept what plugins remember in `state.json`
    }
    for entry in std::fs::read_dir(&folder).map_err(Error::io("read", &folder))? {
        let path = entry.map_err(Error::io("read", &folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let bytes = std::fs::read(&path).map_err(Error::io("read", &path))?;
        state.plugin_states.push((name, bytes));
    }
    Ok(state)
}

/// A plugin's name, which the SDK holds to a-z, 0-9, `-` and `_`; one that came otherwise must not
/// lead out of the folder.
fn file_name(plugin: &str) -> Result<&str> {
    let is_plain = |it: char| it.is_ascii_alphanumeric() || it == '-' || it == '_';
    match !plugin.is_empty() && plugin.chars().all(is_plain) {
        true => Ok(plugin),
        false => Err(Error::Run(format!(
            "plugin `{plugin}` has a name that can be no file's, expected letters, digits, `-` and `_`"
        ))),
    }
}
