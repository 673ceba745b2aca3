//! A configuration is computed right or refused. Every field of transformers' own class, changed from what
//! it is by default, changes the table of layers, or is refused by its name, or is known to change nothing.

use super::{ARCHITECTURES, shape};
use crate::config::{Config, canonical, is_inert, known_fields};
use serde_json::{Map, Value, json};

/// Small sizes, and everything on that lets other fields have a meaning; several where not all can have
/// one at once.
fn bases(model_type: &str) -> Vec<Map<String, Value>> {
    let more = match model_type {
        "qwen2" | "qwen3" | "qwen2_vl_text" | "qwen2_5_vl_text" => {
            json!([{"use_sliding_window": true, "sliding_window": 8, "max_window_layers": 1}])
        }
        "smollm3" => json!([{"use_sliding_window": true, "sliding_window": 8}]),
        "phi3" => json!([{
            "rope_parameters": {
                "rope_type": "longrope", "short_factor": [1, 1, 1, 1], "long_factor": [1, 2, 3, 4],
            },
        }]),
        "granitemoehybrid" => json!([{
            "num_local_experts": 0, "layer_types": vec!["full_attention"; 8],
            "position_embedding_type": "rope", "shared_intermediate_size": 16,
        }]),
        "qwen3_moe" => json!([{
            "num_experts": 4, "num_experts_per_tok": 1, "moe_intermediate_size": 8,
            "use_sliding_window": true, "sliding_window": 8, "mlp_only_layers": [1],
        }]),
        "qwen2_moe" => json!([{
            "num_experts": 4, "num_experts_per_tok": 1, "moe_intermediate_size": 8,
            "shared_expert_intermediate_size": 8, "mlp_only_layers": [1],
            "use_sliding_window": true, "sliding_window": 8, "max_window_layers": 2,
        }]),
        "olmoe" | "mixtral" | "granitemoe" | "gpt_oss" => json!([{
            "num_experts": 4, "num_local_experts": 4, "num_experts_per_tok": 1, "sliding_window": 8,
        }]),
        "qwen3_5_text" | "qwen3_5_moe_text" | "qwen3_next" => json!([{
            "linear_num_key_heads": 1, "linear_num_value_heads": 2, "linear_key_head_dim": 4,
            "linear_value_head_dim": 4, "linear_conv_kernel_dim": 4, "num_experts": 4,
            "num_experts_per_tok": 1, "moe_intermediate_size": 8,
            "shared_expert_intermediate_size": 8, "mlp_only_layers": [1],
        }]),
        "qwen3_vl_moe_text" => json!([{
            "num_experts": 4, "num_experts_per_tok": 1, "moe_intermediate_size": 8,
            "mlp_only_layers": [1],
        }]),
        "deepseek_v2" | "deepseek_v3" => json!([{
            "n_routed_experts": 4, "num_experts_per_tok": 1, "moe_intermediate_size": 8,
            "n_shared_experts": 1, "first_k_dense_replace": 1, "n_group": 2, "topk_group": 1,
            "topk_method": "group_limited_greedy", "num_key_value_heads": 4, "q_lora_rank": 4,
            "kv_lora_rank": 4, "qk_rope_head_dim": 4, "qk_nope_head_dim": 4, "v_head_dim": 4,
        }]),
        "glm4_moe" | "dots1" => json!([{
            "n_routed_experts": 4, "num_experts_per_tok": 1, "moe_intermediate_size": 8,
            "n_shared_experts": 1, "first_k_dense_replace": 1, "n_group": 2, "topk_group": 1,
            "sliding_window": 8, "max_window_layers": 1,
        }]),
        "ernie4_5_moe" => json!([{
            "moe_num_experts": 4, "moe_k": 1, "moe_intermediate_size": 8,
            "moe_num_shared_experts": 1, "moe_layer_end_index": 2,
        }]),
        "lfm2_moe" => json!([{
            "num_experts": 4, "num_experts_per_tok": 1, "moe_intermediate_size": 8,
            "num_dense_layers": 1, "conv_L_cache": 3, "layer_types": ["conv", "full_attention", "conv", "conv", "conv", "conv", "conv", "conv"],
        }]),
        "lfm2" => json!([{"conv_L_cache": 3, "block_multiple_of": 2, "full_attn_idxs": [1]}]),
        "gpt_neo" => json!([{"window_size": 8}]),
        "opt" => json!([{"ffn_dim": 16}]),
        // Of their heads a quarter turns.
        "gpt_neox" | "stablelm" => json!([{"hidden_size": 64}]),
        "gptj" => json!([{"rotary_dim": 2}]),
        "falcon" => json!([{}, {"new_decoder_architecture": true, "num_kv_heads": 2}]),
        _ => json!([{}]),
    };
    more.as_array().unwrap().iter().map(|more| base(model_type, more)).collect()
}

