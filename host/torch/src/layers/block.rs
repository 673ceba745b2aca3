//! One row of the table of layers: a mixer, in which tokens look at one another, and a feed-forward, in
//! which each stands alone, with norms before or behind them and the sum they are added to.
//!
//! A block is run in two steps. [`Block::gather`] is all that needs the other tokens; [`Block::finish`]
//! is the rest, token by token. So the last block is finished only where something is asked, and a
//! prefix is gathered once for many rows.
//!
//! B rows, T tokens a row, D features, G features that a mixer gathers.

use super::Source;
use super::attention::{
    Attention, AttentionShape, KeysValues, LatentAttention, LatentShape, Sight,
};
use super::feed_forward::{FeedForward, FeedForwardShape};
use super::gated_delta::{DeltaMemory, GatedDelta, GatedDeltaShape};
use super::norm::{Norm, NormShape};
use super::short_convolution::{ShortConvolution, ShortConvolutionShape, Tail};
use tch::Tensor;

/// Everything that decides which weights a block has and what it computes with them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BlockShape {
    pub(crate) mixer: Part<MixerShape>,
    pub(crate) feed_forward: Part<FeedForwardShape>,
    pub(crate) norm: NormShape,
    pub(crate) norms: NormPlaces,
    /// What mixer and feed-forward give is multiplied by it before it is added.
    pub(crate) residual_multiplier: Option<f64>,
}

/// A part of a block under its name in the checkpoint; none where its tensors are the block's own.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Part<T> {
    pub(crate) name: &'static str,
    pub(crate) shape: T,
}

/// How tokens look at one another.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum MixerShape {
    Attention(AttentionShape),
    Latent(LatentShape),
    GatedDelta(GatedDeltaShape),
    ShortConvolution(ShortConvolutionShape),
}

impl MixerShape {
    /// That of attention with keys and values of their own.
    pub(crate) fn attention(&self) -> Option<&AttentionShape> {
        match self {
            Self::Attention(attention) => Some(attention),
            Self::Latent(_) | Self::GatedDelta(_) | Self::ShortConvolution(_) => None,
        }
    }

    /// Which rotary embedding it turns by.
    pub(crate) fn rope(&self) -> Option<usize> {
        match self {
            Self::Attention(attention) => attention.rope,
            Self::Latent(latent) => Some(latent.rope),
            Self::GatedDelta(_) | Self::ShortConvolution(_) => None,
        }
    }

    /// How many tokens one sees, itself included, where that is bounded.
    pub(crate) fn window(&self) -> Option<usize> {
        self.attention()?.window
    }
}

/// Where norms stand, by their names: f is the mixer, then the feed-forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NormPlaces {
    /// x + f(norm(x)).
    Before { mixer: &'static str, feed_forward: &'static str },
    /// x + norm(f(x)).
    After { mixer: &'static str, feed_forward: &'static str },
    /// x + norm(f(norm(x))), each pair the norm before and the norm after.
    BeforeAndAfter { mixer: [&'static str; 2], feed_forward: [&'static str; 2] },
    /// x + mixer(norm(x)) + feed_forward(norm(x)); one norm for both where the second has no name.
    Parallel { mixer: &'static str, feed_forward: Option<&'static str> },
}

impl NormPlaces {
    /// Llama's, and of most others.
    pub(crate) const LLAMA: Self =
        Self::Before { mixer: "input_layernorm", feed_forward: "post_attention_layernorm" };
}

/// The weights of a block.
pub(crate) struct Block {
    mixer: Mixer,
    feed_forward: FeedForward,
    mixer_norms: Norms,
    feed_forward_norms: Norms,
    order: Order,
    residual_multiplier: Option<f64>,
}

enum Mixer {
    Attention(Attention),
    Latent(LatentAttention),
    GatedDelta(GatedDelta),
    ShortConvolution(ShortConvolution),
}

/// What later tokens need of those that a mixer has seen.
pub(crate) enum Memory {
    KeysValues(KeysValues),
    Delta(DeltaMemory),
    Tail(Tail),
}

/// Around one of the two parts.
struct Norms {
    before: Option<Norm>,
    after: Option<Norm>,
}

/// What the feed-forward starts from.
#[derive(Clone, Copy)]
enum Order {
    /// The block's input and what the mixer added.
    OneAfterAnother,
    /// The block's input alone.
    SideBySide,
}

impl Block {
    pub(crate) fn new(
        source: &mut Source<'_>,
        name: &str,
        shape: &BlockShape,
        hidden_size: i64,
    ) -> Self {
        let part_name = |part: &str| match part {
            "" => name.to_owned(),
            part => format!("{name}.{part}"),
        };
        let [mixer_name, feed_forward_name] =
            [shape.mixer.name, shape.feed_forward.name].map(part_name);
        let mixer = match &shape.mixer.shape {
            MixerShape::Attention(attention) => {
                Mixer::Attention(Attention::new(source, &mixer_name, attention, hidden_size))
            }
            MixerShape::Latent(latent) => {
                Mixer::Latent(LatentAttention::new(source, &mixer_name, latent, hidden_size))
            }
            MixerShape::GatedDelta(delta) => {
                Mixer::GatedDelta(GatedDelta::new(source, &mixer_name, delta, hidden_size))
            }
            MixerShape::ShortConvolution(convolution) => {
                let mixer = ShortConvolution::new(source, &mixer_name, convolution, hidden_size);
                Mixer::ShortConvolution(mixer)
            }
        };
        let feed_forward =
            FeedForward::new(source, &feed_forward_name, &shape.feed_forward.shape, hidden_size);
        let mut norm =
            |part: &str| shape.norm.build(source, &format!("{name}.{part}"), hidden_size);
        let (mixer_norms, feed_forward_norms, order) = place(shape.norms, &mut norm);
        Self {
            mixer,
            feed_forward,
            mixer_norms,
            feed_forward_norms,
            order,
            residual_multiplier: shape.residual_multiplier,
        }
    }

