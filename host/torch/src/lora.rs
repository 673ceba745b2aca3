//! Adapters of a model whose own weights are frozen: which linear layers have one, how they start, and the
//! model that computes with them. LoRA, <https://arxiv.org/abs/2106.09685>, with the names and the
//! arithmetic of PEFT.

mod experts;
mod peft;
mod folder;

pub(crate) use folder::LayerNames;

use crate::keeping::PackedMatrices;
use crate::layers::dropout::TokenKeys;
use crate::layers::laid_out::LaidOut;
use crate::layers::linear::{LinearKind, Matrix};
use crate::layers::low_rank::LowRank;
use crate::layers::{LinearLayer, Role, Supply};
use crate::models::decoder::{AskedLinear, Decoder};
use crate::models::shape::DecoderShape;
use crate::parameters::{self, Weights};
use crate::trainable::Trainable;
use iterit_core::{Error, Result};
use peft::PeftConfig;
use std::collections::HashMap;
use tch::{Device, Kind, Tensor};

/// How adapters start.
///
/// ```
/// use iterit_torch::{LoraInit, LoraOptions, Targets};
/// let lora = LoraOptions {
///     rank: 16,
///     alpha: 32.0,
///     targets: Targets::Named(vec!["q_proj".into(), "v_proj".into()]),
///     rank_stabilized: false,
///     init: LoraInit::Kaiming,
/// };
/// assert_eq!(lora.alpha / lora.rank as f64, 2.0);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct LoraOptions {
    /// R: the rows of A, the columns of B.
    pub rank: usize,
    /// What the product is scaled by, over R or over √R.
    pub alpha: f64,
    /// Which layers have an adapter.
    pub targets: Targets,
    /// α / √R in place of α / R, <https://arxiv.org/abs/2312.03732>.
    pub rank_stabilized: bool,
    /// What A is drawn from; B is zero.
    pub init: LoraInit,
}

/// Which linear layers have an adapter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Targets {
    /// All but the head, and those whose adapters PEFT does not load.
    AllLinear,
    /// Those whose name is one of these, or ends in it behind a dot.
    Named(Vec<String>),
}

/// What A is drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoraInit {
    /// Evenly from −1/√In to 1/√In: Kaiming's with a = √5, PEFT's default.
    Kaiming,
    /// Normally, with a deviation of 1/R.
    Gaussian,
}

/// The adapters of a model.
pub(crate) struct Adapters {
    layers: Vec<Adapter>,
    by_name: HashMap<String, usize>,
    /// As PEFT describes them all.
    config: PeftConfig,
}

/// The adapter of one layer.
struct Adapter {
    layer: AskedLinear,
    a: Tensor, // [R, In], f32
    b: Tensor, // [Out, R], f32
    scale: f64,
}

impl Adapters {
    /// Adapters that change nothing yet, the same for the same seed.
    ///
    /// # Errors
    /// A target that no layer is called by, or one whose adapter PEFT does not load.
    pub(crate) fn fresh(
        names: &LayerNames<'_>,
        options: &LoraOptions,
        device: Device,
        seed: u64,
    ) -> Result<Self> {
        let layers = targeted(names, &options.targets)?;
        let config = PeftConfig::new(options);
        let rank = options.rank as i64;
        let layers = parameters::drawing(seed.cast_signed(), || {
            let adapter = |layer: AskedLinear| {
                let [out_features, in_features] = layer.size;
                let a = drawn(options.init, [rank, in_features]).to_device(device);
                let b = Tensor::zeros([out_features, rank], (Kind::Float, device));
                let scale = config.scale(&layer.name, options.rank);
                Adapter { layer, a, b, scale }
            };
            layers.into_iter().map(adapter).collect()
        });
        Ok(Self::new(layers, config))
    }

    fn new(layers: Vec<Adapter>, config: PeftConfig) -> Self {
        let by_name = layers.iter().map(|it| it.layer.name.clone()).zip(0..).collect();
        Self { layers, by_name, config }
    }

    /// Over the same storage, with gradients of their own.
    fn apart(&self) -> Self {
        let apart = |adapter: &Adapter| {
            let [a, b] = [&adapter.a, &adapter.b].map(parameters::leaf_apart);
            Adapter { layer: adapter.layer.clone(), a, b, scale: adapter.scale }
        };
        Self::new(self.layers.iter().map(apart).collect(), self.config.clone())
    }

