//! What one layer keeps of a token for its gradient, and what it holds at its widest place.

use super::{FLOAT, Model, Passes, Trained};
use crate::layers::activation::Activation;
use crate::layers::attention::{AttentionShape, OutputGate};
use crate::layers::block::{BlockShape, MixerShape, NormPlaces};
use crate::layers::experts::ExpertsShape;
use crate::layers::feed_forward::FeedForwardShape;
use crate::layers::gated::GateUp;
use crate::layers::norm::NormKind;
use crate::models::decoder::AskedLinear;

/// Bytes of a token.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Layer {
    /// Kept by what looks at other tokens, up to what is gathered.
    pub(super) gathered: u64,
    /// Kept by what stands behind it.
    pub(super) finished: u64,
    /// Gradients that are there together on the way back through the feed-forward.
    pub(super) back: u64,
    /// What is there together where nothing is kept.
    pub(super) forward: u64,
    /// Remembered of a token that stands before every row.
    pub(super) remembered: u64,
}

/// A layer of these matrices, for sequences of at most `length` tokens.
pub(super) fn kept(
    model: &Model<'_>,
    shape: &BlockShape,
    linears: &[&AskedLinear],
    length: u64,
) -> Layer {
    let (hidden, compute) = (model.hidden_size(), model.compute());
    let part = format!(".{}.", shape.mixer.name);
    let (mixer, rest): (Vec<&AskedLinear>, Vec<&AskedLinear>) =
        linears.iter().partition(|layer| layer.name.contains(&part));
    let (first, behind): (Vec<&AskedLinear>, Vec<&AskedLinear>) =
        mixer.into_iter().partition(|layer| layer.size[1] as u64 == hidden);
    let [before, after] = norms(shape.norms);
    let gathered = match &shape.mixer.shape {
        MixerShape::Attention(attention) => of_attention(model, attention, length),
        MixerShape::Latent(_) | MixerShape::GatedDelta(_) | MixerShape::ShortConvolution(_) => {
            2 * first.iter().chain(&behind).map(|it| it.size[0] as u64).sum::<u64>() * compute
        }
    };
    let inner = inner_size(&shape.feed_forward.shape);
    let widths: u64 = first.iter().map(|layer| layer.size[0] as u64).sum();
    Layer {
        gathered: before * norm(model, shape.norm.kind, hidden) + gathered + inputs(model, &first),
        finished: after * norm(model, shape.norm.kind, hidden)
            + inputs(model, &behind)
            + inputs(model, &rest)
            + feed_forward(model, &shape.feed_forward.shape),
        back: 2 * inner * compute,
        forward: (3 * hidden + (4 * inner).max(2 * widths)) * compute,
        remembered: match &shape.mixer.shape {
            MixerShape::Attention(attention) => {
                2 * (attention.num_key_value_heads * attention.head_dim) as u64 * compute
            }
            // All that its first matrices give is no less.
            _ => widths * compute,
        },
    }
}

/// How many norms stand at the mixer, and how many at the feed-forward.
fn norms(places: NormPlaces) -> [u64; 2] {
    match places {
        NormPlaces::Before { .. } | NormPlaces::After { .. } => [1, 1],
        NormPlaces::BeforeAndAfter { .. } => [2, 2],
        NormPlaces::Parallel { feed_forward, .. } => [1, u64::from(feed_forward.is_some())],
    }
}

/// A norm over so many features: its input, and, step by step, what its gain multiplies.
fn norm(model: &Model<'_>, kind: NormKind, features: u64) -> u64 {
    let gains = u64::from(matches!(model.trained, Trained::Weights));
    match (kind, model.passes()) {
        (NormKind::Rms | NormKind::RmsOnePlus, Passes::None) => features * FLOAT * (1 + gains),
        (NormKind::RmsOnePlus, Passes::OfNorms | Passes::OfNormsAndGates) => features * FLOAT,
        _ => features * model.compute(),
    } // bytes
}

