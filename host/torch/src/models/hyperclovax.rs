//! HyperCLOVA X, <https://huggingface.co/naver-hyperclovax/HyperCLOVAX-SEED-Think-14B>: Granite 3 with norms
//! behind both parts of a block as well as before them, and logits multiplied where Granite divides them.

use super::common::Sizes;
use super::{Architecture, DecoderShape, granite};
use crate::config::{Fields, RopeDefaults};
use crate::layers::block::{BlockShape, NormPlaces};
use crate::layers::head::LogitShape;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "HyperCLOVAXForCausalLM", model_type: "hyperclovax", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let block = granite::block(fields, granite::attention(fields, &sizes));
    let norms = match fields.flag("use_post_norm") {
        true => NormPlaces::BeforeAndAfter {
            mixer: ["input_layernorm", "post_norm1"],
            feed_forward: ["post_attention_layernorm", "post_norm2"],
        },
        false => block.norms,
    };
    let blocks = vec![BlockShape { norms, ..block }; sizes.layers];
    let rope = fields.rope(sizes.head_dim, RopeDefaults::default());
    let scale = Some(fields.number("logits_scaling"));
    DecoderShape {
        logits: LogitShape { scale, ..LogitShape::default() },
        ..granite::decoder(fields, &sizes, blocks, vec![rope])
    }
}
