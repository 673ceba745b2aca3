//! What transformers' own configuration classes have: the fields of each with their defaults, the second
//! names of some, and which of them say nothing about what a model computes when it is trained.

use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// By `model_type`: every field of the class and its default. Made by `tests/golden/config_fields.py`.
static KNOWN: LazyLock<BTreeMap<String, Map<String, Value>>> =
    LazyLock::new(|| serde_json::from_str(include_str!("fields.json")).expect("a committed file"));

/// By `model_type`: fields that go by a second name, and the one they are listed under.
static ALIASES: LazyLock<BTreeMap<String, BTreeMap<String, String>>> =
    LazyLock::new(|| serde_json::from_str(include_str!("aliases.json")).expect("a committed file"));

/// Fields that say nothing about what a model computes when it is trained: what it starts from, how
/// text is generated with it, what else transformers might return.
const INERT: [&str; 17] = [
    "bos_token_id",
    // Of a head for another task.
    "classifier_dropout",
    "eod_token_id",
    "eos_token_id",
    "init_std",
    "initializer_range",
    "is_decoder",
    "pad_token_id",
    "pretraining_tp",
    // In which type and order a product of f32 is computed anyway.
    "reorder_and_upcast_attn",
    // Counts only with `output_router_logits`.
    "router_aux_loss_coef",
    // Of a head for another task, like the others of its name.
    "summary_activation",
    "summary_first_dropout",
    "summary_proj_to_labels",
    "summary_type",
    "summary_use_proj",
    "use_cache",
];

/// The same for one architecture, by `model_type`: what is about parts that the models we take lack.
const INERT_IN: [(&str, &[&str]); 5] = [
    // That of the part that turns, whatever the file says.
    ("deepseek_v2", &["head_dim"]),
    ("deepseek_v3", &["num_mtp_layers"]),
    // Tensors that guess more tokens, beyond the model.
    ("glm4_moe", &["num_mtp_layers"]),
    // How softmax is rounded, which is computed in f32 anyway.
    ("gpt_bigcode", &["attention_softmax_in_fp32", "scale_attention_softmax_in_fp32"]),
    // Of experts and state spaces.
    (
        "granitemoehybrid",
        &[
            "intermediate_size",
            "mamba_chunk_size",
            "mamba_conv_bias",
            "mamba_d_conv",
            "mamba_d_head",
            "mamba_d_state",
            "mamba_expand",
            "mamba_n_groups",
            "mamba_n_heads",
            "mamba_proj_bias",
            "num_experts_per_tok",
            "time_step_limit",
        ],
    ),
];

/// Whether a field says nothing about what a model computes.
pub(crate) fn is_inert(model_type: &str, name: &str) -> bool {
    let own = INERT_IN.iter().find(|(own, _)| *own == model_type);
    INERT.contains(&name) || own.is_some_and(|(_, names)| names.contains(&name))
}

/// Dropout that an architecture's class has at 0 and its released models do not.
const RELEASED_DROPOUT: [(&str, &str, f64); 5] = [
    ("granite", "attention_dropout", 0.1),
    ("phi", "resid_pdrop", 0.1),
    ("starcoder2", "attention_dropout", 0.1),
    ("starcoder2", "embedding_dropout", 0.1),
    ("starcoder2", "residual_dropout", 0.1),
];

/// What a released model may have as dropout where the class has none.
pub(crate) fn released_dropout(model_type: &str, name: &str) -> Option<f64> {
    let is_it = |it: &&(&str, &str, f64)| (it.0, it.1) == (model_type, name);
    RELEASED_DROPOUT.iter().find(is_it).map(|it| it.2)
}

/// Every field of a configuration class, and its default.
///
/// # Panics
/// On a `model_type` that `fields.json` does not list.
pub(crate) fn known_fields(model_type: &str) -> &'static Map<String, Value> {
    KNOWN.get(model_type).unwrap_or_else(|| panic!("`{model_type}` is listed"))
}

/// The name that a field is listed under, which may be its second.
pub(crate) fn canonical<'a>(model_type: &str, name: &'a str) -> &'a str {
    let aliases = ALIASES.get(model_type);
    aliases.and_then(|aliases| aliases.get(name)).map_or(name, String::as_str)
}