    /// All matrices, as PEFT calls them within their layer.
    pub(crate) fn trainable(&self) -> Trainable {
        let matrices = |adapter: &Adapter| {
            [("lora_A", &adapter.a), ("lora_B", &adapter.b)].map(|(part, tensor)| {
                let name = format!("{}.{part}.weight", adapter.layer.name);
                (name, tensor.shallow_clone(), Role::Weight)
            })
        };
        Trainable::new(self.layers.iter().flat_map(matrices))
    }

    /// The rank that a layer's adapter has; 0 where it has none.
    pub(crate) fn rank_of(&self, layer: &str) -> u64 {
        self.by_name.get(layer).map_or(0, |&index| self.layers[index].a.size()[0] as u64)
    }

    /// The share of features that training drops before A.
    pub(crate) fn dropout(&self) -> f64 {
        self.config.dropout
    }

    /// Sets it.
    pub(crate) fn set_dropout(&mut self, rate: f64) {
        self.config.dropout = rate;
    }

    /// A weight of the model with what its adapter adds to it, in float32; without one as it is.
    fn merged(&self, name: &str, weight: &Tensor) -> Tensor {
        let layer = name.strip_suffix(".weight").unwrap_or(name);
        let Some(low_rank) = self.low_rank(layer, None) else { return weight.shallow_clone() };
        let product = match self.layers[self.by_name[layer]].layer.kind {
            LinearKind::Conv1d => low_rank.product().tr(),
            LinearKind::Plain | LinearKind::Biased => low_rank.product(),
        };
        weight.to_kind(Kind::Float) + product
    }

    fn low_rank(&self, layer: &str, tokens: Option<&TokenKeys>) -> Option<LowRank> {
        let adapter = &self.layers[*self.by_name.get(layer)?];
        Some(LowRank {
            a: adapter.a.shallow_clone(),
            b: adapter.b.shallow_clone(),
            scale: adapter.scale,
            dropout: tokens.map(|tokens| tokens.of_layer(layer)),
        })
    }
}

/// What a model is put together from.
#[derive(Clone, Copy)]
pub(crate) struct Model<'a> {
    pub(crate) shape: &'a DecoderShape,
    pub(crate) weights: &'a Weights,
    pub(crate) packed: &'a PackedMatrices,
    pub(crate) adapters: Option<&'a Adapters>,
}

impl Model<'_> {
    /// The model as it is asked; or, where tokens have keys, as it is trained on them, its adapters
    /// dropping out what the keys say.
    pub(crate) fn decoder(self, tokens: Option<&TokenKeys>) -> Decoder {
        Decoder::new(self.shape, &mut Parts { model: self, tokens })
    }

    /// The same model to be asked many times: with its matrices laid out for their products.
    pub(crate) fn decoder_for_many(self) -> Decoder {
        let parts = Parts { model: self, tokens: None };
        Decoder::new(self.shape, &mut LaidOutParts(parts)).with_head_for_many()
    }

    /// A weight by its name in the checkpoint, with what its adapter adds to it.
    pub(crate) fn merged(self, name: &str) -> Tensor {
        let packed = self.packed.unpacked(name);
        let weight = packed.unwrap_or_else(|| self.weights.get(name).shallow_clone());
        self.adapters.map_or_else(|| weight.shallow_clone(), |all| all.merged(name, &weight))
    }
}

/// What is trained of a model, over the same storage, with gradients of its own: what one thread adds to
/// while others add to theirs.
pub(crate) struct Apart(Own, Trainable);

enum Own {
    Weights(Weights),
    Adapters(Adapters),
}

impl Model<'_> {
    /// Its trained leaves a second time.
    pub(crate) fn apart(&self) -> Apart {
        match self.adapters {
            Some(adapters) => {
                let own = adapters.apart();
                let trainable = own.trainable();
                Apart(Own::Adapters(own), trainable)
            }
            None => {
                let own = self.weights.apart();
                let trainable = Trainable::whole(&own, self.shape);
                Apart(Own::Weights(own), trainable)
            }
        }
    }
}

impl Apart {
    /// The weights, where they are what is trained.
    pub(crate) fn weights(&self) -> Option<&Weights> {
        match &self.0 {
            Own::Weights(weights) => Some(weights),
            Own::Adapters(_) => None,
        }
    }

    /// The adapters, where they are.
    pub(crate) fn adapters(&self) -> Option<&Adapters> {
        match &self.0 {
            Own::Weights(_) => None,
            Own::Adapters(adapters) => Some(adapters),
        }
    }