    /// The part in which tokens look at one another, and what later tokens will need of these.
    /// // [B, T, D] -> [B, T, G]
    pub(crate) fn gather(
        &self,
        x: &Tensor,
        sight: &Sight<'_>,
        past: Option<&Memory>,
    ) -> (Tensor, Memory) {
        let x = self.mixer_norms.before(x);
        match &self.mixer {
            Mixer::Attention(attention) => {
                let (gathered, memory) = attention.gather(&x, sight, past.map(Memory::keys_values));
                (gathered, Memory::KeysValues(memory))
            }
            Mixer::Latent(latent) => {
                let (gathered, memory) = latent.gather(&x, sight, past.map(Memory::keys_values));
                (gathered, Memory::KeysValues(memory))
            }
            Mixer::GatedDelta(delta) => {
                let (gathered, memory) = delta.gather(&x, past.map(Memory::delta));
                (gathered, Memory::Delta(memory))
            }
            Mixer::ShortConvolution(convolution) => {
                let (gathered, memory) = convolution.gather(&x, past.map(Memory::tail));
                (gathered, Memory::Tail(memory))
            }
        }
    }

    /// The part in which every token stands alone. // [.., D], [.., G] -> [.., D]
    pub(crate) fn finish(&self, x: &Tensor, gathered: &Tensor) -> Tensor {
        let mixed = match &self.mixer {
            Mixer::Attention(attention) => attention.project(gathered),
            Mixer::Latent(latent) => latent.project(gathered),
            Mixer::GatedDelta(delta) => delta.project(gathered),
            Mixer::ShortConvolution(convolution) => convolution.project(gathered),
        };
        let after_mixer = x + self.scaled(self.mixer_norms.after(mixed));
        let start = match self.order {
            Order::OneAfterAnother => &after_mixer,
            Order::SideBySide => x,
        };
        let fed = self.feed_forward.forward(&self.feed_forward_norms.before(start));
        &after_mixer + self.scaled(self.feed_forward_norms.after(fed))
    }

    fn scaled(&self, x: Tensor) -> Tensor {
        match self.residual_multiplier {
            Some(multiplier) => x * multiplier,
            None => x,
        }
    }
}

/// A layer is given its own memory again.
impl Memory {
    /// What tokens leave that were run behind others, of both together.
    pub(crate) fn after(self, past: &Self) -> Self {
        match self {
            Self::KeysValues(own) => Self::KeysValues(own.after(past.keys_values())),
            // States hold all that came before.
            of_both @ (Self::Delta(_) | Self::Tail(_)) => of_both,
        }
    }

    fn keys_values(&self) -> &KeysValues {
        let Self::KeysValues(memory) = self else { unreachable!("the memory of attention") };
        memory
    }

    fn delta(&self) -> &DeltaMemory {
        let Self::Delta(memory) = self else { unreachable!("the memory of a delta net") };
        memory
    }

    fn tail(&self) -> &Tail {
        let Self::Tail(memory) = self else { unreachable!("the memory of a convolution") };
        memory
    }
}

impl Norms {
    fn before(&self, x: &Tensor) -> Tensor {
        self.before.as_ref().map_or_else(|| x.shallow_clone(), |norm| norm.forward(x))
    }

    fn after(&self, x: Tensor) -> Tensor {
        match &self.after {
            Some(norm) => norm.forward(&x),
            None => x,
        }
    }
}

/// The norms of the mixer, those of the feed-forward, and what follows from where they stand.
fn place(places: NormPlaces, norm: &mut dyn FnMut(&str) -> Norm) -> (Norms, Norms, Order) {
    let before = |norm| Norms { before: Some(norm), after: None };
    match places {
        NormPlaces::Before { mixer, feed_forward } => {
            (before(norm(mixer)), before(norm(feed_forward)), Order::OneAfterAnother)
        }
        NormPlaces::After { mixer, feed_forward } => {
            let mut after = |part| Norms { before: None, after: Some(norm(part)) };
            (after(mixer), after(feed_forward), Order::OneAfterAnother)
        }
        NormPlaces::BeforeAndAfter { mixer, feed_forward } => {
            let mut both = |[before, after]: [&str; 2]| Norms {
                before: Some(norm(before)),
                after: Some(norm(after)),
            };
            (both(mixer), both(feed_forward), Order::OneAfterAnother)
        }
        NormPlaces::Parallel { mixer, feed_forward } => {
            let first = norm(mixer);
            let second = match feed_forward {
                Some(part) => norm(part),
                None => first.share(),
            };
            (before(first), before(second), Order::SideBySide)
        }
    }
}
