//! DeepSeek V3 and R1, <https://arxiv.org/abs/2412.19437>: DeepSeek V2 with experts picked as in GLM 4.5, by σ of
//! their scores and a correction that no gradient teaches.

use super::{Architecture, DecoderShape, deepseek_v2, glm4_moe};
use crate::config::Fields;
use crate::layers::rope::RopeLayout;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "DeepseekV3ForCausalLM", model_type: "deepseek_v3", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let layers = fields.num_layers("num_hidden_layers");
    let feed_forwards = glm4_moe::feed_forwards(fields, layers);
    let layout =
        if fields.flag("rope_interleave") { RopeLayout::Pairs } else { RopeLayout::Halves };
    deepseek_v2::decoder(fields, layout, |layer| feed_forwards[layer].clone())
}
