//! An adapter's folder in PEFT's layout: `adapter_config.json` and `adapter_model.safetensors`.
//!
//! An adapter that PEFT would load and that would change nothing is no adapter: names that match no layer,
//! a B of zeros in every layer. Neither is read or written in silence.

use super::peft::PeftConfig;
use super::{Adapter, Adapters, experts};
use crate::models::decoder::AskedLinear;
use crate::models::shape::DecoderShape;
use crate::tensor_file::{self, Content, TensorFile};
use iterit_core::{Error, Result, whole_file};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;
use tch::{Device, Kind, Tensor};

const CONFIG: &str = "adapter_config.json";
const WEIGHTS: &str = "adapter_model.safetensors";

/// Before the name of a layer in transformers.
const PREFIX: &str = "base_model.model.";

/// Behind it.
const PARTS: [&str; 2] = [".lora_A.weight", ".lora_B.weight"];

/// How many faults of one kind are listed.
const FAULTS_SHOWN: usize = 10;

/// What a decoder's layers are called in transformers. A checkpoint may keep them under another prefix.
pub(crate) struct LayerNames<'a> {
    pub(crate) shape: &'a DecoderShape,
    /// What the names of transformers begin with in place of the checkpoint's prefix.
    pub(crate) body: &'a str,
    /// What transformers calls the architecture of the whole.
    pub(crate) model_type: &'a str,
}

impl LayerNames<'_> {
    fn in_transformers(&self, layer: &str) -> String {
        let rest = layer.strip_prefix(&self.shape.names.body).unwrap_or(layer);
        format!("{}{rest}", self.body)
    }

    /// Whether PEFT would load a model without the adapter of this layer.
    pub(super) fn is_left_out(&self, layer: &AskedLinear) -> bool {
        experts::is_taken_for_experts(self.model_type, layer)
    }

    /// What is said where all linear layers but these have an adapter.
    pub(crate) fn remark(&self) -> Option<String> {
        let layers = self.shape.walk().linears;
        let left_out = layers.iter().filter(|layer| self.is_left_out(layer)).count();
        (left_out > 0).then(|| {
            format!(
                "\"all-linear\" leaves out {left_out} feed-forward layers beside the experts: PEFT takes \
                 their names for the stacked experts of `{}` and does not load what they are given",
                self.model_type
            )
        })
    }

    /// Whether there are other modules than these, of names unknown: those that see.
    fn is_part_of_more(&self) -> bool {
        self.body.contains("language_model")
    }
}

impl Adapters {
    /// Reads an adapter for a model.
    ///
    /// # Errors
    /// Everything in the two files that cannot be done or does not fit the model.
    pub(crate) fn read(folder: &Path, names: &LayerNames<'_>, device: Device) -> Result<Self> {
        let path = folder.join(CONFIG);
        let config = read_config(folder, &path)?;
        let path = folder.join(WEIGHTS);
        if !path.is_file() {
            let hint = match folder.join("adapter_model.bin").is_file() {
                true => "hint: adapter_model.bin is not read: load it with PEFT and save it again",
                false => "hint: a folder that PEFT's save_pretrained(…) wrote has it",
            };
            return Err(Error::file(folder, format!("there is no {WEIGHTS}\n{hint}")));
        }
        let file = TensorFile::open(&path)?;
        let known: BTreeMap<String, AskedLinear> = names
            .shape
            .walk()
            .linears
            .into_iter()
            .map(|layer| (names.in_transformers(&layer.name), layer))
            .collect();
        let faults = faults(&file, &known, &config, names);
        if !faults.is_empty() {
            return Err(Error::file(&path, faults.join("\n")));
        }
        // In the model's order.
        let mut layers = Vec::new();
        for layer in names.shape.walk().linears {
            let name = names.in_transformers(&layer.name);
            let stored = PARTS.map(|part| format!("{PREFIX}{name}{part}"));
            if file.info(&stored[0]).is_none() {
                continue;
            }
            let read = |stored: &String| -> Result<Tensor> {
                Ok(file.read(stored)?.to_kind(Kind::Float).to_device(device))
            };
            let (a, b) = (read(&stored[0])?, read(&stored[1])?);
            let scale = config.scale(&name, a.size()[0] as usize);
            layers.push(Adapter { layer, a, b, scale });
        }
        Ok(Self::new(layers, config))
    }

