//! SmolLM 3, <https://huggingface.co/blog/smollm3>: Llama of which every fourth layer knows no positions.

use super::common::{self, Sizes};
use super::{Architecture, DecoderShape};
use crate::config::{Fields, LayerType, RopeDefaults};
use crate::layers::attention::AttentionShape;
use crate::layers::feed_forward::GatedShape;
use crate::layers::linear::LinearKind;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "SmolLM3ForCausalLM", model_type: "smollm3", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let kind = LinearKind::with_bias(fields.flag("attention_bias"));
    let attention = AttentionShape { inputs_kind: kind, output_kind: kind, ..sizes.attention() };
    let feed_forward = GatedShape {
        kind: LinearKind::with_bias(fields.flag("mlp_bias")),
        ..common::gated(fields, "hidden_act")
    };
    let norm = common::rms_norm(fields);

    let turns = turns(fields, sizes.layers);
    let window = fields.size_if_any("sliding_window");
    let window = window.filter(|_| fields.flag("use_sliding_window"));
    let types = fields.layer_types(sizes.layers, |layer| match window {
        Some(_) if !turns[layer] => LayerType::Sliding,
        _ => LayerType::Full,
    });
    let block = |(layer_type, &turns): (LayerType, &bool)| {
        let attention = AttentionShape {
            rope: turns.then_some(0),
            window: window.filter(|_| layer_type == LayerType::Sliding),
            ..attention.clone()
        };
        common::block(attention, feed_forward.clone(), norm)
    };
    let blocks = types.into_iter().zip(&turns).map(block).collect();
    let defaults = RopeDefaults { theta: 2_000_000.0, ..RopeDefaults::default() };
    let rope = fields.rope(sizes.head_dim, defaults);
    common::decoder(fields, &sizes, blocks, vec![rope])
}

/// Which layers know positions. `no_rope_layers` has a 1, in spite of its name, for one that does.
fn turns(fields: &Fields<'_>, layers: usize) -> Vec<bool> {
    let interval = fields.size_if_any("no_rope_layer_interval").unwrap_or(4);
    match fields.numbers("no_rope_layers") {
        Some(given) if given.len() >= layers => {
            given[..layers].iter().map(|&turns| turns != 0).collect()
        }
        Some(given) => {
            let found = given.len();
            fields.fault(format!("`no_rope_layers` has {found} entries: expected {layers}"));
            vec![true; layers]
        }
        None => (0..layers).map(|layer| !(layer + 1).is_multiple_of(interval)).collect(),
    }
}