    /// The gradients, in the order of what is trained; undefined where there is none.
    pub(crate) fn into_gradients(self) -> Vec<Tensor> {
        self.1.iter().map(|parameter| parameter.tensor.grad()).collect()
    }
}

struct Parts<'a> {
    model: Model<'a>,
    tokens: Option<&'a TokenKeys>,
}

impl Supply for Parts<'_> {
    fn tensor(&mut self, name: &str, _: &[i64], _: Role) -> Tensor {
        self.model.weights.get(name).shallow_clone()
    }

    fn matrix(&mut self, layer: LinearLayer<'_>) -> Matrix {
        match self.model.packed.of_layer(layer.name) {
            Some(packed) => Matrix::Packed(packed.share()),
            None => Matrix::Plain(self.model.weights.get(&layer.weight()).shallow_clone()),
        }
    }

    fn low_rank(&mut self, layer: LinearLayer<'_>) -> Option<LowRank> {
        self.model.adapters?.low_rank(layer.name, self.tokens)
    }
}

/// The same, with whatever is stored in 32 bits laid out.
struct LaidOutParts<'a>(Parts<'a>);

impl Supply for LaidOutParts<'_> {
    fn tensor(&mut self, name: &str, shape: &[i64], role: Role) -> Tensor {
        self.0.tensor(name, shape, role)
    }

    fn matrix(&mut self, layer: LinearLayer<'_>) -> Matrix {
        let matrix = self.0.matrix(layer);
        let Matrix::Plain(weight) = &matrix else { return matrix };
        let upright = match layer.kind {
            LinearKind::Conv1d => weight.tr(),
            LinearKind::Plain | LinearKind::Biased => weight.shallow_clone(),
        };
        LaidOut::new(&upright).map_or(matrix, Matrix::LaidOut)
    }

    fn low_rank(&mut self, layer: LinearLayer<'_>) -> Option<LowRank> {
        self.0.low_rank(layer)
    }
}

/// The layers that have an adapter.
fn targeted(model: &LayerNames<'_>, targets: &Targets) -> Result<Vec<AskedLinear>> {
    let mut layers = model.shape.walk().linears;
    let Targets::Named(names) = targets else {
        layers.retain(|layer| !model.is_left_out(layer));
        return Ok(layers);
    };
    let is = |layer: &AskedLinear, name: &str| {
        layer.name.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    let unknown: Vec<String> = names
        .iter()
        .filter(|name| !layers.iter().any(|layer| is(layer, name)))
        .map(|name| format!("`{name}`"))
        .collect();
    if !unknown.is_empty() || names.is_empty() {
        let asked = if names.is_empty() { "nothing".into() } else { unknown.join(", ") };
        let known = last_parts(&layers).join("`, `");
        return Err(Error::Model(format!(
            "train.lora.targets names {asked}, and no linear layer of this model is called that\n\
             hint: its layers are `{known}`, or \"all-linear\" for all of them; the head has no adapter"
        )));
    }
    layers.retain(|layer| names.iter().any(|name| is(layer, name)));
    let left_out: Vec<&AskedLinear> = layers.iter().filter(|it| model.is_left_out(it)).collect();
    if let [first, ..] = left_out[..] {
        let model_type = model.model_type;
        return Err(Error::Model(format!(
            "train.lora.targets names {} layers, `{}` the first, whose adapters PEFT does not load: of \
             `{model_type}` it takes what is called so for the stacked experts\n\
             hint: name layers of attention, or \"all-linear\", which leaves these out",
            left_out.len(),
            first.name
        )));
    }
    Ok(layers)
}

/// What layers are called within their blocks, each once.
fn last_parts(layers: &[AskedLinear]) -> Vec<&str> {
    let mut parts: Vec<&str> = Vec::new();
    for layer in layers {
        let part = layer.last_part();
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    parts
}

fn drawn(init: LoraInit, size: [i64; 2]) -> Tensor {
    let on_cpu = (Kind::Float, Device::Cpu);
    let [rank, in_features] = size;
    match init {
        LoraInit::Kaiming => {
            let bound = 1.0 / (in_features as f64).sqrt();
            Tensor::empty(size, on_cpu).uniform_(-bound, bound)
        }
        LoraInit::Gaussian => Tensor::randn(size, on_cpu) / rank as f64,
    }
}

#[cfg(test)]
mod tests;
