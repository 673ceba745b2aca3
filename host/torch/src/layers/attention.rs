//! Grouped-query attention, <https://arxiv.org/abs/2305.13245>: softmax(s Q Kᵀ) V, every group of
//! H / Hk query heads sharing a key and a value head; and what architectures add to it: norms of queries
//! and keys, rotary positions or none, a window, a bound on scores, sinks, a gate on what was gathered.
//!
//! B rows, T tokens a row, P tokens of a prefix before every row, H heads, Hk key/value heads, Dh
//! features a head, D features.

mod projections;
mod scores;

mod latent;

pub(crate) use latent::{LatentAttention, LatentShape};
pub(crate) use projections::Projections;

use super::linear::{Linear, LinearKind};
use super::norm::{Norm, NormShape};
use super::rope::Rotations;
use super::view::View;
use super::{Role, Source};
use projections::QueriesKeysValues;
use scores::Scores;
use tch::Tensor;

/// The sizes and variants of an attention layer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AttentionShape {
    pub(crate) num_attention_heads: i64,
    pub(crate) num_key_value_heads: i64,
    pub(crate) head_dim: i64,
    /// s: what the products of queries and keys are multiplied by.
    pub(crate) scale: f64,
    pub(crate) inputs: Projections,
    pub(crate) inputs_kind: LinearKind,
    /// Queries, keys and values are cut at ± this.
    pub(crate) input_bound: Option<f64>,
    /// The name of the projection back to D features.
    pub(crate) output: &'static str,
    pub(crate) output_kind: LinearKind,
    pub(crate) query_key_norm: Option<QueryKeyNorm>,
    /// Which of the decoder's rotary embeddings turns queries and keys.
    pub(crate) rope: Option<usize>,
    /// How many tokens one sees, itself included.
    pub(crate) window: Option<usize>,
    /// Scores are kept below it in size: c · tanh(score / c).
    pub(crate) softcap: Option<f64>,
    /// The name of a learned score for each head that takes weight from all tokens and gives nothing.
    pub(crate) sinks: Option<&'static str>,
    pub(crate) output_gate: OutputGate,
}

/// Norms of queries and keys.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct QueryKeyNorm {
    pub(crate) norm: NormShape,
    pub(crate) width: NormWidth,
    pub(crate) stage: NormStage,
    pub(crate) names: [&'static str; 2],
}

/// Where norms of queries and keys stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NormStage {
    /// Before they are turned.
    BeforeTurning,
    /// Behind it.
    AfterTurning,
}

/// What a norm of queries or keys runs over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NormWidth {
    /// Each head by itself, all with one gain.
    Head,
    /// Each head by itself and with a gain of its own.
    HeadsApart,
    /// All heads together.
    Full,
}

/// Whether what a head gathered is multiplied by σ of a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutputGate {
    None,
    /// Gates come out of the query projection, each head's behind its query.
    BesideQueries,
}

/// Queries, keys and values, and the way back.
pub(crate) struct Attention {
    inputs: QueriesKeysValues,
    output: Linear,
    norms: Option<Norms>,
    scores: Scores,
}

/// Of queries and of keys.
struct Norms {
    query: Norm,
    key: Norm,
    width: NormWidth,
    stage: NormStage,
}

/// Turned keys, and values, of a run of tokens.
pub(crate) struct KeysValues {
    keys: Tensor,   // [B, T, Hk, Dh]
    values: Tensor, // [B, T, Hk, Dh]
}

/// Where the tokens of a batch stand for one layer.
pub(crate) struct Sight<'a> {
    pub(crate) rotations: Option<&'a Rotations>,
    pub(crate) view: &'a View,
}

impl AttentionShape {
    /// Llama's: separate projections without biases, every feature turned by the first rotary
    /// embedding, scores over √Dh.
    pub(crate) fn plain(heads: usize, key_value_heads: usize, head_dim: usize) -> Self {
        Self {
            num_attention_heads: heads as i64,
            num_key_value_heads: key_value_heads as i64,
            head_dim: head_dim as i64,
            scale: 1.0 / (head_dim as f64).sqrt(),
            inputs: Projections::Separate(["q_proj", "k_proj", "v_proj"]),
            inputs_kind: LinearKind::Plain,
            input_bound: None,
            output: "o_proj",
            output_kind: LinearKind::Plain,
            query_key_norm: None,
            rope: Some(0),
            window: None,
            softcap: None,
            sinks: None,
            output_gate: OutputGate::None,
        }
    }
}

