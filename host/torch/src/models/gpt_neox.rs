//! GPT-NeoX, also Pythia's, <https://arxiv.org/abs/2204.06745>: attention and a plain feed-forward side by
//! side, each behind a norm by mean and variance; one matrix for queries, keys and values, head by head; a
//! part of each head that turns; biases everywhere.

use super::common::{self, Sizes};
use super::names::Names;
use super::{Architecture, DecoderShape};
use crate::config::{Fields, RopeDefaults};
use crate::layers::attention::{AttentionShape, Projections};
use crate::layers::block::{BlockShape, NormPlaces, Part};
use crate::layers::feed_forward::PlainShape;
use crate::layers::linear::LinearKind;
use crate::layers::norm::NormKind;
use crate::layers::rope::Rope;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "GPTNeoXForCausalLM", model_type: "gpt_neox", shape };

/// The part of a head that turns, where the file says nothing.
const ROTARY_PART: f64 = 0.25;

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::of_whole_heads(fields);
    let norm = common::layer_norm(fields, NormKind::Layer, "layer_norm_eps");
    let kind = LinearKind::with_bias(fields.flag("attention_bias"));
    let attention = AttentionShape {
        inputs: Projections::Interleaved("query_key_value"),
        inputs_kind: kind,
        output: "dense",
        output_kind: kind,
        ..sizes.attention()
    };
    let feed_forward = PlainShape {
        intermediate_size: fields.size("intermediate_size") as i64,
        names: ["dense_h_to_4h", "dense_4h_to_h"],
        kind: LinearKind::Biased,
        activation: fields.activation("hidden_act"),
    };
    let block = common::block(attention, feed_forward, norm);
    let [mixer, feed_forward] = ["input_layernorm", "post_attention_layernorm"];
    let block = BlockShape {
        mixer: Part { name: "attention", ..block.mixer },
        norms: match fields.flag("use_parallel_residual") {
            true => NormPlaces::Parallel { mixer, feed_forward: Some(feed_forward) },
            false => NormPlaces::Before { mixer, feed_forward },
        },
        ..block
    };
    let blocks = vec![block; sizes.layers];
    DecoderShape {
        names: names(),
        ..common::decoder_with(fields, &sizes, norm, blocks, vec![rope(fields, sizes.head_dim)])
    }
}

/// θ and the part that turns have names of their own beside the parameters, and no other counts there.
fn rope(fields: &Fields<'_>, head_dim: usize) -> Rope {
    let parameters = fields.object("rope_parameters");
    let mut parameters = fields.object("rope_scaling").or(parameters).unwrap_or_default();
    let theta = fields.number_if_any("rotary_emb_base").unwrap_or(10_000.0);
    let part = fields.number_if_any("rotary_pct").unwrap_or(ROTARY_PART);
    parameters.entry("rope_theta").or_insert(theta.into());
    parameters.entry("partial_rotary_factor").or_insert(part.into());
    let defaults =
        RopeDefaults { partial_rotary_factor: Some(ROTARY_PART), ..RopeDefaults::default() };
    fields.rope_of(&parameters, head_dim, defaults)
}

fn names() -> Names {
    Names {
        body: "gpt_neox.".into(),
        embed_tokens: "embed_in",
        layers: "layers",
        norm: "final_layer_norm",
        lm_head: "embed_out".into(),
    }
}
