//! Weights out of a Hugging Face folder and back into one: `model.safetensors`, or shards with
//! `model.safetensors.index.json`. Every fault of a folder is named at once.

use crate::models::names::Names;
use crate::parameters::Parameters;
use crate::tensor_file::{self, TensorFile};
use iterit_core::{Error, Result, whole_file};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use tch::{Device, Kind, Tensor};

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// Files above this many bytes are split, as Hugging Face does.
pub(crate) const SHARD_BYTES: u64 = 5_000_000_000;

/// How many faults of one kind are listed.
const FAULTS_SHOWN: usize = 20;

/// Reads the weights a model needs, given by name and shape, one tensor at a time.
pub(crate) fn load(
    folder: &Path,
    expected: &[(String, Vec<i64>)],
    kind: Kind,
    device: Device,
) -> Result<Parameters> {
    let shards = open(folder)?;
    let faults = faults(&shards, expected);
    if !faults.is_empty() {
        return Err(Error::file(folder, faults.join("\n")));
    }
    let holder: BTreeMap<String, &TensorFile> = shards
        .iter()
        .flat_map(|shard| shard.names().into_iter().map(move |name| (name, shard)))
        .collect();
    let read = |(name, _): &(String, Vec<i64>)| {
        let tensor = holder[name].read(name)?;
        Ok((name.clone(), tensor.to_kind(kind).to_device(device)))
    };
    let named: Vec<(String, Tensor)> = expected.iter().map(read).collect::<Result<_>>()?;
    Ok(Parameters::new(named))
}

/// Where the weights of a folder lie that might lie in several places.
pub(crate) fn find_names(folder: &Path, names: &Names) -> Result<Names> {
    let shards = open(folder)?;
    Ok(names.found(|name| shards.iter().any(|shard| shard.info(name).is_some())))
}

/// Writes weights into one file, or into shards of at most `shard_bytes` with an index.
pub(crate) fn save(
    folder: &Path,
    parameters: &Parameters,
    kind: Kind,
    shard_bytes: u64,
) -> Result<()> {
    let shards = cut(parameters, kind, shard_bytes);
    let count = shards.len();
    if count == 1 {
        return save_shard(&folder.join(SINGLE), &shards[0], kind);
    }
    let mut weight_map = serde_json::Map::new();
    let mut total_size = 0;
    for (number, shard) in (1..).zip(&shards) {
        let file = format!("model-{number:05}-of-{count:05}.safetensors");
        save_shard(&folder.join(&file), shard, kind)?;
        for &(name, tensor) in shard {
            weight_map.insert(name.into(), json!(file));
            total_size += num_bytes(tensor, kind);
        }
    }
    let index = json!({"metadata": {"total_size": total_size}, "weight_map": weight_map});
    whole_file::write_json(&folder.join(INDEX), &index)
}

type Shard<'a> = Vec<(&'a str, &'a Tensor)>;

/// Fills shards in the model's order; a tensor above the limit has one of its own.
fn cut(parameters: &Parameters, kind: Kind, shard_bytes: u64) -> Vec<Shard<'_>> {
    let mut shards: Vec<Shard<'_>> = vec![Vec::new()];
    let mut filled = 0;
    for (name, tensor) in parameters.iter() {
        let size = num_bytes(tensor, kind);
        let last = shards.last().expect("there is always one");
        if !last.is_empty() && filled + size > shard_bytes {
            shards.push(Vec::new());
            filled = 0;
        }
        shards.last_mut().expect("there is always one").push((name, tensor));
        filled += size;
    }
    shards
}

/// Casts on the way to the disk, so that only one shard is in memory twice, and only where it must.
fn save_shard(path: &Path, shard: &Shard<'_>, kind: Kind) -> Result<()> {
    let _no_grad = tch::no_grad_guard();
    let cast: Vec<Tensor> = shard.iter().map(|(_, tensor)| tensor.to_kind(kind)).collect();
    let named: Vec<(&str, &Tensor)> =
        shard.iter().zip(&cast).map(|((name, _), tensor)| (*name, tensor)).collect();
    tensor_file::write(path, &named)
}

fn num_bytes(tensor: &Tensor, kind: Kind) -> u64 {
    (tensor.numel() * kind.elt_size_in_bytes()) as u64
}

/// Opens all files of a folder, having checked that the index, if any, agrees with them.
fn open(folder: &Path) -> Result<Vec<TensorFile>> {
    let (single, index) = (folder.join(SINGLE), folder.join(INDEX));
    if single.exists() {
        return Ok(vec![TensorFile::open(&single)?]);
    }
    if !index.exists() {
        let hint = if folder.join("pytorch_model.bin").exists() {
            "convert pytorch_model.bin with save_pretrained(safe_serialization=True)"
        } else {
            "--model takes a folder in Hugging Face's layout"
        };
        let message = format!("found neither {SINGLE} nor {INDEX}\nhint: {hint}");
        return Err(Error::file(folder, message));
    }
    let text = std::fs::read(&index).map_err(Error::io("read", &index))?;
    let value: Value =
        serde_json::from_slice(&text).map_err(|error| Error::file(&index, error.to_string()))?;
    let files = shard_names(&value).map_err(|fault| Error::file(&index, fault))?;
    files.iter().map(|file| TensorFile::open(&folder.join(file))).collect()
}

/// The files an index names; plain names only, so that a model cannot point out of its folder.
fn shard_names(index: &Value) -> Result<BTreeSet<String>, String> {
    let map = index["weight_map"].as_object().ok_or("expected an object under `weight_map`")?;
    map.iter()
        .map(|(name, file)| match file.as_str() {
            Some(file) if !file.contains(['/', '\\']) && file != ".." => Ok(file.to_owned()),
            _ => Err(format!("`weight_map`: `{name}`: expected a file name, found {file}")),
        })
        .collect()
}

