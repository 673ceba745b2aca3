//! HunYuan (dense), <https://huggingface.co/tencent/Hunyuan-7B-Instruct>: Llama with norms of each head's
//! queries and keys once they are turned, and a θ that grows with `alpha`.

use super::common::{self, Sizes};
use super::{Architecture, DecoderShape};
use crate::config::{Fields, RopeDefaults};
use crate::layers::attention::{AttentionShape, NormStage, NormWidth, QueryKeyNorm};
use crate::layers::linear::LinearKind;
use crate::layers::rope::Rope;
use serde_json::{Value, json};

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "HunYuanDenseV1ForCausalLM", model_type: "hunyuan_v1_dense", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let kind = LinearKind::with_bias(fields.flag("attention_bias"));
    let attention = AttentionShape {
        inputs_kind: kind,
        output_kind: kind,
        query_key_norm: Some(QueryKeyNorm {
            norm: common::rms_norm(fields),
            width: NormWidth::Head,
            stage: NormStage::AfterTurning,
            names: ["query_layernorm", "key_layernorm"],
        }),
        ..sizes.attention()
    };
    let feed_forward = common::gated(fields, "hidden_act");
    let block = common::block(attention, feed_forward, common::rms_norm(fields));
    let rope = rope(fields, sizes.head_dim);
    common::decoder(fields, &sizes, vec![block; sizes.layers], vec![rope])
}

/// A rope that calls itself dynamic and has an `alpha` is none: θ is α^(R/(R−2)) times what it says.
fn rope(fields: &Fields<'_>, head_dim: usize) -> Rope {
    let parameters = fields.object("rope_parameters");
    let mut parameters = fields.object("rope_scaling").or(parameters).unwrap_or_default();
    let named = |name: &str| parameters.get(name).and_then(Value::as_str);
    let is_dynamic = named("rope_type").or_else(|| named("type")) == Some("dynamic");
    let alpha = parameters.get("alpha").and_then(Value::as_f64).filter(|&alpha| alpha != 0.0);
    let growth = match alpha {
        Some(alpha) if is_dynamic => {
            parameters.insert("rope_type".into(), json!("default"));
            alpha.powf(head_dim as f64 / (head_dim as f64 - 2.0))
        }
        _ => 1.0,
    };
    let rope = fields.rope_of(&parameters, head_dim, RopeDefaults::default());
    Rope { theta: rope.theta * growth, ..rope }
}
