//! How much memory a model takes in training and in scoring, by its shape alone: one equation a function,
//! every result in bytes. What a layer keeps is what libtorch's graph keeps of it: the inputs of matrices that
//! are trained or have an adapter, and whatever else a gradient is made from. Attention with fused kernels,
//! gated and plain feed-forwards are counted tensor by tensor; of other mixers, twice what their matrices give.
//!
//! N tokens of a micro-batch, padding included; D features; I inner features; H heads of Dh; V tokens in the
//! vocabulary; n rows of logits at a time.

mod layer;

use crate::gradient::Activations;
use crate::layers::laid_out;
use crate::layers::packed::Packing;
use crate::models::decoder::AskedLinear;
use crate::models::sections::Sections;
use crate::models::shape::{DecoderShape, Embeddings};
use crate::moments::Moments;
use crate::optim;
use crate::precision::Precision;
use crate::products;
use crate::share::{Sharding, Share};
use layer::Layer;
use tch::{Device, Kind};

/// Of a number in 32 bits.
const FLOAT: u64 = 4;

/// A model, and how it is trained.
pub(crate) struct Model<'a> {
    pub(crate) shape: &'a DecoderShape,
    pub(crate) precision: Precision,
    pub(crate) trained: Trained<'a>,
    pub(crate) activations: Activations,
    pub(crate) moments: Moments,
    /// That share what is trained, each the moments of its part.
    pub(crate) ranks: usize,
    pub(crate) sharding: Sharding,
    pub(crate) device: Device,
}

/// What a step changes.
pub(crate) enum Trained<'a> {
    /// All weights.
    Weights,
    /// Adapters of the rank that a layer has, beside weights that are frozen, perhaps in few bits.
    Adapters { rank_of: &'a dyn Fn(&AskedLinear) -> u64, packing: Option<Packing> },
}

/// How what stands between two matrices is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Passes {
    /// Norms by the root mean square by one kernel, as on a GPU.
    OfNorms,
    /// Gates as well, as our own loops do it in float32 on a CPU.
    OfNormsAndGates,
    /// Step by step, norms in 32 bits.
    None,
}

/// What runs at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Load {
    /// N of the largest micro-batch.
    pub(crate) tokens: u64,
    /// Of the longest sequence.
    pub(crate) length: u64,
    /// Tokens of the micro-batch that carry loss.
    pub(crate) rows: u64,
    /// The largest n.
    pub(crate) rows_at_once: u64,
    pub(crate) micro_batches: u64,
    /// Micro-batches at the same time; where there are several, each has gradients of its own.
    pub(crate) lanes: u64,
}

