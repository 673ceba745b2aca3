//! Granite 4 without state spaces and without experts,
//! <https://huggingface.co/ibm-granite/granite-4.0-micro>: Granite 3 whose feed-forward is the one that all
//! experts would share, and which may know no positions.

use super::common::{self, Sizes};
use super::{Architecture, DecoderShape, granite};
use crate::config::{Fields, LayerType, RopeDefaults};
use crate::layers::attention::AttentionShape;
use crate::layers::block::{BlockShape, Part};
use crate::layers::feed_forward::{GateUp, GatedShape};
use crate::layers::rope::Rope;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "GraniteMoeHybridForCausalLM", model_type: "granitemoehybrid", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    refuse_others(fields, sizes.layers);
    let rope = rope(fields, sizes.head_dim);
    let attention =
        AttentionShape { rope: rope.is_some().then_some(0), ..granite::attention(fields, &sizes) };
    let feed_forward = GatedShape {
        inputs: GateUp::Stacked("input_linear"),
        output: "output_linear",
        ..GatedShape::plain(
            fields.size("shared_intermediate_size"),
            fields.activation("hidden_act"),
        )
    };
    let block = common::block(attention, feed_forward, common::rms_norm(fields));
    let block = BlockShape {
        feed_forward: Part { name: "shared_mlp", ..block.feed_forward },
        residual_multiplier: Some(fields.number("residual_multiplier")),
        ..block
    };
    let blocks = vec![block; sizes.layers];
    granite::decoder(fields, &sizes, blocks, rope.into_iter().collect())
}

/// Models with experts or with state spaces, which the layers are where the file does not name them.
fn refuse_others(fields: &Fields<'_>, layers: usize) {
    let experts = fields.number_if_any("num_local_experts").unwrap_or(0.0);
    if experts != 0.0 {
        fields.unsupported("num_local_experts", &experts, "0");
    }
    let types = fields.layer_types(layers, |_| LayerType::Sliding);
    if types.contains(&LayerType::Sliding) {
        fields.fault("`layer_types` has to name `full_attention` for every layer".into());
    }
}

/// None unless the file asks for one.
fn rope(fields: &Fields<'_>, head_dim: usize) -> Option<Rope> {
    let asked = fields.text("position_embedding_type") == "rope";
    let rope = fields.rope(head_dim, RopeDefaults::default());
    asked.then_some(rope)
}
