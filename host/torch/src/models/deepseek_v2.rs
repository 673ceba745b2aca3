//! DeepSeek V2, <https://arxiv.org/abs/2405.04434>: latent attention, and experts behind the first layers, picked
//! by softmax, with some that every token passes through.

use super::common::{self, Sizes};
use super::{Architecture, DecoderShape};
use crate::config::{Fields, RopeDefaults};
use crate::layers::attention::LatentShape;
use crate::layers::block::{BlockShape, MixerShape, Part};
use crate::layers::experts::{
    ExpertGate, ExpertLayout, ExpertsShape, Groups, RouterShape, RouterWeights, SharedExpert,
};
use crate::layers::feed_forward::{FeedForwardShape, GatedShape};
use crate::layers::linear::LinearKind;
use crate::layers::rope::{Rope, RopeLayout, RopeScaling};
use serde_json::Value;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "DeepseekV2ForCausalLM", model_type: "deepseek_v2", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let gated = FeedForwardShape::from(common::gated(fields, "hidden_act"));
    let experts = FeedForwardShape::from(experts(fields));
    let dense = fields.number("first_k_dense_replace") as usize;
    decoder(
        fields,
        RopeLayout::Pairs,
        |layer| {
            if layer < dense { gated.clone() } else { experts.clone() }
        },
    )
}

/// With these feed-forwards, by layer.
pub(super) fn decoder(
    fields: &Fields<'_>,
    layout: RopeLayout,
    feed_forward: impl Fn(usize) -> FeedForwardShape,
) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let rope = fields.rope(fields.size("qk_rope_head_dim"), RopeDefaults::default());
    let rope = Rope { layout, ..rope };
    let latent = MixerShape::Latent(latent(fields, &sizes, &rope));
    let norm = common::rms_norm(fields);
    let block = |layer| BlockShape {
        mixer: Part { name: "self_attn", shape: latent.clone() },
        ..common::block(sizes.attention(), feed_forward(layer), norm)
    };
    let blocks = (0..sizes.layers).map(block).collect();
    common::decoder(fields, &sizes, blocks, vec![rope])
}

fn latent(fields: &Fields<'_>, sizes: &Sizes, rope: &Rope) -> LatentShape {
    let (heads, key_heads) = (sizes.heads, sizes.key_value_heads);
    if key_heads != heads {
        fields.fault(format!(
            "`num_key_value_heads` is {key_heads} and `num_attention_heads` {heads}: expected the same"
        ));
    }
    let size = |name: &str| fields.size(name) as i64;
    let (still, turning) = (size("qk_nope_head_dim"), size("qk_rope_head_dim"));
    LatentShape {
        num_attention_heads: sizes.heads as i64,
        q_lora_rank: fields.size_if_any("q_lora_rank").map(|rank| rank as i64),
        kv_lora_rank: size("kv_lora_rank"),
        qk_nope_head_dim: still,
        qk_rope_head_dim: turning,
        v_head_dim: size("v_head_dim"),
        scale: stretched(fields, rope).powi(2) / ((still + turning) as f64).sqrt(),
        kind: LinearKind::with_bias(fields.flag("attention_bias")),
        rope: 0,
    }
}

/// What a longer context asks of queries and of keys, which for this attention is in the scores and not
/// in what is turned: 0.1 · `mscale_all_dim` · ln(factor) + 1.
fn stretched(fields: &Fields<'_>, rope: &Rope) -> f64 {
    let parameters = fields.object("rope_parameters");
    let parameters = fields.object("rope_scaling").or(parameters).unwrap_or_default();
    let mscale = parameters.get("mscale_all_dim").and_then(Value::as_f64).unwrap_or(0.0);
    let factor = match &rope.scaling {
        RopeScaling::Yarn(yarn) => yarn.factor,
        RopeScaling::Linear { factor } | RopeScaling::Llama3 { factor, .. } => *factor,
        _ => 1.0,
    };
    if factor > 1.0 { 0.1 * mscale * factor.ln() + 1.0 } else { 1.0 }
}

fn experts(fields: &Fields<'_>) -> ExpertsShape {
    let size = fields.size("moe_intermediate_size");
    let activation = fields.activation("hidden_act");
    let router =
        RouterShape::softmax("gate", fields.size("num_experts_per_tok"), RouterWeights::AsTheyAre);
    ExpertsShape {
        num_experts: fields.size("n_routed_experts") as i64,
        intermediate_size: size as i64,
        layout: ExpertLayout::GATE_UP_DOWN,
        gate: ExpertGate::Activated(activation),
        router: RouterShape {
            groups: groups(fields),
            scale: fields.number("routed_scaling_factor"),
            ..router
        },
        shared: Some(SharedExpert {
            name: "shared_experts",
            shape: GatedShape::plain(size * fields.size("n_shared_experts"), activation),
            gate: None,
        }),
    }
}

/// None where the best of all experts are picked.
fn groups(fields: &Fields<'_>) -> Option<Groups> {
    let method = fields.text("topk_method");
    match method.as_str() {
        "group_limited_greedy" => Some(Groups {
            count: fields.size("n_group") as i64,
            picked: fields.size("topk_group") as i64,
            judged_by: 1,
        }),
        "greedy" => {
            fields.ignore("n_group");
            fields.ignore("topk_group");
            None
        }
        other => {
            let expected = "`greedy` or `group_limited_greedy`";
            fields.unsupported("topk_method", &format!("`{other}`"), expected);
            None
        }
    }
}
