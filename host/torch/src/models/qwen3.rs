//! Qwen 3 (dense), <https://arxiv.org/abs/2505.09388>: Llama with norms on the queries and keys of each
//! head, heads of 128 features unless the file says otherwise, and biases only by `attention_bias`.

use super::common::{self, Sizes};
use super::{Architecture, DecoderShape, qwen2};
use crate::config::Fields;
use crate::layers::attention::{AttentionShape, NormStage, NormWidth, QueryKeyNorm};
use crate::layers::linear::LinearKind;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "Qwen3ForCausalLM", model_type: "qwen3", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let attention = attention(fields, &sizes);
    qwen2::layers(fields, &sizes, &attention)
}

pub(super) fn attention(fields: &Fields<'_>, sizes: &Sizes) -> AttentionShape {
    let kind = LinearKind::with_bias(fields.flag("attention_bias"));
    AttentionShape {
        inputs_kind: kind,
        output_kind: kind,
        query_key_norm: Some(QueryKeyNorm {
            norm: common::rms_norm(fields),
            width: NormWidth::Head,
            stage: NormStage::BeforeTurning,
            names: ["q_norm", "k_norm"],
        }),
        ..sizes.attention()
    }
}