impl KeysValues {
    /// Those of a run of tokens behind another run, of both together.
    pub(crate) fn after(&self, past: &Self) -> Self {
        Self { keys: after(&past.keys, &self.keys), values: after(&past.values, &self.values) }
    }
}

impl Attention {
    pub(crate) fn new(
        source: &mut Source<'_>,
        name: &str,
        shape: &AttentionShape,
        hidden_size: i64,
    ) -> Self {
        let head_dim = shape.head_dim;
        let query_size = shape.num_attention_heads * head_dim;
        let inputs = QueriesKeysValues::new(source, name, shape, hidden_size);
        let output_name = format!("{name}.{}", shape.output);
        let output =
            Linear::new(source, &output_name, [hidden_size, query_size], shape.output_kind);
        let heads = [shape.num_attention_heads, shape.num_key_value_heads];
        let norms =
            shape.query_key_norm.as_ref().map(|it| Norms::new(source, name, it, heads, head_dim));
        let sinks = |part| source.tensor(&format!("{name}.{part}"), &heads[..1], Role::Weight);
        let sinks = shape.sinks.map(sinks);
        Self {
            inputs,
            output,
            norms,
            scores: Scores { scale: shape.scale, softcap: shape.softcap, sinks, head_dim },
        }
    }

    /// What every token gathers from those it sees, before the output projection; and the keys and
    /// values of these tokens. // [B, T, D] -> [B, T, H·Dh]
    pub(crate) fn gather(
        &self,
        x: &Tensor,
        sight: &Sight<'_>,
        past: Option<&KeysValues>, // [1 or B, P, Hk, Dh]
    ) -> (Tensor, KeysValues) {
        let inputs = self.inputs.forward(x);
        let (mut queries, mut keys) = (inputs.queries, inputs.keys);
        let norm_at = |stage| self.norms.as_ref().filter(|norms| norms.stage == stage);
        if let Some(norms) = norm_at(NormStage::BeforeTurning) {
            (queries, keys) = norms.forward(&queries, &keys);
        }
        if let Some(rotations) = sight.rotations {
            (queries, keys) = (rotations.queries(&queries), rotations.keys(&keys));
        }
        if let Some(norms) = norm_at(NormStage::AfterTurning) {
            (queries, keys) = norms.forward(&queries, &keys);
        }
        let values = inputs.values;
        let gathered = match past {
            None => self.scores.attend(&queries, &keys, &values, sight.view),
            Some(past) => self.scores.attend(
                &queries,
                &after(&past.keys, &keys),
                &after(&past.values, &values),
                sight.view,
            ),
        };
        let gathered = gathered.flatten(2, 3);
        // Not in place: the way back needs what was gathered.
        let gathered = match inputs.gates {
            Some(gates) => gathered * gates.flatten(2, 3).sigmoid(),
            None => gathered,
        };
        (gathered, KeysValues { keys, values })
    }

    /// The output projection. // [.., H·Dh] -> [.., D]
    pub(crate) fn project(&self, gathered: &Tensor) -> Tensor {
        self.output.forward(gathered)
    }
}

impl Norms {
    fn new(
        source: &mut Source<'_>,
        name: &str,
        shape: &QueryKeyNorm,
        heads: [i64; 2],
        head_dim: i64,
    ) -> Self {
        let [query, key] = [0, 1].map(|i| {
            let (name, heads) = (format!("{name}.{}", shape.names[i]), heads[i]);
            match shape.width {
                NormWidth::Head => shape.norm.build(source, &name, head_dim),
                NormWidth::HeadsApart => {
                    shape.norm.build_for_heads(source, &name, [heads, head_dim])
                }
                NormWidth::Full => shape.norm.build(source, &name, heads * head_dim),
            }
        });
        Self { query, key, width: shape.width, stage: shape.stage }
    }