fn base(model_type: &str, more: &Value) -> Map<String, Value> {
    let fields = json!({
        "model_type": model_type, "vocab_size": 10, "hidden_size": 16, "intermediate_size": 16,
        "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
        "max_position_embeddings": 64,
    });
    let fields = [&fields, more].into_iter().flat_map(|fields| fields.as_object().unwrap());
    fields.map(|(name, value)| (canonical(model_type, name).into(), value.clone())).collect()
}

/// Another value than the one a field has.
fn another(model_type: &str, name: &str, value: &Value) -> Value {
    match (name, value) {
        ("layer_types", _) if model_type.starts_with("qwen3_5") || model_type == "qwen3_next" => {
            json!(["full_attention", "linear_attention", "linear_attention", "full_attention"])
        }
        ("layer_types", _) if model_type.starts_with("lfm2") => {
            json!(["conv", "conv", "full_attention", "conv"])
        }
        ("full_attn_idxs" | "mlp_only_layers", _) => json!([2]),
        ("layer_types", _) => {
            let full = "full_attention";
            json!([full, full, "sliding_attention", full])
        }
        ("rope_parameters", _) => json!({
            "rope_type": "linear", "factor": 2.0, "llama_4_scaling_beta": 0.5,
            "full_attention": {"rope_type": "linear", "factor": 2.0},
        }),
        ("no_rope_layers", _) => json!([0, 0, 1, 1]),
        ("hidden_act" | "hidden_activation" | "activation_function" | "activation", _) => {
            json!(if value == "relu" { "gelu" } else { "relu" })
        }
        (_, Value::Bool(flag)) => json!(!flag),
        (_, Value::Number(number)) if number.is_u64() => json!(number.as_u64().unwrap().max(1) * 2),
        (_, Value::Number(number)) => json!(number.as_f64().unwrap() * 2.0 + 0.125),
        _ => json!(6),
    }
}

fn outcome(fields: &Map<String, Value>) -> Result<String, String> {
    let config = Config::parse(&Value::from(fields.clone()).to_string()).unwrap();
    shape(&config).map(|shape| format!("{shape:?}"))
}

#[test]
fn every_field_matters_or_is_refused_or_is_inert() {
    let mut silent = Vec::new();
    for architecture in ARCHITECTURES {
        let model_type = architecture.model_type;
        let bases = bases(model_type);
        for (name, default) in known_fields(model_type) {
            let matters = bases.iter().any(|base| matters(model_type, base, name, default));
            if !matters && !is_inert(model_type, name) {
                silent.push(format!("{model_type}: `{name}`"));
            }
        }
    }
    assert!(silent.is_empty(), "neither read nor refused:\n{}", silent.join("\n"));
}

/// Whether another value of a field makes another table of layers, or a fault that names it.
fn matters(model_type: &str, base: &Map<String, Value>, name: &str, default: &Value) -> bool {
    let plain = outcome(base).unwrap_or_else(|fault| panic!("{model_type}: {fault}"));
    let mut changed = base.clone();
    changed.insert(name.into(), another(model_type, name, base.get(name).unwrap_or(default)));
    match outcome(&changed) {
        Ok(shape) => shape != plain,
        Err(fault) => {
            assert!(fault.contains(&format!("`{name}`")), "{model_type}: {fault}");
            true
        }
    }
}

