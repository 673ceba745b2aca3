//! EXAONE 4, <https://arxiv.org/abs/2507.11407>: Llama with norms behind both parts of a block instead of
//! before them, norms of each head's queries and keys, and, in its larger models, a window in three layers
//! of four and no positions in the others.

use super::common::{self, Sizes};
use super::{Architecture, DecoderShape};
use crate::config::{Fields, LayerType, RopeDefaults};
use crate::layers::attention::{AttentionShape, NormStage, NormWidth, QueryKeyNorm};
use crate::layers::block::{BlockShape, NormPlaces};

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "Exaone4ForCausalLM", model_type: "exaone4", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let norm = common::rms_norm(fields);
    let attention = AttentionShape {
        query_key_norm: Some(QueryKeyNorm {
            norm,
            width: NormWidth::Head,
            stage: NormStage::BeforeTurning,
            names: ["q_norm", "k_norm"],
        }),
        ..sizes.attention()
    };
    let window = fields.size_if_any("sliding_window");
    let block = |layer_type| {
        let is_sliding = layer_type == LayerType::Sliding;
        let attention = AttentionShape {
            rope: (is_sliding || window.is_none()).then_some(0),
            window: window.filter(|_| is_sliding),
            ..attention.clone()
        };
        BlockShape {
            norms: NormPlaces::After {
                mixer: "post_attention_layernorm",
                feed_forward: "post_feedforward_layernorm",
            },
            ..common::block(attention, common::gated(fields, "hidden_act"), norm)
        }
    };
    let blocks = layer_types(fields, sizes.layers, window).into_iter().map(block).collect();
    let rope = fields.rope(sizes.head_dim, RopeDefaults::default());
    common::decoder(fields, &sizes, blocks, vec![rope])
}

/// One layer in so many sees everything. The pattern counts only where the layers are not given, and may
/// then be no word.
fn layer_types(fields: &Fields<'_>, layers: usize, window: Option<usize>) -> Vec<LayerType> {
    if fields.has("layer_types") {
        fields.ignore("sliding_window_pattern");
        return fields.layer_types(layers, |_| LayerType::Full);
    }
    let pattern = fields.size_if_any("sliding_window_pattern").unwrap_or(1);
    let slides = |layer: usize| window.is_some() && !(layer + 1).is_multiple_of(pattern);
    let layer_type = |layer| if slides(layer) { LayerType::Sliding } else { LayerType::Full };
    (0..layers).map(layer_type).collect()
}
