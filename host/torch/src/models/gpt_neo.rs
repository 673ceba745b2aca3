//! GPT-Neo, <https://doi.org/10.5281/zenodo.5297715>: GPT-2 with separate projections, scores taken as they
//! are, and a window in every other layer.

use super::common::{self, Sizes};
use super::names::Names;
use super::shape::PositionEmbedding;
use super::{Architecture, DecoderShape};
use crate::config::Fields;
use crate::layers::attention::AttentionShape;
use crate::layers::block::{BlockShape, NormPlaces, Part};
use crate::layers::feed_forward::PlainShape;
use crate::layers::linear::LinearKind;
use crate::layers::norm::NormKind;
use serde_json::Value;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "GPTNeoForCausalLM", model_type: "gpt_neo", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::of_whole_heads(fields);
    let norm = common::layer_norm(fields, NormKind::Layer, "layer_norm_epsilon");
    let feed_forward = PlainShape {
        intermediate_size: common::intermediate_size(fields, &sizes, "intermediate_size"),
        names: ["c_fc", "c_proj"],
        kind: LinearKind::Biased,
        activation: fields.activation("activation_function"),
    };
    let window = fields.size("window_size");
    let block = |is_local: bool| {
        let attention = AttentionShape {
            scale: 1.0,
            output: "out_proj",
            output_kind: LinearKind::Biased,
            rope: None,
            window: is_local.then_some(window),
            ..sizes.attention()
        };
        let block = common::block(attention, feed_forward.clone(), norm);
        BlockShape {
            mixer: Part { name: "attn.attention", ..block.mixer },
            norms: NormPlaces::Before { mixer: "ln_1", feed_forward: "ln_2" },
            ..block
        }
    };
    let blocks = local(fields, sizes.layers).into_iter().map(block).collect();
    DecoderShape {
        names: Names::gpt2(),
        position_embedding: Some(PositionEmbedding { name: "wpe", offset: 0 }),
        ..common::decoder_with(fields, &sizes, norm, blocks, Vec::new())
    }
}

/// Which layers have a window: `attention_types` is a list of patterns and how often each is repeated.
fn local(fields: &Fields<'_>, layers: usize) -> Vec<bool> {
    const FIELD: &str = "attention_types";
    const EXPECTED: &str = "pairs of a list of `global` and `local`, and a number";
    let Some(given) = fields.list(FIELD) else {
        return (0..layers).map(|layer| layer % 2 == 1).collect();
    };
    let is_local = |name: &Value| match name.as_str() {
        Some("global") => Some(false),
        Some("local") => Some(true),
        _ => None,
    };
    let pattern = |entry: &Value| {
        let [names, count] = entry.as_array()?.as_slice() else { return None };
        let pattern: Vec<bool> = names.as_array()?.iter().map(is_local).collect::<Option<_>>()?;
        // More repetitions than there are layers say no more.
        let count = (count.as_u64()? as usize).min(layers);
        Some(pattern.repeat(count))
    };
    let patterns: Option<Vec<Vec<bool>>> = given.iter().map(pattern).collect();
    let Some(patterns) = patterns else {
        fields.unsupported(FIELD, &Value::from(given), EXPECTED);
        return vec![false; layers];
    };
    let all = patterns.concat();
    if all.len() != layers {
        fields.fault(format!("`{FIELD}` is of {} layers: expected {layers}", all.len()));
        return vec![false; layers];
    }
    all
}