#[test]
fn what_is_not_implemented_is_refused_by_name() {
    for (model_type, name, value) in [
        ("llama", "attention_dropout", json!(0.1)),
        ("llama", "hidden_act", json!("mish")),
        ("llama", "partial_rotary_factor", json!(0.5)),
        ("llama", "layer_types", json!(["sliding_attention", "full_attention"])),
        ("mistral", "attention_dropout", json!(0.1)),
        ("mistral", "hidden_act", json!("laplace")),
        ("mistral", "partial_rotary_factor", json!(0.25)),
        ("ministral3", "attention_dropout", json!(0.1)),
        ("ministral3", "hidden_act", json!("prelu")),
        ("qwen2", "attention_dropout", json!(0.1)),
        ("qwen2", "layer_types", json!(vec!["linear_attention"; 4])),
        ("qwen3", "attention_dropout", json!(0.1)),
        ("qwen3", "layer_types", json!(vec!["chunked_attention"; 4])),
        ("gemma2", "attention_dropout", json!(0.1)),
        ("gemma2", "use_bidirectional_attention", json!(true)),
        ("gemma2", "hidden_activation", json!("gelu_10")),
        ("gemma3_text", "attention_dropout", json!(0.1)),
        ("gemma3_text", "attn_logit_softcapping", json!(50.0)),
        ("gemma3_text", "use_bidirectional_attention", json!(true)),
        ("smollm3", "attention_dropout", json!(0.1)),
        ("smollm3", "hidden_act", json!("laplace")),
        ("smollm3", "partial_rotary_factor", json!(0.5)),
        ("olmo2", "attention_dropout", json!(0.1)),
        ("olmo2", "hidden_act", json!("laplace")),
        ("olmo3", "attention_dropout", json!(0.1)),
        ("olmo3", "rope_theta", json!(10_000.0)),
        ("phi3", "attention_dropout", json!(0.1)),
        ("phi3", "resid_pdrop", json!(0.1)),
        ("phi3", "embd_pdrop", json!(0.1)),
        ("phi3", "rope_parameters", json!({"rope_type": "linear", "factor": 2.0})),
        ("granite", "attention_dropout", json!(0.2)),
        ("granite", "hidden_act", json!("laplace")),
        ("gpt2", "attn_pdrop", json!(0.2)),
        ("gpt2", "add_cross_attention", json!(true)),
        ("gpt2", "activation_function", json!("tanh")),
        ("gpt_neox", "hidden_dropout", json!(0.1)),
        ("gemma", "use_bidirectional_attention", json!(true)),
        ("granitemoehybrid", "num_local_experts", json!(8)),
        ("granitemoehybrid", "layer_types", json!(vec!["mamba"; 4])),
        ("granitemoehybrid", "layer_types", json!(null)),
        ("granitemoehybrid", "output_router_logits", json!(true)),
        ("glm", "hidden_act", json!("laplace")),
        ("glm4", "attention_dropout", json!(0.1)),
        ("cohere", "attention_dropout", json!(0.1)),
        ("cohere2", "layer_types", json!(vec!["linear_attention"; 4])),
        ("phi", "embd_pdrop", json!(0.1)),
        ("stablelm", "qk_layernorm", json!(true)),
        ("stablelm", "hidden_dropout", json!(0.1)),
        ("starcoder2", "residual_dropout", json!(0.2)),
        ("exaone4", "sliding_window_pattern", json!("LLLG")),
        ("ernie4_5", "hidden_act", json!("laplace")),
        ("hunyuan_v1_dense", "attention_dropout", json!(0.1)),
        ("seed_oss", "residual_dropout", json!(0.2)),
        ("nemotron", "partial_rotary_factor", json!(1.5)),
        ("arcee", "hidden_act", json!("xielu")),
        ("helium", "attention_dropout", json!(0.1)),
        ("olmo", "attention_dropout", json!(0.1)),
        ("ministral", "layer_types", json!(vec!["chunked_attention"; 4])),
        ("cwm", "mlp_bias", json!(true)),
        ("vaultgemma", "attention_dropout", json!(0.1)),
        ("jais2", "hidden_act", json!("laplace")),
        ("opt", "do_layer_norm_before", json!(false)),
        ("opt", "word_embed_proj_dim", json!(8)),
        ("gptj", "rotary_dim", json!(64)),
        ("gpt_neo", "attention_types", json!([[["global", "strided"], 2]])),
        ("gpt_bigcode", "add_cross_attention", json!(true)),
        ("falcon", "alibi", json!(true)),
        ("apertus", "hidden_act", json!("silu")),
        ("exaone", "attention_dropout", json!(0.1)),
        ("granite_swa", "layer_rope_theta", json!([10_000.0])),
        ("hyperclovax", "attention_dropout", json!(0.1)),
        ("internlm3", "hidden_act", json!("laplace")),
        ("iquestcoder", "attention_dropout", json!(0.1)),
        ("qwen2_5_vl_text", "layer_types", json!(vec!["linear_attention"; 4])),
        ("qwen3_vl_text", "attention_dropout", json!(0.1)),
        ("qwen3_moe", "output_router_logits", json!(true)),
        ("qwen3_moe", "attention_dropout", json!(0.1)),
        ("olmoe", "output_router_logits", json!(true)),
        ("olmoe", "clip_qkv", json!(8.0)),
        ("gpt_oss", "output_router_logits", json!(true)),
        ("gpt_oss", "hidden_act", json!("gelu")),
        ("qwen2_moe", "output_router_logits", json!(true)),
        ("qwen2_moe", "layer_types", json!(vec!["linear_attention"; 4])),
        ("mixtral", "router_jitter_noise", json!(0.01)),
        ("mixtral", "output_router_logits", json!(true)),
        ("granitemoe", "output_router_logits", json!(true)),
        ("granitemoe", "attention_dropout", json!(0.1)),
        ("qwen3_5_text", "layer_types", json!(vec!["sliding_attention"; 4])),
        ("qwen3_5_text", "hidden_act", json!("mish")),
        ("qwen3_5_moe_text", "output_router_logits", json!(true)),
        ("qwen3_next", "output_router_logits", json!(true)),
        ("qwen3_next", "attention_dropout", json!(0.1)),
        ("lfm2", "layer_types", json!(vec!["linear_attention"; 4])),
        ("lfm2", "conv_L_cache", json!(0)),
        ("lfm2_moe", "output_router_logits", json!(true)),
        ("glm4_moe", "output_router_logits", json!(true)),
        ("dots1", "attention_dropout", json!(0.1)),
        ("deepseek_v2", "norm_topk_prob", json!(true)),
        ("deepseek_v2", "topk_method", json!("noaux_tc")),
        ("deepseek_v3", "num_key_value_heads", json!(2)),
        ("deepseek_v3", "output_router_logits", json!(true)),
        ("ernie4_5_moe", "output_router_logits", json!(true)),
        ("qwen2_vl_text", "attention_dropout", json!(0.1)),
        ("qwen3_vl_moe_text", "output_router_logits", json!(true)),
    ] {
        let mut fields = bases(model_type).remove(0);
        fields.insert(name.into(), value);
        let fault = outcome(&fields).unwrap_err();
        assert!(fault.contains(&format!("`{name}`")), "{model_type}: {fault}");
    }
}

