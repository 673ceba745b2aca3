//! EXAONE 3, <https://arxiv.org/abs/2408.03541>: Llama whose tensors are named in GPT-2's way.

use super::common::{self, Sizes};
use super::names::Names;
use super::{Architecture, DecoderShape};
use crate::config::{Fields, RopeDefaults};
use crate::layers::attention::AttentionShape;
use crate::layers::block::{BlockShape, NormPlaces, Part};
use crate::layers::feed_forward::{GateUp, GatedShape};
use crate::layers::linear::LinearKind;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "ExaoneForCausalLM", model_type: "exaone", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let kind = LinearKind::with_bias(fields.flag("attention_bias"));
    let attention = AttentionShape {
        inputs_kind: kind,
        output: "out_proj",
        output_kind: kind,
        ..sizes.attention()
    };
    let feed_forward = GatedShape {
        inputs: GateUp::Separate(["c_fc_0", "c_fc_1"]),
        output: "c_proj",
        kind: LinearKind::with_bias(fields.flag("mlp_bias")),
        ..common::gated(fields, "hidden_act")
    };
    let block = common::block(attention, feed_forward, common::rms_norm(fields));
    let block = BlockShape {
        mixer: Part { name: "attn.attention", ..block.mixer },
        norms: NormPlaces::Before { mixer: "ln_1", feed_forward: "ln_2" },
        ..block
    };
    let defaults = RopeDefaults { theta: 500_000.0, ..RopeDefaults::default() };
    let rope = fields.rope(sizes.head_dim, defaults);
    DecoderShape {
        names: Names::gpt2(),
        ..common::decoder(fields, &sizes, vec![block; sizes.layers], vec![rope])
    }
}
