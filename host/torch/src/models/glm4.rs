//! GLM-4 of 2025, <https://huggingface.co/zai-org/GLM-4-9B-0414>: the one of 2024 with norms behind both
//! parts of a block as well as before them.

use super::common::{self, Sizes};
use super::{Architecture, DecoderShape, glm};
use crate::config::Fields;
use crate::layers::block::{BlockShape, NormPlaces};

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "Glm4ForCausalLM", model_type: "glm4", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let block = BlockShape {
        norms: NormPlaces::BeforeAndAfter {
            mixer: ["input_layernorm", "post_self_attn_layernorm"],
            feed_forward: ["post_attention_layernorm", "post_mlp_layernorm"],
        },
        ..glm::block(fields, &sizes)
    };
    let rope = glm::rope(fields, sizes.head_dim);
    common::decoder(fields, &sizes, vec![block; sizes.layers], vec![rope])
}
