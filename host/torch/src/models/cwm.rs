//! CWM, <https://arxiv.org/abs/2510.02387>: Llama 3 with a window in three layers of four.

use super::common::{self, Sizes};
use super::{Architecture, DecoderShape};
use crate::config::{Fields, LayerType, RopeDefaults};
use crate::layers::rope::{Rope, RopeScaling};

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "CwmForCausalLM", model_type: "cwm", shape };

/// One layer in so many sees everything, the first being one, where the layers are not given.
const PATTERN: usize = 4;

/// The rotary embedding where the file has none.
const THETA: f64 = 1_000_000.0;
const STRETCHED: RopeScaling = RopeScaling::Llama3 {
    factor: 16.0,
    low_freq_factor: 1.0,
    high_freq_factor: 4.0,
    original_max_position_embeddings: 8192.0,
};

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let types = fields.layer_types(sizes.layers, LayerType::full_at_start_of(PATTERN));
    let blocks = common::windows(fields, &sizes, types);
    let is_given = fields.has("rope_parameters") || fields.has("rope_scaling");
    let defaults = RopeDefaults { theta: THETA, ..RopeDefaults::default() };
    let given = fields.rope(sizes.head_dim, defaults);
    let rope = match is_given {
        true => given,
        false => Rope { scaling: STRETCHED, ..Rope::plain(sizes.head_dim, THETA) },
    };
    common::decoder(fields, &sizes, blocks, vec![rope])
}
