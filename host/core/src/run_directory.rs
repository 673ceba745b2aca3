//! Where a run lives on disk. Every file appears whole or not at all; `metrics.jsonl` grows by
//! whole lines, and a resume cuts what lies beyond its checkpoint. One process at a time works in it.
//!
//! ```text
//! config.toml  manifest.json  drawn.json  metrics.jsonl  evaluations.jsonl  report.html
//! epochs/E/{scores.jsonl, selection.json, losses.jsonl, held-out.jsonl, summary.json}
//! checkpoints/step-N/{state.json, plugins/NAME, learner/}
//! model/
//! ```

mod taken_back;

use crate::dataset::Drawn;
use crate::json_file::{read_json, read_json_lines};
use crate::record::{
    EpochRecord, Evaluation, HeldOutLine, LossLine, RunManifest, RunRecord, ScoreLine, Selection,
    StepRecord,
};
use crate::{Error, Result, whole_file};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The folder of one run.
#[derive(Debug, Clone)]
pub struct RunDirectory {
    root: PathBuf,
}

/// The folder of a run is this process's as long as it holds this.
#[derive(Debug)]
pub struct Occupied {
    _folder: File,
}

/// A checkpoint on disk.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Checkpoint {
    /// Optimizer steps done.
    pub step: u64,
    /// Its folder.
    pub folder: PathBuf,
}

/// Which checkpoints stay when another is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// So many of the newest, at least the one that is written.
    pub newest: usize,
    /// The one of this step besides.
    pub best: Option<u64>,
}

impl RunDirectory {
    /// The folder of a new run; it is made by the first write. One that holds anything is refused:
    /// nothing is overwritten.
    pub fn new(root: &Path) -> Result<Self> {
        if root.exists() {
            let entries = fs::read_dir(root).map_err(Error::io("open", root))?;
            let is_theirs = |entry: std::io::Result<fs::DirEntry>| match entry {
                Ok(entry) => !whole_file::is_left_over(&entry.file_name().to_string_lossy()),
                Err(_) => true,
            };
            if entries.into_iter().any(is_theirs) {
                return Err(Error::Run(format!(
                    "`{}` is not empty, expected a new or an empty folder for the run\n\
                     hint: choose another --out, or continue the run in it with --resume",
                    root.display()
                )));
            }
        }
        Ok(Self { root: root.to_owned() })
    }