    /// Writes the adapter for others to load beside `base`.
    ///
    /// # Errors
    /// An adapter that changes nothing.
    pub(crate) fn write(&self, folder: &Path, names: &LayerNames<'_>, base: &str) -> Result<()> {
        self.refuse_nothing()?;
        let layers: Vec<(String, &AskedLinear)> = self
            .layers
            .iter()
            .map(|it| (names.in_transformers(&it.layer.name), &it.layer))
            .collect();
        let mut tensors = Vec::new();
        for ((name, _), adapter) in layers.iter().zip(&self.layers) {
            for (part, tensor) in PARTS.into_iter().zip([&adapter.a, &adapter.b]) {
                tensors.push((format!("{PREFIX}{name}{part}"), Content::Tensor(tensor)));
            }
        }
        let contents: Vec<_> = tensors.iter().map(|(name, it)| (name.as_str(), *it)).collect();
        tensor_file::write(&folder.join(WEIGHTS), &contents)?;
        let targets = targets(names, &layers);
        let config = self.config.to_json(base, &layers, &targets);
        whole_file::write_json(&folder.join(CONFIG), &config)
    }

    /// B starts at zero, and an adapter whose every B is still zero adds nothing.
    fn refuse_nothing(&self) -> Result<()> {
        let is_zero = |adapter: &Adapter| adapter.b.count_nonzero(None).int64_value(&[]) == 0;
        if self.layers.iter().all(is_zero) {
            return Err(Error::Model(
                "every lora_B is zero, so that the adapter would change nothing\n\
                 hint: train at least one step, at a rate above 0"
                    .into(),
            ));
        }
        Ok(())
    }
}

fn read_config(folder: &Path, path: &Path) -> Result<PeftConfig> {
    if !path.is_file() {
        let hint = match folder.join("config.json").is_file() {
            true => "this is a model: --model names it",
            false => "name a folder that PEFT's save_pretrained(…) wrote, or a run's model/",
        };
        let message = format!("there is no {CONFIG}, expected an adapter\nhint: {hint}");
        return Err(Error::file(folder, message));
    }
    let text = std::fs::read(path).map_err(Error::io("read", path))?;
    let fields: Map<String, Value> =
        serde_json::from_slice(&text).map_err(|error| Error::file(path, error.to_string()))?;
    PeftConfig::parse(&fields).map_err(|faults| Error::file(path, faults.join("\n")))
}

/// What of the file does not fit the model's layers.
fn faults(
    file: &TensorFile,
    layers: &BTreeMap<String, AskedLinear>,
    config: &PeftConfig,
    model: &LayerNames<'_>,
) -> Vec<String> {
    let (mut unknown, mut wrong) = (Vec::new(), Vec::new());
    for stored in file.names() {
        let layer = PARTS.iter().find_map(|part| stored.strip_prefix(PREFIX)?.strip_suffix(part));
        let Some((name, layer)) = layer.and_then(|name| layers.get_key_value(name)) else {
            unknown.push(format!("tensor `{stored}` belongs to no linear layer of this model"));
            continue;
        };
        if model.is_left_out(layer) {
            wrong.push(format!("tensor `{stored}` is one that PEFT does not load into this model"));
        }
        let is_a = stored.ends_with(PARTS[0]);
        let other = format!("{PREFIX}{name}{}", PARTS[usize::from(is_a)]);
        if file.info(&other).is_none() {
            wrong.push(format!("tensor `{other}` is missing"));
        }
        let ([out_features, in_features], rank) = (layer.size, config.rank_of(name) as i64);
        let expected = if is_a { [rank, in_features] } else { [out_features, rank] };
        let found = file.info(&stored).map(|info| info.shape.as_slice()).unwrap_or_default();
        if !found.iter().copied().eq(expected.map(|size| size as usize)) {
            wrong.push(format!("tensor `{stored}` has shape {found:?}: expected {expected:?}"));
        } else if !file.is_readable(&stored) {
            wrong.push(format!("tensor `{stored}` is not stored as F32, BF16, F16 or F64"));
        }
    }
    let matches_nothing = unknown.len() == file.names().len();
    let mut faults: Vec<String> = [unknown, wrong].into_iter().flat_map(shorten).collect();
    if matches_nothing {
        faults.push(
            "no tensor belongs to this model, so that the adapter would change nothing\n\
             hint: it was made for another model, or is of another kind than LoRA"
                .into(),
        );
    }
    faults
}

fn shorten(mut faults: Vec<String>) -> Vec<String> {
    let more = faults.len().saturating_sub(FAULTS_SHOWN);
    faults.truncate(FAULTS_SHOWN);
    if more > 0 {
        faults.push(format!("and {more} more like it"));
    }
    faults
}

/// What PEFT finds these layers by, and no others: the ends of their names where those say enough.
fn targets(names: &LayerNames<'_>, layers: &[(String, &AskedLinear)]) -> Vec<String> {
    let last = |name: &str| name.rsplit('.').next().unwrap_or(name).to_owned();
    let mut ends: Vec<String> = layers.iter().map(|(name, _)| last(name)).collect();
    ends.sort();
    ends.dedup();
    let all = names.shape.walk().linears;
    let found = all.iter().filter(|layer| ends.contains(&last(&layer.name))).count();
    if found == layers.len() && !names.is_part_of_more() {
        ends
    } else {
        layers.iter().map(|(name, _)| name.clone()).collect()
    }
}