impl Model<'_> {
    /// The weights, with adapters where there are some, as they are stored.
    pub(crate) fn stored(&self) -> u64 {
        let numbers = self.numbers();
        match &self.trained {
            Trained::Weights => numbers * bytes_of(self.precision.storage()),
            Trained::Adapters { packing, .. } => {
                let compute = self.compute();
                let linears = self.shape.walk().linears;
                let in_linears: u64 = linears.iter().map(numbers_of).sum();
                let frozen = match packing {
                    None => numbers * compute,
                    Some(packing) => {
                        let packed = linears.iter().map(|layer| packed(*packing, layer));
                        (numbers - in_linears) * compute + packed.sum::<u64>()
                    }
                };
                frozen + self.adapted() * FLOAT
            }
        } // bytes
    }

    /// The copy that layers compute on, where weights are stored in another type.
    pub(crate) fn copy(&self) -> u64 {
        let is_copied = self.precision.storage() != self.precision.compute();
        match self.trained {
            Trained::Weights if is_copied => self.numbers() * self.compute(),
            Trained::Weights | Trained::Adapters { .. } => 0,
        } // bytes
    }

    /// One gradient of everything trained, or of what a rank keeps of it.
    pub(crate) fn gradients(&self) -> u64 {
        let of_all: u64 = self.trained_sizes().sum();
        let number = bytes_of(self.trained_kind());
        if self.is_sharded() { self.most_owned(|count| count * number) } else { of_all * number } // bytes
    }

    /// Two moments of what a rank updates, the most of any.
    pub(crate) fn optimizer(&self) -> u64 {
        let kind = self.trained_kind();
        self.most_owned(|count| self.moments.num_bytes(count, kind)) // bytes
    }

    /// The most that a rank has of what each tensor takes by its numbers.
    fn most_owned(&self, bytes: impl Fn(u64) -> u64) -> u64 {
        let sizes: Vec<u64> = self.trained_sizes().collect();
        let of_rank = |share: Share| -> u64 {
            share.of(sizes.clone(), |count| *count as usize).into_iter().map(&bytes).sum()
        };
        Share::all(self.ranks).map(of_rank).max().unwrap_or(0)
    }

    fn is_sharded(&self) -> bool {
        self.ranks > 1 && self.sharding == Sharding::Gradients
    }

    /// Gradients that are on the way to their owners: of a whole section of the model, and the largest message in 32
    /// bits; a tied head's is there from the beginning of the way back to its end.
    fn on_the_way(&self) -> u64 {
        if !self.is_sharded() {
            return 0;
        }
        let sections = Sections::new(self.shape);
        let mut numbers = vec![0; sections.count()];
        let (mut largest, mut table) = (0, 0);
        for (name, count) in self.trained_names().into_iter().zip(self.trained_sizes()) {
            numbers[sections.of(&name)] += count;
            largest = largest.max(count);
        }
        if self.shape.embeddings == Embeddings::Tied {
            table = numbers.pop().unwrap_or(0);
        }
        let section = table + numbers.into_iter().max().unwrap_or(0);
        section * bytes_of(self.trained_kind()) + largest * FLOAT // bytes
    }

    /// The names of the tensors that are trained, or what they begin with.
    fn trained_names(&self) -> Vec<String> {
        match &self.trained {
            Trained::Weights => self.shape.parameters().into_iter().map(|(name, _)| name).collect(),
            Trained::Adapters { .. } => {
                let linears = self.shape.walk().linears.into_iter();
                linears.flat_map(|layer| [layer.name.clone(), layer.name]).collect()
            }
        }
    }

    /// What a step of the optimizer takes beside all that stands.
    fn updating(&self) -> u64 {
        let kind = self.trained_kind();
        let is_in_place = kind == Kind::Float && self.moments == Moments::AsTrained;
        let largest = if is_in_place { 0 } else { self.trained_sizes().max().unwrap_or(0) };
        optim::beside_a_piece(largest, self.device) // bytes
    }

    /// The numbers of each tensor that is trained.
    fn trained_sizes(&self) -> Box<dyn Iterator<Item = u64> + '_> {
        match &self.trained {
            Trained::Weights => {
                let parameters = self.shape.parameters().into_iter();
                Box::new(parameters.map(|(_, shape)| shape.iter().product::<i64>() as u64))
            }
            Trained::Adapters { rank_of, .. } => {
                let linears = self.shape.walk().linears.into_iter();
                Box::new(linears.flat_map(move |layer| {
                    layer.size.map(|width| rank_of(&layer) * width.unsigned_abs())
                }))
            }
        }
    }

    /// In which type it is kept.
    fn trained_kind(&self) -> Kind {
        match self.trained {
            Trained::Weights => self.precision.storage(),
            Trained::Adapters { .. } => Kind::Float,
        }
    }

    /// What a micro-batch keeps for its way back, and the most that passes by on that way.
    pub(crate) fn activations(&self, load: &Load) -> u64 {
        let layers = self.layers(load);
        let (last, others) = layers.split_last().expect("some layers");
        let at_rows = load.tokens * last.gathered + load.rows * last.finished;
        let logits = self.logits(load);
        let back = load.tokens * layers.iter().map(|it| it.back).max().unwrap_or(0);
        let kept = |layer: &Layer| load.tokens * (layer.gathered + layer.finished);
        match self.activations {
            Activations::Keep => others.iter().map(kept).sum::<u64>() + at_rows + logits.max(back),
            Activations::Recompute => {
                let inputs = load.tokens * self.hidden_size() * self.compute();
                let largest = others.iter().map(kept).max().unwrap_or(0);
                inputs * layers.len() as u64 + (at_rows + logits).max(largest + back)
            }
        } // bytes
    }

    /// The most of a step at one time. Of a single micro-batch gradients come as activations go.
    pub(crate) fn training(&self, load: &Load) -> u64 {
        let (stored, copy, gradients) = (self.stored(), self.copy(), self.gradients());
        let (activations, head) = (self.activations(load), self.head_gradient());
        let passing = match load {
            _ if self.is_sharded() => copy + gradients + activations + self.on_the_way(),
            Load { lanes: lanes @ 2.., .. } => {
                (lanes * (copy + activations + head + gradients)).max((lanes + 1) * gradients)
            }
            Load { micro_batches: 2.., .. } => copy + gradients + activations + head,
            _ => copy + (activations + head).max(gradients + self.embedding_gradient()),
        };
        let passing = passing.max(gradients + self.updating()) + self.in_passing(load);
        stored + self.optimizer() + passing + self.unpacked() // bytes
    }

    /// What a question takes beside the weights: a batch's widest place, or, once its layers are through, its logits.
    pub(crate) fn scoring(&self, load: &Load) -> u64 {
        let widest = self.layers(load).iter().map(|layer| layer.forward).max().unwrap_or(0);
        let hidden = load.tokens * self.hidden_size() * self.compute();
        let batch = hidden + (load.tokens * widest).max(self.logits(load));
        load.lanes.max(1) * batch + self.unpacked() // bytes
    }

    /// What products of a step lay out and forget, where it is made here. A thread keeps the room.
    fn in_passing(&self, load: &Load) -> u64 {
        if self.device != Device::Cpu || self.precision.compute() != Kind::Float {
            return 0;
        }
        let linears = self.shape.walk().linears.into_iter().map(|it| it.size);
        let sizes: Vec<[i64; 2]> = linears.collect();
        load.lanes.max(1) * products::in_passing(&sizes, load.tokens as i64) // bytes
    }

    /// The matrices a second time, as long questions want them.
    pub(crate) fn laid_out(&self) -> u64 {
        if matches!(self.trained, Trained::Adapters { packing: Some(_), .. }) {
            return 0;
        }
        let head = [self.shape.vocab_size, self.shape.hidden_size];
        let linears = self.shape.walk().linears.into_iter().map(|it| it.size);
        let sizes: Vec<[i64; 2]> = linears.chain([head]).collect();
        laid_out::bytes(&sizes, self.precision.compute(), self.device) // bytes
    }

    /// What questions keep of so many tokens that they all begin with, beside what [`scoring`](Self::scoring) says.
    pub(crate) fn beginning(&self, tokens: u64) -> u64 {
        let layers = self.layers(&Load { tokens, length: tokens, ..Load::default() });
        tokens * layers.iter().map(|layer| layer.remembered).sum::<u64>() // bytes
    }

    /// Twice in 32 bits: themselves and what is made of them. // [n, V]
    fn logits(&self, load: &Load) -> u64 {
        load.rows.min(load.rows_at_once) * self.shape.vocab_size as u64 * 2 * FLOAT // bytes
    }

    /// The head's own gradient comes before all others.
    fn head_gradient(&self) -> u64 {
        match self.trained {
            Trained::Weights => self.table() * self.compute(),
            Trained::Adapters { .. } => 0,
        } // bytes
    }

    /// The embedding's, where it is not the one that is kept: it is added to the head's, or cast.
    fn embedding_gradient(&self) -> u64 {
        let is_added = self.shape.embeddings == Embeddings::Tied || self.copy() > 0;
        if is_added { self.head_gradient() } else { 0 } // bytes
    }

    /// The largest matrix, where they are unpacked one at a time.
    fn unpacked(&self) -> u64 {
        match self.trained {
            Trained::Adapters { packing: Some(_), .. } => {
                let linears = self.shape.walk().linears;
                linears.iter().map(numbers_of).max().unwrap_or(0) * self.compute()
            }
            Trained::Adapters { packing: None, .. } | Trained::Weights => 0,
        } // bytes
    }

    fn layers(&self, load: &Load) -> Vec<Layer> {
        let linears = self.shape.walk().linears;
        let of_layer = |(index, shape)| {
            let name = format!("{}.", self.shape.names.block(index));
            let own: Vec<&AskedLinear> =
                linears.iter().filter(|layer| layer.name.starts_with(&name)).collect();
            layer::kept(self, shape, &own, load.length)
        };
        self.shape.blocks.iter().enumerate().map(of_layer).collect()
    }

    fn numbers(&self) -> u64 {
        let parameters = self.shape.parameters();
        parameters.iter().map(|(_, shape)| shape.iter().product::<i64>() as u64).sum()
    }

    fn adapted(&self) -> u64 {
        let Trained::Adapters { rank_of, .. } = &self.trained else { return 0 };
        let thin = |layer: &AskedLinear| rank_of(layer) * (layer.size[0] + layer.size[1]) as u64;
        self.shape.walk().linears.iter().map(thin).sum()
    }

    /// Numbers of the embedding. // [V, D]
    fn table(&self) -> u64 {
        self.shape.vocab_size as u64 * self.hidden_size()
    }

    fn hidden_size(&self) -> u64 {
        self.shape.hidden_size as u64
    }

    fn passes(&self) -> Passes {
        match self.device {
            Device::Cpu if self.precision.compute() == Kind::Float => Passes::OfNormsAndGates,
            Device::Cpu => Passes::None,
            _ => Passes::OfNorms,
        }
    }

    fn compute(&self) -> u64 {
        bytes_of(self.precision.compute())
    }
}

/// Codes and scales of a matrix.
fn packed(packing: Packing, layer: &AskedLinear) -> u64 {
    let numbers = numbers_of(layer);
    match packing {
        Packing::Int8 => numbers + layer.size[0] as u64 * FLOAT,
        Packing::Nf4 => numbers.next_multiple_of(64) / 2 + numbers.div_ceil(64) * FLOAT,
    } // bytes
}

fn numbers_of(layer: &AskedLinear) -> u64 {
    (layer.size[0] * layer.size[1]) as u64
}

fn bytes_of(kind: tch::Kind) -> u64 {
    kind.elt_size_in_bytes() as u64
}

#[cfg(test)]
mod tests;
