//! VaultGemma, <https://arxiv.org/abs/2510.15001>: Gemma 2 without norms behind the parts of a block.

use super::common::Sizes;
use super::{Architecture, DecoderShape, gemma2};
use crate::config::Fields;
use crate::layers::block::NormPlaces;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "VaultGemmaForCausalLM", model_type: "vaultgemma", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let mut shape = gemma2::whole(fields, &sizes);
    for block in &mut shape.blocks {
        block.norms = NormPlaces::Before {
            mixer: "input_layernorm",
            feed_forward: "pre_feedforward_layernorm",
        };
    }
    shape
}
