//! The weight files of a Hugging Face folder, `model.safetensors`, or shards with
//! `model.safetensors.index.json`: which tensor lies where, what is missing, and what is there beyond the
//! model. Every fault of a folder is named at once. Knows names and shapes, not what they are for.

use crate::tensor_file::{Content, TensorFile};
use iterit_core::{Error, Result};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tch::{Kind, Tensor};

pub(crate) const SINGLE: &str = "model.safetensors";
pub(crate) const INDEX: &str = "model.safetensors.index.json";

/// How many faults of one kind are listed.
const FAULTS_SHOWN: usize = 20;

/// How far a number may move, relatively, when it is kept in bfloat16.
const ROUNDING: f64 = 1.0 / 256.0;

/// What a model asks of a folder.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// Names and shapes.
    pub(crate) tensors: &'a [(String, Vec<i64>)],
    /// A tensor of these, and the name that it may have instead or too: embedding and head of a model
    /// that has one matrix for both.
    pub(crate) twins: Option<(&'a str, &'a str)>,
}

/// A folder's files, opened.
pub(crate) struct Stored {
    folder: PathBuf,
    shards: Vec<TensorFile>,
}

/// A folder's files as memory.
pub(crate) struct Maps(HashMap<PathBuf, Tensor>);

impl Stored {
    /// Opens all files of a folder, having checked that the index, if any, agrees with them.
    ///
    /// # Errors
    /// A folder without such files, or broken ones.
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let (single, index) = (folder.join(SINGLE), folder.join(INDEX));
        let shards = if single.exists() {
            vec![TensorFile::open(&single)?]
        } else if index.exists() {
            let text = std::fs::read(&index).map_err(Error::io("read", &index))?;
            let value: Value = serde_json::from_slice(&text)
                .map_err(|error| Error::file(&index, error.to_string()))?;
            let files = shard_names(&value).map_err(|fault| Error::file(&index, fault))?;
            files.iter().map(|file| TensorFile::open(&folder.join(file))).collect::<Result<_>>()?
        } else {
            let hint = hint_of_other_weights(folder);
            let message = format!("found neither {SINGLE} nor {INDEX}\nhint: {hint}");
            return Err(Error::file(folder, message));
        };
        Ok(Self { folder: folder.to_owned(), shards })
    }

    /// Whether a tensor is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// The shape of a tensor that is there.
    pub(crate) fn shape(&self, name: &str) -> Option<Vec<i64>> {
        let (shard, name) = self.find(name)?;
        Some(shard.info(&name)?.shape.iter().map(|&size| size as i64).collect())
    }

    /// Whether both tensors are there and hold different numbers.
    pub(crate) fn differ(&self, one: &str, other: &str) -> Result<bool> {
        let (Some((a, one)), Some((b, other))) = (self.find(one), self.find(other)) else {
            return Ok(false);
        };
        if a.same(&one, b, &other)? {
            return Ok(false);
        }
        let types = [a.info(&one), b.info(&other)].map(|info| info.map(|info| info.dtype));
        if types[0] == types[1] || !a.is_readable(&one) || !b.is_readable(&other) {
            return Ok(true);
        }
        let [a, b] = [a.read(&one)?, b.read(&other)?].map(|tensor| tensor.to_kind(Kind::Double));
        Ok(a.size() != b.size() || !a.equal(&b))
    }

    /// What is wrong with tensors that hold constants: `constants` are how their names end, and the
    /// numbers; as files round them.
    ///
    /// # Errors
    /// Those that hold something else.
    pub(crate) fn check_constants(&self, constants: &[(&'static str, f64)]) -> Result<()> {
        let mut faults = Vec::new();
        for shard in &self.shards {
            for name in shard.names() {
                let known = constants.iter().find(|(end, _)| name.ends_with(end));
                let Some((_, expected)) = known else { continue };
                let found = shard.read(&name)?.to_kind(Kind::Double).max().double_value(&[]);
                if (found - expected).abs() > ROUNDING * expected.abs() {
                    faults.push(format!(
                        "tensor `{name}` is {found}, which is not supported: expected {expected}"
                    ));
                }
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(Error::file(&self.folder, faults.join("\n"))) }
    }

    /// One tensor as it is stored, under its name or the one that stands in for it.
    pub(crate) fn read(&self, name: &str, wanted: &Wanted<'_>) -> Result<Tensor> {
        let (shard, stored) = self.find_either(name, wanted).expect("faults were asked for before");
        shard.read(&stored)
    }

    /// All files as memory, each by its path.
    pub(crate) fn map(&self) -> Maps {
        let map = |shard: &TensorFile| Some((shard.path().to_owned(), shard.map()?));
        Maps(self.shards.iter().filter_map(map).collect())
    }

    /// The same tensor in that memory, where it is stored in this type.
    pub(crate) fn mapped(
        &self,
        maps: &Maps,
        name: &str,
        wanted: &Wanted<'_>,
        kind: Kind,
    ) -> Option<Tensor> {
        let (shard, stored) = self.find_either(name, wanted)?;
        shard.mapped(maps.0.get(shard.path())?, &stored, kind)
    }

    /// Refuses a folder that lacks something, or has it in another shape or type.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(crate) fn check(&self, wanted: &Wanted<'_>) -> Result<()> {
        let (mut missing, mut wrong) = (Vec::new(), Vec::new());
        for (name, shape) in wanted.tensors {
            let Some((shard, stored)) = self.find_either(name, wanted) else {
                missing.push(format!("tensor `{name}` is missing: expected shape {shape:?}"));
                continue;
            };
            let info = shard.info(&stored).expect("it was found there");
            let file = shard.path().file_name().unwrap_or_default().to_string_lossy();
            if !info.shape.iter().copied().eq(shape.iter().map(|&n| n as usize)) {
                let found = &info.shape;
                wrong.push(format!(
                    "tensor `{stored}` in {file} has shape {found:?}: expected {shape:?}"
                ));
            } else if !shard.is_readable(&stored) {
                let found = info.dtype;
                wrong.push(format!(
                    "tensor `{stored}` in {file} is stored as {found}: expected F32, BF16, F16 or \
                     F64; quantized weights cannot be trained"
                ));
            }
        }
        let unexpected = match missing.is_empty() {
            true => Vec::new(),
            false => self.beyond(wanted).into_iter().map(|it| self.unexpected(it)).collect(),
        };
        let hint = self.hint_of_missing(&missing, wanted);
        let faults: Vec<String> =
            [missing, wrong, unexpected].into_iter().flat_map(shorten).chain(hint).collect();
        if faults.is_empty() { Ok(()) } else { Err(Error::file(&self.folder, faults.join("\n"))) }
    }

    /// The tensors that the model does not ask for, which an export carries along.
    pub(crate) fn into_extra(self, wanted: &Wanted<'_>) -> Extra {
        Extra { tensors: self.beyond(wanted), shards: Arc::new(self.shards) }
    }

    /// Shards and names of tensors that the model does not ask for.
    fn beyond(&self, wanted: &Wanted<'_>) -> Vec<(usize, String)> {
        let mut known: BTreeSet<String> = wanted
            .tensors
            .iter()
            .filter_map(|(name, _)| Some(self.find_either(name, wanted)?.1))
            .collect();
        known.extend(wanted.twins.into_iter().filter_map(|(_, twin)| Some(self.find(twin)?.1)));
        let mut tensors = Vec::new();
        for (index, shard) in self.shards.iter().enumerate() {
            for name in shard.names() {
                if !is_derived(&name) && known.insert(name.clone()) {
                    tensors.push((index, name));
                }
            }
        }
        tensors
    }

    fn unexpected(&self, (shard, name): (usize, String)) -> String {
        let file = self.shards[shard].path().file_name().unwrap_or_default().to_string_lossy();
        format!("tensor `{name}` in {file} is not part of this architecture")
    }

    fn find_either(&self, name: &str, wanted: &Wanted<'_>) -> Option<(&TensorFile, String)> {
        let twin = wanted.twins.filter(|(it, _)| *it == name).map(|(_, twin)| twin);
        self.find(name).or_else(|| self.find(twin?))
    }

    /// Where a tensor lies.
    fn find(&self, name: &str) -> Option<(&TensorFile, String)> {
        let shard = self.shards.iter().find(|shard| shard.info(name).is_some())?;
        Some((shard, name.to_owned()))
    }

    fn hint_of_missing(&self, missing: &[String], wanted: &Wanted<'_>) -> Option<String> {
        const HEAD: &str = "lm_head.weight";
        if missing.is_empty() {
            return None;
        }
        let names: Vec<String> = self.shards.iter().flat_map(TensorFile::names).collect();
        let all_begin = |prefix: &str| names.iter().all(|name| name.starts_with(prefix));
        let prefix = ["module.", "_orig_mod.", "_fsdp_wrapped_module.", "base_model.model."]
            .into_iter()
            .find(|prefix| !names.is_empty() && all_begin(prefix));
        if let Some(prefix) = prefix {
            return Some(format!(
                "hint: all names here begin with `{prefix}`, which a wrapper put there: unwrap the \
                 model before save_pretrained(…)"
            ));
        }
        let is_head_alone = missing.len() == 1
            && !self.has(HEAD)
            && wanted.tensors.iter().any(|(name, _)| name == HEAD);
        is_head_alone.then(|| {
            "hint: a model saved without its head, or with a classifier's, says nothing of the next \
             token; if the embedding is its head, set \"tie_word_embeddings\": true in config.json"
                .into()
        })
    }
}

/// Tensors of a folder beyond the model: they take no part in computing, and an export has them again.
#[derive(Default, Clone)]
pub(crate) struct Extra {
    shards: Arc<Vec<TensorFile>>,
    tensors: Vec<(usize, String)>,
}

impl Extra {
    /// Their names.
    pub(crate) fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.tensors.iter().map(|(_, name)| name.as_str())
    }

    /// Names, contents and sizes in bytes.
    pub(crate) fn contents(&self) -> impl Iterator<Item = (&str, Content<'_>, u64)> {
        self.tensors.iter().map(|(index, name)| {
            let shard = &self.shards[*index];
            (name.as_str(), Content::Stored(shard), shard.num_bytes(name))
        })
    }
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

/// What to do with a folder whose weights are of another kind.
fn hint_of_other_weights(folder: &Path) -> &'static str {
    let names: Vec<String> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    let any = |is: &dyn Fn(&str) -> bool| names.iter().any(|name| is(name));
    if any(&|name| name.starts_with("pytorch_model") && name.contains(".bin")) {
        "convert pytorch_model.bin: in Python, AutoModelForCausalLM.from_pretrained(FOLDER)\
         .save_pretrained(OTHER_FOLDER) writes safetensors"
    } else if any(&|name| name.starts_with("adapter_model")) {
        "these are an adapter's weights: name its base model here, and the adapter with \
         --set model.adapter=FOLDER"
    } else if any(&|name| name.ends_with(".gguf")) {
        "GGUF is not read: name the folder that it was converted from"
    } else if any(&|name| name.starts_with("consolidated")) {
        "these weights are in their maker's own layout: take the ones in Hugging Face's"
    } else if any(&|name| name.ends_with(".safetensors")) {
        "safetensors are there under another name: save the model again with save_pretrained(…)"
    } else {
        "--model takes a folder in Hugging Face's layout"
    }
}

/// Tensors that some checkpoints carry although the model computes them: rotary frequencies of early
/// Llamas, causal masks of GPT-2 and GPT-NeoX.
fn is_derived(name: &str) -> bool {
    [".rotary_emb.inv_freq", ".attn.bias", ".attn.masked_bias", ".attention.bias", ".masked_bias"]
        .iter()
        .any(|end| name.ends_with(end))
}

fn shorten(mut faults: Vec<String>) -> Vec<String> {
    if faults.len() > FAULTS_SHOWN {
        let more = faults.len() - FAULTS_SHOWN;
        faults.truncate(FAULTS_SHOWN);
        faults.push(format!("and {more} more like this"));
    }
    faults
}