/// Sizes that no model has, alone small enough for a field: what is made of them would overflow, or take
/// more memory than there is before a single tensor is read.
#[test]
fn sizes_that_are_only_together_too_large_are_refused() {
    let most = i32::MAX;
    for (model_type, sizes, named) in [
        (
            "mixtral",
            json!({"num_local_experts": most}),
            "experts together: expected at most 1000000",
        ),
        ("granitemoe", json!({"num_local_experts": 600_000}), "experts together"),
        ("deepseek_v3", json!({"n_routed_experts": most, "n_group": 1}), "experts together"),
        (
            "llama",
            json!({"num_hidden_layers": 10_001}),
            "`num_hidden_layers` is 10001: expected at most 10000",
        ),
        ("llama", json!({"num_attention_heads": most, "head_dim": most}), "features together"),
        (
            "qwen3_5_text",
            json!({"linear_num_value_heads": most, "linear_value_head_dim": most}),
            "features together",
        ),
        (
            "deepseek_v2",
            json!({"num_attention_heads": most, "num_key_value_heads": most, "qk_nope_head_dim": most}),
            "features together",
        ),
        (
            "deepseek_v3",
            json!({"num_attention_heads": most, "num_key_value_heads": most, "v_head_dim": most}),
            "features together",
        ),
    ] {
        let mut fields = bases(model_type).remove(0);
        fields.extend(sizes.as_object().unwrap().clone());
        let fault = outcome(&fields).unwrap_err();
        assert!(fault.contains(named), "{model_type} {sizes}: {fault}");
    }
}

#[test]
fn a_field_that_transformers_does_not_know_is_ignored() {
    let mut fields = base("llama", &json!({}));
    let plain = outcome(&fields);
    fields.insert("a_field_of_nobody".into(), json!([1, 2]));
    fields.insert("use_cache".into(), json!(false));
    assert_eq!(outcome(&fields), plain);
}

#[test]
fn a_second_name_of_a_field_means_the_same() {
    let mut fields = base("gpt2", &json!({}));
    let plain = outcome(&fields);
    assert_eq!(fields["n_embd"], 16);
    let renamed = [("n_embd", "hidden_size"), ("n_head", "num_attention_heads")];
    for (name, second) in renamed {
        let value = fields.remove(name).unwrap();
        fields.insert(second.into(), value);
    }
    assert_eq!(outcome(&fields), plain);
    fields.insert("n_embd".into(), json!(32));
    assert_eq!(outcome(&fields), plain, "the second name counts");
    fields.remove("n_layer");
    assert!(outcome(&fields).unwrap_err().contains("missing field `n_layer`"));
}

#[test]
fn dropout_of_an_architecture_is_told_and_any_other_refused() {
    let told = |fields: &[(&str, f64)]| {
        let mut all = base("gpt2", &json!({}));
        all.extend(fields.iter().map(|(name, share)| ((*name).into(), json!(share))));
        let config = Config::parse(&Value::from(all).to_string()).unwrap();
        shape(&config).map(|shape| shape.dropout.iter().map(|it| it.1).collect::<Vec<_>>())
    };
    assert_eq!(told(&[]), Ok(vec![0.1; 3]));
    let mut released = base("granite", &json!({}));
    released.insert("attention_dropout".into(), json!(0.1));
    assert!(outcome(&released).is_ok(), "as Granite 3.0 was released");
    assert_eq!(told(&[("attn_pdrop", 0.0), ("resid_pdrop", 0.1)]), Ok(vec![0.1; 2]));
    let fault = told(&[("attn_pdrop", 0.3)]).unwrap_err();
    assert!(fault.contains("`attn_pdrop` is 0.3") && fault.contains("0 or 0.1"), "{fault}");
}
