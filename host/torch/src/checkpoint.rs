//! What is trained, and the optimizer's state, on disk, bit for bit, so that a run goes on as if it had not stopped.
//!
//! `weights.safetensors` and `optimizer.safetensors` hold tensors as they are in memory; `learner.json`
//! is written last and says how many steps were done. Of several ranks each writes the moments of what it owns,
//! all but the first into an `optimizer-RANK.safetensors`; any number of ranks reads that, each what it owns.

use crate::optim::AdamW;
use crate::precision::Precision;
use crate::share::Share;
use crate::tensor_file::{self, Content, TensorFile};
use crate::trainable::Trainable;
use iterit_core::{Error, Result, whole_file};
use serde::{Deserialize, Serialize};
use std::path::Path;
use tch::Tensor;

const WEIGHTS: &str = "weights.safetensors";
const OPTIMIZER: &str = "optimizer";
const STATE: &str = "learner.json";

/// What is not a tensor.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    /// Of this layout.
    version: u32,
    dtype: String,
    /// Optimizer steps done; with none there are no moments yet.
    steps: u64,
}

const VERSION: u32 = 1;

/// Writes everything into a folder; a rank that is not the first its moments alone.
pub(crate) fn save(
    folder: &Path,
    trainable: &Trainable,
    optimizer: Option<(&Trainable, &AdamW)>,
    precision: Precision,
    share: Share,
) -> Result<()> {
    if let Some((owned, optimizer)) = optimizer {
        let moments = moments(owned, optimizer);
        let named: Vec<_> =
            moments.iter().map(|(name, tensor)| (name.as_str(), Content::Tensor(tensor))).collect();
        tensor_file::write(&folder.join(optimizer_file(share.rank)), &named)?;
    }
    if share.rank > 0 {
        return Ok(());
    }
    let named: Vec<_> =
        trainable.iter().map(|it| (it.name.as_str(), Content::Tensor(&it.tensor))).collect();
    tensor_file::write(&folder.join(WEIGHTS), &named)?;
    let steps = optimizer.map_or(0, |(_, optimizer)| optimizer.steps);
    let state = State { version: VERSION, dtype: precision.to_string(), steps };
    whole_file::write_json(&folder.join(STATE), &state)
}

/// Where a rank's moments lie.
fn optimizer_file(rank: usize) -> String {
    match rank {
        0 => format!("{OPTIMIZER}.safetensors"),
        rank => format!("{OPTIMIZER}-{rank:05}.safetensors"),
    }
}

/// Copies what [`save`] wrote into weights and moments that are there already. `optimizer` makes
/// fresh moments of what is owned, and is called only when there are some to take back.
pub(crate) fn restore(
    folder: &Path,
    trainable: &Trainable,
    owned: &Trainable,
    precision: Precision,
    optimizer: impl FnOnce() -> AdamW,
) -> Result<Option<AdamW>> {
    let state = read_state(folder, precision)?;
    let weights = TensorFile::open(&folder.join(WEIGHTS))?;
    let expected = trainable.iter().map(|it| (it.name.as_str(), &it.tensor));
    let weights = read_all(std::slice::from_ref(&weights), expected)?;
    let restored = if state.steps == 0 {
        None
    } else {
        let mut optimizer = optimizer();
        let files = optimizer_files(folder)?;
        let places = moments(owned, &optimizer);
        let values =
            read_all(&files, places.iter().map(|(name, tensor)| (name.as_str(), *tensor)))?;
        copy(places.into_iter().map(|(_, tensor)| tensor), &values);
        optimizer.steps = state.steps;
        Some(optimizer)
    };
    // Only now that everything has been read and found right.
    copy(trainable.iter().map(|it| &it.tensor), &weights);
    Ok(restored)
}

fn read_state(folder: &Path, precision: Precision) -> Result<State> {
    let path = folder.join(STATE);
    let text = std::fs::read(&path).map_err(Error::io("read", &path))?;
    let state: State =
        serde_json::from_slice(&text).map_err(|error| Error::file(&path, error.to_string()))?;
    if state.version != VERSION {
        let found = state.version;
        let message = format!("checkpoint version {found}: this program reads {VERSION}");
        return Err(Error::file(&path, message));
    }
    if state.dtype != precision.to_string() {
        let message = format!("the checkpoint's dtype is {}, the run's {precision}", state.dtype);
        return Err(Error::file(&path, message));
    }
    Ok(state)
}

/// Moments under names as torch gives them; scales of those in codes beside them.
fn moments<'a>(trainable: &Trainable, optimizer: &'a AdamW) -> Vec<(String, &'a Tensor)> {
    let mut named = Vec::new();
    for (moment, all) in [("exp_avg", &optimizer.exp_avgs), ("exp_avg_sq", &optimizer.exp_avg_sqs)]
    {
        for (parameter, kept) in trainable.iter().zip(all) {
            let name = |end| format!("{moment}{end}.{}", parameter.name);
            named.extend(kept.tensors().map(|(end, tensor)| (name(end), tensor)));
        }
    }
    named
}

/// The moments of all ranks that there were.
fn optimizer_files(folder: &Path) -> Result<Vec<TensorFile>> {
    let mut files = vec![TensorFile::open(&folder.join(optimizer_file(0)))?];
    for rank in 1.. {
        let path = folder.join(optimizer_file(rank));
        if !path.exists() {
            break;
        }
        files.push(TensorFile::open(&path)?);
    }
    Ok(files)
}

/// Every tensor that is expected, each from the file that has it.
fn read_all<'a>(
    files: &[TensorFile],
    expected: impl Iterator<Item = (&'a str, &'a Tensor)>,
) -> Result<Vec<Tensor>> {
    expected
        .map(|(name, like)| {
            // Where none has it, the first says so.
            let file = files.iter().find(|it| it.info(name).is_some()).unwrap_or(&files[0]);
            let found = file.read(name)?;
            if found.size() != like.size() || found.kind() != like.kind() {
                let [found, expected] = [&found, like].map(|tensor| (tensor.kind(), tensor.size()));
                let message = format!("tensor `{name}` is {found:?}: expected {expected:?}");
                return Err(Error::file(file.path(), message));
            }
            Ok(found)
        })
        .collect()
}

fn copy<'a>(into: impl Iterator<Item = &'a Tensor>, from: &[Tensor]) {
    let _no_grad = tch::no_grad_guard();
    for (place, values) in into.zip(from) {
        place.shallow_clone().copy_(values);
    }
}
