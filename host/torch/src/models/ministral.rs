//! Ministral of 2024, <https://mistral.ai/news/ministraux>: Mistral with a window in some layers only.

use super::common::{self, Sizes};
use super::{Architecture, DecoderShape};
use crate::config::{Fields, LayerType, RopeDefaults};

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "MinistralForCausalLM", model_type: "ministral", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let types = fields.layer_types(sizes.layers, |_| LayerType::Sliding);
    let blocks = common::windows(fields, &sizes, types);
    let rope = fields.rope(sizes.head_dim, RopeDefaults::default());
    common::decoder(fields, &sizes, blocks, vec![rope])
}
