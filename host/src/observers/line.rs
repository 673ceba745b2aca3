//! What programs are told, a line of JSON each; `configs/README.md` shows them.

use iterit_core::config::Config;
use iterit_core::metrics::{self, Metric};
use iterit_core::record::{EpochRecord, Evaluation, RunManifest, StepRecord};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf, absolute};
use std::time::{SystemTime, UNIX_EPOCH};

/// Raised when a line loses a field or a field its meaning.
const VERSION: u32 = 1;

/// What is known of a run before its first step, or the first one after a resume.
pub(crate) struct Beginning {
    /// Where programs leave what they print.
    pub(super) logs: PathBuf,
    /// The programs.
    pub(super) commands: Vec<String>,
    /// The first line.
    pub(super) line: String,
}

impl Beginning {
    /// Of the run of this name in this folder that has done so many steps.
    pub(crate) fn new(
        name: &str,
        folder: &Path,
        config: &Config,
        manifest: &RunManifest,
        step: u64,
    ) -> Self {
        let folder = absolute(folder).unwrap_or_else(|_| folder.to_path_buf());
        let keys: Map<String, Value> = config.by_key().into_iter().collect();
        let what = json!({
            "version": VERSION,
            "name": name,
            "folder": folder.to_string_lossy(),
            "iterit": manifest.iterit,
            "step": step,
            "epochs": manifest.epochs,
            "total_steps": manifest.total_steps,
            "config": keys,
        });
        Self {
            logs: folder.join("observers"),
            commands: config.output.observers.clone(),
            line: line("begin", what),
        }
    }
}

pub(super) fn step(record: &StepRecord) -> String {
    let metrics = named(metrics::of_step(record));
    let at = json!({"step": record.step, "epoch": record.epoch});
    line("step", with(at, json!({"metrics": metrics, "record": record})))
}

pub(super) fn evaluation(record: &Evaluation) -> String {
    let metrics = named(metrics::of_evaluation(record));
    let at = json!({"step": record.step.saturating_sub(1), "epoch": record.epoch});
    line("evaluation", with(at, json!({"metrics": metrics, "record": record})))
}

pub(super) fn epoch(record: &EpochRecord) -> String {
    let metrics = named(metrics::of_epoch(record));
    // Where its last step stands, as in TensorBoard.
    let at = json!({"step": record.steps.saturating_sub(1), "epoch": record.epoch});
    line("epoch", with(at, json!({"metrics": metrics, "record": record})))
}

pub(super) fn end(outcome: &str) -> String {
    line("end", json!({"outcome": outcome}))
}

fn line(event: &str, more: Value) -> String {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    with(json!({"event": event, "time": since_1970.as_secs_f64()}), more).to_string()
}

fn named(metrics: Vec<Metric>) -> Map<String, Value> {
    metrics.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}

fn with(mut object: Value, more: Value) -> Value {
    if let (Some(object), Value::Object(more)) = (object.as_object_mut(), more) {
        object.extend(more);
    }
    object
}
