//! gpt-oss, <https://arxiv.org/abs/2508.10925>: experts with biases and a bounded gate in every layer, a
//! window in every other, and a score of each head that takes weight from all tokens. Published in four
//! bits, which are not read; in 16 bits it is as transformers writes it once it is dequantized.

use super::common::{self, Sizes};
use super::{Architecture, DecoderShape};
use crate::config::{Fields, LayerType, RopeDefaults};
use crate::layers::attention::AttentionShape;
use crate::layers::experts::{
    ExpertGate, ExpertLayout, ExpertsShape, RouterScores, RouterShape, RouterWeights,
};
use crate::layers::linear::LinearKind;
use crate::layers::rope::Rope;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "GptOssForCausalLM", model_type: "gpt_oss", shape };

fn shape(fields: &Fields<'_>) -> DecoderShape {
    let sizes = Sizes::read(fields);
    let kind = LinearKind::with_bias(fields.flag("attention_bias"));
    let attention = AttentionShape {
        inputs_kind: kind,
        output_kind: kind,
        sinks: Some("sinks"),
        ..sizes.attention()
    };
    let types = fields.layer_types(sizes.layers, LayerType::full_at_end_of(2));
    let (experts, norm) = (experts(fields), common::rms_norm(fields));
    let blocks = common::windowed(fields, types, &attention)
        .map(|attention| common::block(attention, experts.clone(), norm))
        .collect();
    common::decoder(fields, &sizes, blocks, vec![rope(fields, sizes.head_dim)])
}

fn experts(fields: &Fields<'_>) -> ExpertsShape {
    ExpertsShape {
        num_experts: fields.size("num_local_experts") as i64,
        intermediate_size: fields.size("intermediate_size") as i64,
        layout: ExpertLayout::AlternatingBiased,
        gate: ExpertGate::Clamped {
            alpha: fields.number("swiglu_alpha"),
            limit: fields.number("swiglu_limit"),
        },
        router: RouterShape {
            kind: LinearKind::Biased,
            scores: RouterScores::SoftmaxOfPicked,
            ..RouterShape::softmax(
                "router",
                fields.size("num_experts_per_tok"),
                RouterWeights::AsTheyAre,
            )
        },
        shared: None,
    }
}

/// Stretched as it was published, unless the file says otherwise.
fn rope(fields: &Fields<'_>, head_dim: usize) -> Rope {
    let published = json!({
        "rope_type": "yarn", "factor": 32.0, "beta_fast": 32.0, "beta_slow": 1.0, "truncate": false,
        "original_max_position_embeddings": 4096,
    });
    let given = fields.object("rope_parameters");
    let parameters = fields.object("rope_scaling").or(given);
    let parameters =
        parameters.unwrap_or_else(|| published.as_object().expect("an object").clone());
    let defaults = RopeDefaults { theta: 150_000.0, ..RopeDefaults::default() };
    fields.rope_of(&parameters, head_dim, defaults)
}