/// What matrices read: all of the same width the same, once, where they are trained themselves. Of adapters
/// each its own in 32 bits, where that is another type, and what A makes of it.
fn inputs(model: &Model<'_>, layers: &[&AskedLinear]) -> u64 {
    let width = |layer: &&AskedLinear| layer.size[1] as u64;
    let mut widths: Vec<u64> = layers.iter().map(width).collect();
    match &model.trained {
        Trained::Weights => {
            widths.sort_unstable();
            widths.dedup();
            widths.iter().sum::<u64>() * model.compute()
        }
        Trained::Adapters { rank_of, .. } => {
            let adapted: Vec<&&AskedLinear> =
                layers.iter().filter(|layer| rank_of(layer) > 0).collect();
            let mut widths: Vec<u64> = adapted.iter().map(|layer| width(layer)).collect();
            if model.compute() == FLOAT {
                widths.sort_unstable();
                widths.dedup();
            }
            let ranks: u64 = adapted.iter().map(|layer| rank_of(layer)).sum();
            (widths.iter().sum::<u64>() + ranks) * FLOAT
        }
    } // bytes
}

/// Turned queries and keys, values, what was gathered, and a number a head; scores too where they are
/// bounded or a sink takes part, which no fused kernel can.
fn of_attention(model: &Model<'_>, shape: &AttentionShape, length: u64) -> u64 {
    let [heads, key_heads, features] =
        [shape.num_attention_heads, shape.num_key_value_heads, shape.head_dim]
            .map(|count| count as u64);
    let (queries, keys, compute) = (heads * features, key_heads * features, model.compute());
    let normed = shape
        .query_key_norm
        .as_ref()
        .map_or(0, |it| norm(model, it.norm.kind, queries) + norm(model, it.norm.kind, keys));
    let gates = match shape.output_gate {
        OutputGate::None => 0,
        OutputGate::BesideQueries => 2 * queries * compute,
    };
    let scores = match shape.softcap.is_some() || shape.sinks.is_some() {
        true => heads * length * (2 * compute + FLOAT),
        false => 0,
    };
    2 * (queries + keys) * compute + heads * FLOAT + normed + gates + scores // bytes
}

/// Beside what its matrices read.
fn feed_forward(model: &Model<'_>, shape: &FeedForwardShape) -> u64 {
    let numbers = match shape {
        FeedForwardShape::Gated(gated) => {
            let is_at_once = model.passes() == Passes::OfNormsAndGates
                && gated.activation == Activation::Silu
                && matches!(gated.inputs, GateUp::Separate(_));
            (if is_at_once { 2 } else { 3 }) * gated.intermediate_size as u64
        }
        FeedForwardShape::Plain(plain) => plain.intermediate_size as u64,
        FeedForwardShape::Xielu(xielu) => 4 * xielu.intermediate_size as u64,
        FeedForwardShape::Experts(experts) => of_experts(experts, model.hidden_size()),
    };
    numbers * model.compute() // bytes
}

/// Of each expert a token has: its copy, the inner features, what is made of them, and that again in the
/// token's order.
fn of_experts(shape: &ExpertsShape, hidden_size: u64) -> u64 {
    let each = 3 * hidden_size + 4 * shape.intermediate_size as u64;
    let shared = shape.shared.as_ref().map_or(0, |it| 3 * it.shape.intermediate_size as u64);
    shape.router.num_experts_per_tok as u64 * each + shared
}

/// I, of all experts that a token has.
fn inner_size(shape: &FeedForwardShape) -> u64 {
    match shape {
        FeedForwardShape::Gated(gated) => gated.intermediate_size as u64,
        FeedForwardShape::Plain(plain) => plain.intermediate_size as u64,
        FeedForwardShape::Xielu(xielu) => xielu.intermediate_size as u64,
        FeedForwardShape::Experts(experts) => {
            experts.router.num_experts_per_tok as u64 * experts.intermediate_size as u64
        }
    }
}
