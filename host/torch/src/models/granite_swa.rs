//! Granite with windows, <https://huggingface.co/ibm-granite>: Granite 3 with a window in three layers of
//! four, a sink in each head, and a θ for each layer, of which 0 knows no positions.

use super::common::{self, Sizes};
use super::{Architecture, DecoderShape, granite};
use crate::config::{Fields, LayerType, RopeDefaults};
use crate::layers::attention::AttentionShape;
use crate::layers::rope::Rope;
use serde_json::Value;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "GraniteSWAForCausalLM", model_type: "granite_swa", shape };

/// One layer in so many sees everything, the first being one, where the layers are not given.
const PATTERN: usize = 4;

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let types = fields.layer_types(sizes.layers, LayerType::full_at_start_of(PATTERN));
    let (ropes, by_layer) = ropes(fields, &sizes);
    let attention = AttentionShape { sinks: Some("sinks"), ..granite::attention(fields, &sizes) };
    let blocks = common::windowed(fields, types, &attention)
        .zip(by_layer)
        .map(|(attention, rope)| granite::block(fields, AttentionShape { rope, ..attention }))
        .collect();
    granite::decoder(fields, &sizes, blocks, ropes)
}

/// One for each θ, and by layer which.
fn ropes(fields: &Fields<'_>, sizes: &Sizes) -> (Vec<Rope>, Vec<Option<usize>>) {
    let shared = fields.rope(sizes.head_dim, RopeDefaults::default());
    let mut ropes: Vec<Rope> = Vec::new();
    let by_layer = thetas(fields, sizes.layers, shared.theta).into_iter().map(|theta| {
        let place = ropes.iter().position(|rope| rope.theta == theta);
        (theta != 0.0).then(|| {
            place.unwrap_or_else(|| {
                ropes.push(Rope { theta, ..shared.clone() });
                ropes.len() - 1
            })
        })
    });
    let by_layer = by_layer.collect();
    (ropes, by_layer)
}

fn thetas(fields: &Fields<'_>, layers: usize, shared: f64) -> Vec<f64> {
    const FIELD: &str = "layer_rope_theta";
    let Some(given) = fields.list(FIELD) else { return vec![shared; layers] };
    let thetas: Option<Vec<f64>> = given.iter().map(Value::as_f64).collect();
    match thetas {
        Some(thetas) if thetas.len() == layers => thetas,
        _ => {
            fields.fault(format!("`{FIELD}` has to be a list of {layers} numbers"));
            vec![shared; layers]
        }
    }
}
