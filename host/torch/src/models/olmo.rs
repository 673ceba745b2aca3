//! OLMo, <https://arxiv.org/abs/2402.00838>: Llama with norms by mean and variance that learn nothing, and
//! in some models a bound on queries, keys and values.

use super::common::{self, Sizes};
use super::{Architecture, DecoderShape};
use crate::config::{Fields, RopeDefaults};
use crate::layers::attention::AttentionShape;
use crate::layers::linear::LinearKind;
use crate::layers::norm::{NormKind, NormShape};

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "OlmoForCausalLM", model_type: "olmo", shape };

/// No file says otherwise.
const NORM: NormShape = NormShape { kind: NormKind::LayerAlone, eps: 1e-5 };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let kind = LinearKind::with_bias(fields.flag("attention_bias"));
    let attention = AttentionShape {
        inputs_kind: kind,
        output_kind: kind,
        input_bound: fields.number_if_any("clip_qkv"),
        ..sizes.attention()
    };
    let block = common::block(attention, common::gated(fields, "hidden_act"), NORM);
    let rope = fields.rope(sizes.head_dim, RopeDefaults::default());
    common::decoder_with(fields, &sizes, NORM, vec![block; sizes.layers], vec![rope])
}