/// Everything that is missing, unexpected, or of the wrong shape.
fn faults(shards: &[TensorFile], expected: &[(String, Vec<i64>)]) -> Vec<String> {
    let mut missing = Vec::new();
    let mut wrong = Vec::new();
    for (name, shape) in expected {
        let found = shards.iter().find_map(|shard| Some((shard, shard.info(name)?)));
        match found {
            None => missing.push(format!("tensor `{name}` is missing: expected shape {shape:?}")),
            Some((shard, info))
                if !info.shape.iter().copied().eq(shape.iter().map(|&n| n as usize)) =>
            {
                let file = shard.path().file_name().unwrap_or_default().to_string_lossy();
                wrong.push(format!(
                    "tensor `{name}` in {file} has shape {:?}: expected {shape:?}",
                    info.shape
                ));
            }
            Some(_) => {}
        }
    }
    let known: BTreeSet<&str> = expected.iter().map(|(name, _)| name.as_str()).collect();
    let unexpected = shards.iter().flat_map(|shard| {
        let file = shard.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        let names = shard.names().into_iter();
        names
            .filter(|name| !known.contains(name.as_str()) && !is_derived(name))
            .map(move |name| format!("tensor `{name}` in {file} is not part of this architecture"))
    });
    [missing, wrong, unexpected.collect()].into_iter().flat_map(shorten).collect()
}

/// Tensors that some checkpoints carry although the model computes them: a tied head, and the
/// rotary frequencies of early Llamas.
fn is_derived(name: &str) -> bool {
    name == "lm_head.weight" || name.ends_with(".rotary_emb.inv_freq")
}

fn shorten(mut faults: Vec<String>) -> Vec<String> {
    if faults.len() > FAULTS_SHOWN {
        let more = faults.len() - FAULTS_SHOWN;
        faults.truncate(FAULTS_SHOWN);
        faults.push(format!("and {more} more like this"));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::Parameters;

    fn parameters() -> Parameters {
        let tensor = |size: [i64; 2], start: f64| {
            let numbers = Tensor::arange(size[0] * size[1], (Kind::Double, Device::Cpu)) + start;
            numbers.to_kind(Kind::Float).view(size)
        };
        Parameters::new(
            [("a", [4, 2], 0.5), ("b", [3, 3], -7.0), ("c", [2, 2], 100.0)]
                .map(|(name, size, start)| (name.to_owned(), tensor(size, start))),
        )
    }

    fn shapes(parameters: &Parameters) -> Vec<(String, Vec<i64>)> {
        parameters.iter().map(|(name, tensor)| (name.to_owned(), tensor.size())).collect()
    }

    fn load_f32(folder: &Path, expected: &[(String, Vec<i64>)]) -> Result<Parameters> {
        load(folder, expected, Kind::Float, Device::Cpu)
    }

    #[test]
    fn one_file_or_shards_hold_the_same() {
        let parameters = parameters();
        // 32, 36 and 16 bytes.
        for (shard_bytes, files) in [(1000, 1), (70, 2), (36, 3), (1, 3)] {
            let folder = tempfile::tempdir().unwrap();
            save(folder.path(), &parameters, Kind::Float, shard_bytes).unwrap();
            let count = std::fs::read_dir(folder.path()).unwrap().count();
            assert_eq!(count, if files == 1 { 1 } else { files + 1 });
            let loaded = load_f32(folder.path(), &shapes(&parameters)).unwrap();
            for ((name, a), (_, b)) in parameters.iter().zip(loaded.iter()) {
                assert!(a == b && b.requires_grad() && b.is_leaf(), "{name}");
            }
        }
    }

    #[test]
    fn all_faults_are_named_at_once() {
        let folder = tempfile::tempdir().unwrap();
        save(folder.path(), &parameters(), Kind::Float, 70).unwrap();
        let expected: Vec<(String, Vec<i64>)> =
            vec![("a".into(), vec![4, 2]), ("b".into(), vec![3, 4]), ("d".into(), vec![7])];
        let message = load_f32(folder.path(), &expected).err().unwrap().to_string();
        for fault in [
            "tensor `d` is missing: expected shape [7]",
            "tensor `b` in model-00001-of-00002.safetensors has shape [3, 3]: expected [3, 4]",
            "tensor `c` in model-00002-of-00002.safetensors is not part of this architecture",
        ] {
            assert!(message.contains(fault), "{message}");
        }
    }

    #[test]
    fn a_folder_that_is_no_model_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let check = |fault: &str| {
            let message = load_f32(folder.path(), &[]).err().unwrap().to_string();
            assert!(message.contains(fault), "{message}");
        };
        check("found neither model.safetensors nor");
        std::fs::write(folder.path().join("pytorch_model.bin"), "").unwrap();
        check("hint: convert pytorch_model.bin");
        let index = folder.path().join(INDEX);
        for (text, fault) in [
            ("[", "EOF while parsing"),
            ("{}", "expected an object under `weight_map`"),
            (r#"{"weight_map": {"a": 1}}"#, "`a`: expected a file name, found 1"),
            (r#"{"weight_map": {"a": "../secret"}}"#, "expected a file name"),
            (r#"{"weight_map": {"a": "gone.safetensors"}}"#, "gone.safetensors"),
        ] {
            std::fs::write(&index, text).unwrap();
            check(fault);
        }
    }
}
