//! GPT-J, <https://github.com/kingoflolz/mesh-transformer-jax>: attention and a plain feed-forward side by
//! side behind one norm, a part of each head turned in pairs, and a head with a bias.

use super::common::{self, Sizes};
use super::names::Names;
use super::{Architecture, DecoderShape};
use crate::config::Fields;
use crate::layers::attention::AttentionShape;
use crate::layers::block::{BlockShape, NormPlaces, Part};
use crate::layers::feed_forward::PlainShape;
use crate::layers::linear::LinearKind;
use crate::layers::norm::NormKind;
use crate::layers::rope::{Rope, RopeLayout};

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "GPTJForCausalLM", model_type: "gptj", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::of_whole_heads(fields);
    let norm = common::layer_norm(fields, NormKind::Layer, "layer_norm_epsilon");
    let attention = AttentionShape { output: "out_proj", ..sizes.attention() };
    let feed_forward = PlainShape {
        intermediate_size: common::intermediate_size(fields, &sizes, "n_inner"),
        names: ["fc_in", "fc_out"],
        kind: LinearKind::Biased,
        activation: fields.activation("activation_function"),
    };
    let block = common::block(attention, feed_forward, norm);
    let block = BlockShape {
        mixer: Part { name: "attn", ..block.mixer },
        norms: NormPlaces::Parallel { mixer: "ln_1", feed_forward: None },
        ..block
    };
    let blocks = vec![block; sizes.layers];
    DecoderShape {
        names: Names::gpt2(),
        head: LinearKind::Biased,
        ..common::decoder_with(fields, &sizes, norm, blocks, vec![rope(fields, &sizes)])
    }
}

/// `rotary_dim` features of a head turn.
fn rope(fields: &Fields<'_>, sizes: &Sizes) -> Rope {
    let rotary_dim = fields.size("rotary_dim");
    if rotary_dim > sizes.head_dim {
        let expected = format!("at most {}, the features of a head", sizes.head_dim);
        fields.unsupported("rotary_dim", &rotary_dim, &expected);
    }
    Rope {
        rotary_dim: rotary_dim.min(sizes.head_dim),
        layout: RopeLayout::Pairs,
        ..Rope::plain(sizes.head_dim, 10_000.0)
    }
}