    /// [B, T, H, Dh], [B, T, Hk, Dh]
    fn forward(&self, queries: &Tensor, keys: &Tensor) -> (Tensor, Tensor) {
        let normed = |norm: &Norm, x: &Tensor| match self.width {
            NormWidth::Head | NormWidth::HeadsApart => norm.forward(x),
            NormWidth::Full => norm.forward(&x.flatten(2, 3)).view_as(x),
        };
        (normed(&self.query, queries), normed(&self.key, keys))
    }
}

/// Puts the prefix's rows before the rows, its one row before every row.
/// // [1 or B, P, Hk, Dh], [B, T, Hk, Dh] -> [B, P+T, Hk, Dh]
fn after(prefix: &Tensor, rows: &Tensor) -> Tensor {
    let [_, length, heads, features] = prefix.size()[..] else {
        unreachable!("keys and values have four dimensions")
    };
    let prefix = prefix.expand([rows.size()[0], length, heads, features], false);
    Tensor::cat(&[&prefix, rows], 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::norm::NormKind;
    use crate::layers::rope::{Reach, Rope};
    use crate::testing::numbers;
    use tch::{Device, Kind};

    const DOUBLE: (Kind, Device) = (Kind::Double, Device::Cpu);

    fn distance(a: &Tensor, b: &Tensor) -> f64 {
        (a - b).abs().max().double_value(&[])
    }

    fn shapes() -> Vec<AttentionShape> {
        let plain = AttentionShape::plain(4, 2, 8);
        let norm = |width, stage| {
            let kind = match width {
                NormWidth::HeadsApart => NormKind::LayerWithoutBias,
                NormWidth::Head | NormWidth::Full => NormKind::Rms,
            };
            let norm = NormShape { kind, eps: 1e-6 };
            Some(QueryKeyNorm { norm, width, stage, names: ["q_norm", "k_norm"] })
        };
        vec![
            AttentionShape {
                inputs_kind: LinearKind::Biased,
                query_key_norm: norm(NormWidth::Head, NormStage::AfterTurning),
                ..plain.clone()
            },
            AttentionShape {
                input_bound: Some(0.4),
                window: Some(3),
                query_key_norm: norm(NormWidth::Full, NormStage::BeforeTurning),
                ..plain.clone()
            },
            AttentionShape {
                softcap: Some(0.5),
                window: Some(6),
                query_key_norm: norm(NormWidth::HeadsApart, NormStage::BeforeTurning),
                ..plain.clone()
            },
            AttentionShape {
                sinks: Some("sinks"),
                output_gate: OutputGate::BesideQueries,
                ..plain
            },
        ]
    }

    #[test]
    fn a_prefix_run_once_is_as_good_as_run_in_every_row() {
        for shape in shapes() {
            let mut seed = 0.0;
            let mut source = |_: &str, shape: &[i64]| {
                seed += 1.0;
                numbers(shape, seed)
            };
            let attention = Attention::new(&mut source, "self_attn", &shape, 16);
            let rotations =
                Rope::plain(8, 100.0).rotations(9, Reach::Short, Kind::Double, Device::Cpu);
            let run = |x: &Tensor, start, length, past: Option<&KeysValues>| {
                let view = View::new(start, length, shape.window, DOUBLE);
                let rotations = rotations.narrow(start, length);
                attention.gather(x, &Sight { rotations: Some(&rotations), view: &view }, past)
            };
            let (prefix, rows) = (numbers(&[1, 4, 16], 0.5), numbers(&[3, 5, 16], 0.6));
            let whole = Tensor::cat(&[&prefix.expand([3, 4, 16], false), &rows], 1);
            let (expected, _) = run(&whole, 0, 9, None);
            let (_, keys_values) = run(&prefix, 0, 4, None);
            let (got, _) = run(&rows, 4, 5, Some(&keys_values));
            assert!(distance(&got, &expected.narrow(1, 4, 5)) < 1e-12, "{shape:?}");
        }
    }
}
