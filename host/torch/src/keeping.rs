//! How a model's tensors are kept: in which type, on which device, and the matrices of its linear layers
//! perhaps in few bits. A tensor is packed as soon as it is read, so that a model of which only the codes
//! fit into memory can be loaded.

use crate::layers::linear::LinearKind;
use crate::layers::packed::{Packed, Packing};
use crate::models::decoder::AskedLinear;
use crate::models::shape::DecoderShape;
use crate::parameters::Weights;
use std::collections::{HashMap, HashSet};
use tch::{Device, Kind, Tensor};

/// How the tensors of a model are kept.
pub(crate) struct Keeping {
    pub(crate) kind: Kind,
    pub(crate) device: Device,
    /// Of the matrices of linear layers, where they are frozen.
    pub(crate) packing: Option<Packing>,
}

impl Keeping {
    /// The type in which a stored tensor is kept as it is, so that it can stay in its file.
    pub(crate) fn mapped(&self) -> Option<Kind> {
        (self.device == Device::Cpu).then_some(self.kind)
    }
}

/// The matrices that are kept in few bits.
#[derive(Default)]
pub(crate) struct PackedMatrices {
    /// By the name of the layer; with how it lies in the checkpoint.
    by_layer: HashMap<String, (Packed, LinearKind)>,
}

impl PackedMatrices {
    /// That of a layer.
    pub(crate) fn of_layer(&self, layer: &str) -> Option<&Packed> {
        self.by_layer.get(layer).map(|(packed, _)| packed)
    }

    /// What the matrix of this name stands for, as it lies in the checkpoint, in float32.
    pub(crate) fn unpacked(&self, name: &str) -> Option<Tensor> {
        let (packed, kind) = self.by_layer.get(name.strip_suffix(".weight")?)?;
        let upright = packed.unpacked(Kind::Float);
        Some(match kind {
            LinearKind::Conv1d => upright.tr(),
            LinearKind::Plain | LinearKind::Biased => upright,
        })
    }

    /// The same codes in a second place.
    pub(crate) fn share(&self) -> Self {
        let share = |(layer, (packed, kind)): (&String, &(Packed, LinearKind))| {
            (layer.clone(), (packed.share(), *kind))
        };
        Self { by_layer: self.by_layer.iter().map(share).collect() }
    }

    /// How many numbers they stand for, and how many bytes they take.
    pub(crate) fn size(&self) -> (u64, u64) {
        let all = self.by_layer.values().map(|(packed, _)| packed);
        all.fold((0, 0), |(numbers, bytes), packed| {
            (numbers + packed.num_elements(), bytes + packed.num_bytes())
        })
    }
}

/// Takes the tensors of a model in the model's order, and keeps each as it is to be kept.
pub(crate) struct Taking {
    keeping: Keeping,
    /// By the names of their matrices.
    linears: HashMap<String, AskedLinear>,
    /// What is kept in 32 bits.
    fixed: HashSet<String>,
    named: Vec<(String, Tensor)>,
    packed: PackedMatrices,
}

impl Taking {
    /// Of a model of this shape.
    pub(crate) fn new(shape: &DecoderShape, keeping: Keeping) -> Self {
        let linears = shape.walk().linears.into_iter();
        let linears = linears.map(|layer| (format!("{}.weight", layer.name), layer)).collect();
        let (fixed, packed) = (shape.fixed(), PackedMatrices::default());
        Self { keeping, linears, fixed, named: Vec::new(), packed }
    }

    /// One tensor.
    pub(crate) fn take(&mut self, name: &str, tensor: &Tensor) {
        let Keeping { kind, device, packing } = self.keeping;
        let tensor = tensor.to_device(device);
        match (packing, self.linears.get(name)) {
            (Some(packing), Some(layer)) => {
                let upright = match layer.kind {
                    LinearKind::Conv1d => tensor.tr(),
                    LinearKind::Plain | LinearKind::Biased => tensor,
                };
                let packed = (Packed::new(&upright, packing), layer.kind);
                self.packed.by_layer.insert(layer.name.clone(), packed);
            }
            _ => {
                let kind = if self.fixed.contains(name) { Kind::Float } else { kind };
                self.named.push((name.to_owned(), tensor.to_kind(kind)));
            }
        }
    }

    /// All of them.
    pub(crate) fn done(self) -> (Weights, PackedMatrices) {
        (Weights::new(self.named).with_fixed(self.fixed), self.packed)
    }
}