    /// Opens the folder of a run that was begun.
    pub fn open(root: &Path) -> Result<Self> {
        let directory = Self { root: root.to_owned() };
        if !directory.manifest_path().is_file() {
            return Err(Error::Run(format!(
                "`{}` holds no run: it has no manifest.json\n\
                 hint: name the folder that a run had as --out, or begin one there without --resume",
                root.display()
            )));
        }
        Ok(directory)
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `config.toml`: the resolved configuration.
    pub fn config_path(&self) -> PathBuf {
        self.root.join("config.toml")
    }

    /// `manifest.json`.
    pub fn manifest_path(&self) -> PathBuf {
        self.root.join("manifest.json")
    }

    /// `report.html`.
    pub fn report_path(&self) -> PathBuf {
        self.root.join("report.html")
    }

    /// `model/`: the result, as Hugging Face loads it.
    pub fn model_path(&self) -> PathBuf {
        self.root.join("model")
    }

    fn metrics_path(&self) -> PathBuf {
        self.root.join("metrics.jsonl")
    }

    fn evaluations_path(&self) -> PathBuf {
        self.root.join("evaluations.jsonl")
    }

    fn epoch_path(&self, epoch: u32) -> PathBuf {
        self.root.join("epochs").join(epoch.to_string())
    }

    fn checkpoints_path(&self) -> PathBuf {
        self.root.join("checkpoints")
    }

    /// Takes the folder for this process alone and removes what a killed one left half-written in it.
    /// It is free again when what is returned is dropped, or when the process ends in any way.
    ///
    /// # Errors
    /// Another process that works in it.
    pub fn occupy(&self) -> Result<Occupied> {
        let root = &self.root;
        fs::create_dir_all(root).map_err(Error::io("create", root))?;
        let folder = File::open(root).map_err(Error::io("open", root))?;
        // A file system without locks leaves it to the user.
        if matches!(folder.try_lock(), Err(TryLockError::WouldBlock)) {
            return Err(Error::Run(format!(
                "another process works in `{}`\nhint: wait until it has ended, or stop it",
                root.display()
            )));
        }
        whole_file::sweep(root)?;
        Ok(Occupied { _folder: folder })
    }

    /// Writes what the run was made from; the manifest first, for without it there is no run.
    pub fn begin(&self, config_toml: &str, manifest: &RunManifest) -> Result<()> {
        whole_file::write_json(&self.manifest_path(), manifest)?;
        whole_file::write(&self.config_path(), config_toml.as_bytes())
    }

    /// Writes which of the input's samples the run may choose from, where they are not all.
    pub fn write_drawn(&self, drawn: &Drawn) -> Result<()> {
        whole_file::write_json(&self.root.join("drawn.json"), drawn)
    }

    /// Which of the input's samples the run could choose from; none where all.
    pub fn read_drawn(&self) -> Result<Option<Drawn>> {
        let path = self.root.join("drawn.json");
        if path.exists() { read_json(&path).map(Some) } else { Ok(None) }
    }

    /// Writes what an epoch will train on, and why.
    pub fn write_selection(&self, selection: &Selection, scores: &[&ScoreLine]) -> Result<()> {
        let folder = self.epoch_path(selection.epoch);
        whole_file::write_json_lines(&folder.join("scores.jsonl"), scores)?;
        whole_file::write_json(&folder.join("selection.json"), selection)
    }

    /// Writes what an epoch trained on, and its summary.
    pub fn write_epoch(&self, record: &EpochRecord, losses: &[LossLine]) -> Result<()> {
        let folder = self.epoch_path(record.epoch);
        whole_file::write_json_lines(&folder.join("losses.jsonl"), losses)?;
        whole_file::write_json(&folder.join("summary.json"), record)
    }

    /// Writes what the held-out samples have said so far, all of it anew.
    pub fn write_evaluations(&self, evaluations: &[Evaluation]) -> Result<()> {
        let path = self.evaluations_path();
        // A run without held-out samples has no such file.
        match evaluations.is_empty() && !path.exists() {
            true => Ok(()),
            false => whole_file::write_json_lines(&path, evaluations),
        }
    }

    /// Writes the loss of every held-out sample as it stands in an epoch.
    pub fn write_held_out(&self, epoch: u32, lines: &[HeldOutLine]) -> Result<()> {
        whole_file::write_json_lines(&self.epoch_path(epoch).join("held-out.jsonl"), lines)
    }

    /// The loss of every held-out sample after an epoch; none where there were none.
    pub fn read_held_out(&self, epoch: u32) -> Result<Vec<HeldOutLine>> {
        read_json_lines(&self.epoch_path(epoch).join("held-out.jsonl"))
    }

    /// Removes the checkpoints, which a finished run needs no more.
    pub fn remove_checkpoints(&self) -> Result<()> {
        let folder = self.checkpoints_path();
        match folder.exists() {
            true => fs::remove_dir_all(&folder).map_err(Error::io("remove", &folder)),
            false => Ok(()),
        }
    }

    /// The steps in `metrics.jsonl`.
    pub fn read_steps(&self) -> Result<Vec<StepRecord>> {
        read_json_lines(&self.metrics_path())
    }

    /// Adds a line to `metrics.jsonl`; it is sure to be on the disk once a checkpoint is.
    pub fn append_step(&self, step: &StepRecord) -> Result<()> {
        let path = self.metrics_path();
        let mut line = serde_json::to_string(step).expect("a step record serializes");
        line.push('\n');
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(Error::io("open", &path))?;
        // One write call a line, so that an interruption cuts between lines.
        file.write_all(line.as_bytes()).map_err(Error::io("write", &path))
    }

    /// Writes a checkpoint whole, and `metrics.jsonl`, on which it counts, before it; then removes those
    /// that are not to be kept.
    pub fn write_checkpoint(
        &self,
        step: u64,
        keep: Kept,
        fill: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<()> {
        let metrics = self.metrics_path();
        if metrics.exists() {
            let synced = File::open(&metrics).and_then(|metrics| metrics.sync_all());
            synced.map_err(Error::io("write", &metrics))?;
        }
        let folder = self.checkpoints_path().join(format!("step-{step}"));
        whole_file::write_folder(&folder, fill)?;
        let checkpoints = self.checkpoints()?;
        let surplus = checkpoints.len().saturating_sub(keep.newest.max(1));
        for old in checkpoints[..surplus].iter().filter(|old| Some(old.step) != keep.best) {
            fs::remove_dir_all(&old.folder).map_err(Error::io("remove", &old.folder))?;
        }
        Ok(())
    }

    /// The checkpoints on disk, by ascending step.
    pub fn checkpoints(&self) -> Result<Vec<Checkpoint>> {
        let folder = self.checkpoints_path();
        if !folder.exists() {
            return Ok(Vec::new());
        }
        let mut checkpoints = Vec::new();
        for entry in fs::read_dir(&folder).map_err(Error::io("read", &folder))? {
            let folder = entry.map_err(Error::io("read", &folder))?.path();
            let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if let Some(step) = name.strip_prefix("step-").and_then(|step| step.parse().ok()) {
                checkpoints.push(Checkpoint { step, folder });
            }
        }
        checkpoints.sort();
        Ok(checkpoints)
    }

    /// The checkpoint after so many steps.
    ///
    /// # Errors
    /// Where there is none, with those that there are.
    pub fn checkpoint(&self, step: u64) -> Result<Checkpoint> {
        let checkpoints = self.checkpoints()?;
        let steps: Vec<String> = checkpoints.iter().map(|it| it.step.to_string()).collect();
        checkpoints.into_iter().find(|checkpoint| checkpoint.step == step).ok_or_else(|| {
            Error::Run(format!(
                "there is no checkpoint of step {step}, there are those of {}",
                steps.join(", ")
            ))
        })
    }

    /// Cuts what lies beyond a checkpoint: metrics after `step` steps, and the files of epochs
    /// from `first_epoch` on, which will be made again.
    ///
    /// # Errors
    /// Metrics that have lost lines which the checkpoint counts on.
    pub fn rewind(&self, step: u64, first_epoch: u32) -> Result<()> {
        let (path, steps) = (self.metrics_path(), step as usize);
        let lines = whole_file::count_lines(&path)?;
        if lines < steps {
            return Err(Error::file(&path, self.lost_lines(lines, step)?));
        }
        whole_file::keep_lines(&path, steps)?;
        let folder = self.root.join("epochs");
        if !folder.exists() {
            return Ok(());
        }
        for entry in fs::read_dir(&folder).map_err(Error::io("read", &folder))? {
            let path = entry.map_err(Error::io("read", &folder))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.parse::<u32>().is_ok_and(|epoch| epoch >= first_epoch) {
                fs::remove_dir_all(&path).map_err(Error::io("remove", &path))?;
            }
        }
        Ok(())
    }

    /// What is wrong with metrics of too few lines, and from where the run can go on.
    fn lost_lines(&self, lines: usize, step: u64) -> Result<String> {
        let checkpoints = self.checkpoints()?;
        let earlier = checkpoints.iter().rev().find(|earlier| earlier.step <= lines as u64);
        let hint = match earlier {
            Some(earlier) => {
                let later = checkpoints.iter().filter(|later| later.step > earlier.step);
                let later: Vec<String> =
                    later.map(|later| format!("`{}`", later.folder.display())).collect();
                format!("remove {} to go on from step {}", later.join(" and "), earlier.step)
            }
            None => "put the file back, or begin the run again in another folder".to_owned(),
        };
        Ok(format!(
            "has {lines} whole lines, expected {step}: the checkpoint of step {step} counts on one \
             for every step\nhint: {hint}"
        ))
    }

    /// Reads the run back, as far as it has come.
    pub fn read(&self) -> Result<RunRecord> {
        let manifest: RunManifest = read_json(&self.manifest_path())?;
        let mut record = RunRecord {
            manifest,
            epochs: Vec::new(),
            steps: self.read_steps()?,
            evaluations: read_json_lines(&self.evaluations_path())?,
            scores: Vec::new(),
            selections: Vec::new(),
        };
        for epoch in 0.. {
            let folder = self.epoch_path(epoch);
            if !folder.join("summary.json").is_file() {
                break;
            }
            record.epochs.push(read_json(&folder.join("summary.json"))?);
            record.selections.push(read_json(&folder.join("selection.json"))?);
            let mut lines: Vec<ScoreLine> = read_json_lines(&folder.join("scores.jsonl"))?;
            lines.retain(|line| line.scored_at == epoch);
            record.scores.push(lines);
        }
        if record.evaluations.is_empty() {
            record.evaluations = at_ends_of_epochs(&record.epochs);
        }
        Ok(record)
    }
}

/// Versions without `evaluations.jsonl` asked the held-out samples after every epoch and then only.
fn at_ends_of_epochs(epochs: &[EpochRecord]) -> Vec<Evaluation> {
    let evaluation = |it: &EpochRecord| {
        Some(Evaluation { step: it.steps, epoch: it.epoch, loss: it.eval_loss? })
    };
    epochs.iter().filter_map(evaluation).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(step: u64) -> StepRecord {
        StepRecord {
            step,
            epoch: 0,
            loss: 1.0,
            lr: 0.1,
            grad_norm: 2.0,
            tokens: 10,
            tokens_per_second: 5.0,
        }
    }

    #[test]
    fn a_folder_in_use_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        RunDirectory::new(folder.path()).unwrap();
        fs::write(folder.path().join("thesis.tex"), "precious").unwrap();
        let error = RunDirectory::new(folder.path()).unwrap_err().to_string();
        assert!(error.contains("is not empty") && error.contains("hint: choose another --out"));
    }

    #[test]
    fn a_folder_is_worked_in_by_one_and_swept_before() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(".partial-aB3dE6"), "half").unwrap();
        let directory = RunDirectory::new(folder.path()).unwrap();
        let occupied = directory.occupy().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let error = directory.occupy().unwrap_err().to_string();
        assert!(error.starts_with("another process works in `"), "{error}");
        drop(occupied);
        directory.occupy().unwrap();
    }

    #[test]
    fn checkpoints_are_sorted_by_step_and_pruned() {
        let folder = tempfile::tempdir().unwrap();
        let directory = RunDirectory::new(folder.path()).unwrap();
        let kept_after = |step, best| {
            let fill = |folder: &Path| whole_file::write(&folder.join("x"), b"");
            directory.write_checkpoint(step, Kept { newest: 2, best }, fill).unwrap();
            let there = directory.checkpoints().unwrap();
            there.iter().map(|checkpoint| checkpoint.step).collect::<Vec<_>>()
        };
        for (step, best, expected) in [
            (2, None, &[2][..]),
            (10, None, &[2, 10]),
            (30, None, &[10, 30]),
            (40, Some(10), &[10, 30, 40]),
            (50, Some(10), &[10, 40, 50]),
            (60, Some(60), &[50, 60]),
        ] {
            assert_eq!(kept_after(step, best), expected, "after {step}");
        }
    }

    #[test]
    fn a_rewind_cuts_metrics_and_later_epochs() {
        let folder = tempfile::tempdir().unwrap();
        let directory = RunDirectory::new(folder.path()).unwrap();
        for number in 0..5 {
            directory.append_step(&step(number)).unwrap();
        }
        for epoch in 0..3 {
            let selection = Selection { epoch, ..Selection::default() };
            directory.write_selection(&selection, &[]).unwrap();
        }
        let lost = |step| directory.rewind(step, 1).unwrap_err().to_string();
        assert!(lost(7).contains("has 5 whole lines, expected 7"), "{}", lost(7));
        assert!(lost(7).contains("hint: put the file back"), "{}", lost(7));
        for step in [4, 7] {
            directory.write_checkpoint(step, Kept { newest: 2, best: None }, |_| Ok(())).unwrap();
        }
        let said = lost(7);
        assert!(
            said.contains("step-7` to go on from step 4") && !said.contains("step-4"),
            "{said}"
        );
        directory.rewind(3, 1).unwrap();
        let steps: Vec<StepRecord> = read_json_lines(&directory.metrics_path()).unwrap();
        assert_eq!(steps.len(), 3);
        assert!(directory.epoch_path(0).exists() && !directory.epoch_path(1).exists());
    }
}
