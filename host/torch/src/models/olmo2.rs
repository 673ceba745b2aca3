//! OLMo 2, <https://arxiv.org/abs/2501.00656>: Llama with norms behind attention and feed-forward instead of
//! before them, and norms of all queries together and of all keys together.

use super::common::{self, Sizes};
use super::{Architecture, DecoderShape};
use crate::config::{Fields, RopeDefaults};
use crate::layers::attention::{AttentionShape, NormStage, NormWidth, QueryKeyNorm};
use crate::layers::block::{BlockShape, NormPlaces};
use crate::layers::linear::LinearKind;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "Olmo2ForCausalLM", model_type: "olmo2", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let block = block(fields, attention(fields, &sizes));
    let rope = fields.rope(sizes.head_dim, RopeDefaults::default());
    common::decoder(fields, &sizes, vec![block; sizes.layers], vec![rope])
}

/// Queries and keys normed before they are split into heads.
pub(super) fn attention(fields: &Fields<'_>, sizes: &Sizes) -> AttentionShape {
    let kind = LinearKind::with_bias(fields.flag("attention_bias"));
    AttentionShape {
        inputs_kind: kind,
        output_kind: kind,
        query_key_norm: Some(QueryKeyNorm {
            norm: common::rms_norm(fields),
            width: NormWidth::Full,
            stage: NormStage::BeforeTurning,
            names: ["q_norm", "k_norm"],
        }),
        ..sizes.attention()
    }
}

/// Norms behind both parts.
pub(super) fn block(fields: &Fields<'_>, attention: AttentionShape) -> BlockShape {
    let feed_forward = common::gated(fields, "hidden_act");
    BlockShape {
        norms: NormPlaces::After {
            mixer: "post_attention_layernorm",
            feed_forward: "post_feedforward_layernorm",
        },
        ..common::block(attention, feed_forward, common::rms_norm(fields))
    }
}
