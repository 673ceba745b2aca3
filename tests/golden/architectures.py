"""Makes architectures/: a tiny random checkpoint of each architecture as transformers writes it, and what
transformers computes on it: losses, logits, and the norm of every tensor's gradient.

    python tests/golden/architectures.py [NAME ...]        (packages: tests/golden/requirements.txt)

Weights are bfloat16 in the file, so that files are small, and all values are computed from them in float64.
Sequences are longer than any window and any context that a rotary embedding was stretched from. A model
is its config.json as transformers 5 writes it, and where there is an `as_4`, config.4.json as transformers 4
did; both mean the same. The tokenizer is that of models/.
"""

import json
import math
import shutil
import sys
import tempfile
from pathlib import Path

import ifd
import numpy as np
import torch
from safetensors import safe_open
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText

HERE = Path(__file__).parent / "architectures"

SIZES = {
    "vocab_size": 200,
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 256,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}

YARN = {
    "rope_type": "yarn",
    "rope_theta": 10000.0,
    "factor": 8.0,
    "original_max_position_embeddings": 32,
    "beta_fast": 4.0,
    "beta_slow": 1.0,
}

# A frequency for each of the four pairs of features.
LONGROPE = {
    "rope_type": "longrope",
    "rope_theta": 10000.0,
    "original_max_position_embeddings": 64,
    "short_factor": [1.0, 1.1, 1.3, 1.7],
    "long_factor": [1.0, 2.5, 4.0, 8.0],
}

# The same for the three pairs that turn in a head of which two features do not.
PARTIAL_LONGROPE = {
    "rope_type": "longrope",
    "short_factor": [1.0, 1.2, 1.6],
    "long_factor": [1.0, 3.0, 8.0],
}

VISION = {
    "siglip": {
        "model_type": "siglip_vision_model",
        "hidden_size": 8,
        "intermediate_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "image_size": 4,
        "patch_size": 2,
    },
    "pixtral": {
        "model_type": "pixtral",
        "hidden_size": 8,
        "intermediate_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "head_dim": 8,
        "image_size": 8,
        "patch_size": 4,
    },
    "qwen3_5": {
        "model_type": "qwen3_5_vision",
        "hidden_size": 16,
        "intermediate_size": 8,
        "depth": 1,
        "num_heads": 1,
        "out_hidden_size": 16,
        "patch_size": 2,
        "num_position_embeddings": 16,
    },
    "internvl": {
        "hidden_size": 8,
        "intermediate_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "image_size": [4, 4],
        "patch_size": [2, 2],
    },
    "smolvlm": {
        "hidden_size": 8,
        "intermediate_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "image_size": 4,
        "patch_size": 2,
    },
}

DELTA = {
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "intermediate_size": 24,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 6,
    "layer_types": ["linear_attention", "full_attention", "linear_attention"],
}

EXPERTS = {
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "intermediate_size": 24,
    "moe_intermediate_size": 8,
    "num_experts": 6,
    "num_experts_per_tok": 2,
    "head_dim": 8,
}

# Heads that share out the hidden features, each with a key and a value.
PLAIN_HEADS = {"hidden_size": 32, "head_dim": None, "num_key_value_heads": None}

# Without state spaces and without experts.
GRANITE_4 = {
    "head_dim": None,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "layer_types": ["full_attention"] * 3,
    "num_local_experts": 0,
    "num_experts_per_tok": 0,
    "shared_intermediate_size": 40,
    "mamba_n_heads": 8,
    "tie_word_embeddings": True,
    "embedding_multiplier": 3.0,
    "logits_scaling": 4.0,
    "residual_multiplier": 0.3,
    "attention_multiplier": 0.2,
}

# A field that is there and null, where None says that it is not there.
NULL = "null"

LATENT = {
    "num_experts": None,
    "n_routed_experts": 6,
    "head_dim": None,
    "num_key_value_heads": 2,
    "kv_lora_rank": 6,
    "qk_nope_head_dim": 6,
    "qk_rope_head_dim": 4,
    "v_head_dim": 5,
}

# By name: `model_type`, what differs from SIZES, and what transformers 4 wrote otherwise (None: not there).
MODELS = {
    "mistral-window": (
        "mistral",
        {"sliding_window": 24, "rope_parameters": {"rope_type": "default", "rope_theta": 5000.0}},
        {"rope_parameters": None, "rope_theta": 5000.0},
    ),
    "qwen2-yarn": (
        "qwen2",
        {
            "head_dim": None,
            "hidden_size": 32,
            "rope_parameters": YARN,
            "use_sliding_window": True,
            "sliding_window": 40,
            "max_window_layers": 2,
            "tie_word_embeddings": True,
        },
        {
            "rope_parameters": None,
            "rope_theta": 10000.0,
            "rope_scaling": {key: value for key, value in YARN.items() if key != "rope_theta"},
            "layer_types": None,
        },
    ),
    "qwen3-moe": (
        "qwen3_moe",
        {
            **EXPERTS,
            "mlp_only_layers": [1],
            "norm_topk_prob": True,
            "use_sliding_window": True,
            "sliding_window": 24,
            "rope_parameters": {"rope_type": "default", "rope_theta": 3000.0},
        },
        {"rope_parameters": None, "rope_theta": 3000.0, "num_local_experts": None, "num_experts": 6},
    ),
    "qwen3-moe-stacked": ("qwen3_moe", {**EXPERTS, "num_experts_per_tok": 3, "decoder_sparse_step": 2}, None),
    "olmoe": (
        "olmoe",
        {**EXPERTS, "head_dim": None, "moe_intermediate_size": None, "intermediate_size": 8},
        {"rope_parameters": None, "rope_theta": 10000.0},
    ),
    "gpt-oss": (
        "gpt_oss",
        {
            **EXPERTS,
            "num_experts": None,
            "num_local_experts": 6,
            "intermediate_size": 8,
            "sliding_window": 24,
            "swiglu_limit": 1.5,
            "rope_parameters": {**YARN, "truncate": False},
        },
        {
            "rope_parameters": None,
            "rope_theta": 10000.0,
            "rope_scaling": {**{key: value for key, value in YARN.items() if key != "rope_theta"}, "truncate": False},
            "layer_types": None,
        },
    ),
    "qwen3.5": (
        "qwen3_5_text",
        {
            **DELTA,
            "attention_bias": True,
            "rope_parameters": {"rope_type": "default", "rope_theta": 3000.0, "partial_rotary_factor": 0.25},
        },
        {"rope_parameters": None, "rope_theta": 3000.0, "partial_rotary_factor": 0.25},
    ),
    "qwen3.5-wrapped": (
        "qwen3_5",
        {
            "text_config": {
                "model_type": "qwen3_5_text",
                **DELTA,
                "layer_types": ["linear_attention", "linear_attention", "full_attention"],
                "linear_conv_kernel_dim": 3,
                "rope_parameters": {
                    "rope_type": "default",
                    "rope_theta": 3000.0,
                    "partial_rotary_factor": 0.5,
                    "mrope_section": [2, 1, 1],
                    "mrope_interleaved": True,
                },
            },
            "vision_config": VISION["qwen3_5"],
            "tie_word_embeddings": True,
        },
        None,
    ),
    "qwen3.5-moe": (
        "qwen3_5_moe_text",
        {**DELTA, **EXPERTS, "head_dim": 16, "shared_expert_intermediate_size": 10, "layer_types": DELTA["layer_types"]},
        None,
    ),
    "qwen3-next": (
        "qwen3_next",
        {**DELTA, **EXPERTS, "head_dim": 16, "shared_expert_intermediate_size": 10, "mlp_only_layers": [1]},
        {
            "rope_parameters": None,
            "rope_theta": 10000.0,
            "partial_rotary_factor": 0.25,
            "num_local_experts": None,
            "num_experts": 6,
        },
    ),
    "lfm2": (
        "lfm2",
        {
            "head_dim": None,
            "layer_types": ["conv", "full_attention", "conv", "conv"],
            "block_multiple_of": 16,
            "conv_bias": True,
            "rope_parameters": {"rope_type": "default", "rope_theta": 3000.0},
        },
        {"rope_parameters": None, "rope_theta": 3000.0, "layer_types": None, "full_attn_idxs": [1]},
    ),
    "mixtral": (
        "mixtral",
        {
            **EXPERTS,
            "num_experts": None,
            "num_local_experts": 6,
            "intermediate_size": 8,
            "sliding_window": 24,
            "rope_parameters": {"rope_type": "default", "rope_theta": 3000.0},
        },
        {"rope_parameters": None, "rope_theta": 3000.0},
    ),
    "mixtral-stacked": ("mixtral", {**EXPERTS, "num_experts": None, "num_local_experts": 4, "intermediate_size": 8}, None),
    "qwen2-moe": (
        "qwen2_moe",
        {
            **EXPERTS,
            "head_dim": None,
            "num_hidden_layers": 4,
            "shared_expert_intermediate_size": 10,
            "mlp_only_layers": [1],
            "use_sliding_window": True,
            "sliding_window": 24,
            "max_window_layers": 2,
        },
        {"rope_parameters": None, "rope_theta": 10000.0, "layer_types": None},
    ),
    "granitemoe": (
        "granitemoe",
        {
            **EXPERTS,
            "head_dim": None,
            "num_experts": None,
            "num_local_experts": 6,
            "intermediate_size": 8,
            "tie_word_embeddings": True,
            "attention_bias": True,
            "embedding_multiplier": 3.0,
            "logits_scaling": 4.0,
            "residual_multiplier": 0.3,
            "attention_multiplier": 0.2,
        },
        {"rope_parameters": None, "rope_theta": 10000.0},
    ),
    "deepseek-v2": (
        "deepseek_v2",
        {
            **EXPERTS,
            **LATENT,
            "q_lora_rank": NULL,
            "n_shared_experts": 1,
            "first_k_dense_replace": 1,
            "topk_method": "group_limited_greedy",
            "n_group": 3,
            "topk_group": 2,
            "routed_scaling_factor": 1.5,
            "rope_parameters": {"rope_type": "default", "rope_theta": 3000.0},
        },
        {"rope_parameters": None, "rope_theta": 3000.0, "q_lora_rank": NULL},
    ),
    "deepseek-v3": (
        "deepseek_v3",
        {
            **EXPERTS,
            **LATENT,
            "q_lora_rank": 6,
            "attention_bias": True,
            "first_k_dense_replace": 1,
            "n_group": 3,
            "topk_group": 2,
            "rope_parameters": {**YARN, "mscale": 1.0, "mscale_all_dim": 1.0},
        },
        {
            "rope_parameters": None,
            "rope_theta": 10000.0,
            "rope_scaling": {
                **{key: value for key, value in YARN.items() if key != "rope_theta"},
                "mscale": 1.0,
                "mscale_all_dim": 1.0,
            },
        },
    ),
    "glm4-moe": (
        "glm4_moe",
        {
            **EXPERTS,
            "num_experts": None,
            "n_routed_experts": 6,
            "n_group": 3,
            "topk_group": 2,
            "routed_scaling_factor": 1.5,
            "use_qk_norm": True,
            "attention_bias": True,
            "rope_parameters": {"rope_type": "default", "rope_theta": 3000.0, "partial_rotary_factor": 0.5},
        },
        {"rope_parameters": None, "rope_theta": 3000.0, "partial_rotary_factor": 0.5},
    ),
    "dots1": (
        "dots1",
        {
            **EXPERTS,
            "num_experts": None,
            "n_routed_experts": 6,
            "n_shared_experts": 2,
            "first_k_dense_replace": 1,
            "norm_topk_prob": True,
            "sliding_window": 24,
            "max_window_layers": 1,
        },
        {"rope_parameters": None, "rope_theta": 10000.0, "layer_types": None},
    ),
    "ernie4_5-moe": (
        "ernie4_5_moe",
        {
            **EXPERTS,
            "num_experts": None,
            "num_experts_per_tok": None,
            "moe_num_experts": 6,
            "moe_k": 2,
            "moe_norm_min": 0.5,
            "use_bias": True,
            "rope_parameters": {"rope_type": "default", "rope_theta": 3000.0},
        },
        {"rope_parameters": None, "rope_theta": 3000.0},
    ),
    "lfm2-moe": (
        "lfm2_moe",
        {
            **EXPERTS,
            "head_dim": None,
            "num_dense_layers": 1,
            "routed_scaling_factor": 1.5,
            "layer_types": ["conv", "full_attention", "conv"],
        },
        {"rope_parameters": None, "rope_theta": 1000000.0},
    ),
    "qwen2-vl-wrapped": (
        "qwen2_vl",
        {
            "text_config": {
                "head_dim": None,
                "num_hidden_layers": 3,
                "use_sliding_window": True,
                "sliding_window": 24,
                "max_window_layers": 1,
                "rope_parameters": {"rope_type": "default", "rope_theta": 3000.0, "mrope_section": [1, 1, 1]},
            },
            "vision_config": {"depth": 1, "embed_dim": 8, "hidden_size": 24, "mlp_ratio": 1, "num_heads": 1, "patch_size": 2},
            "tie_word_embeddings": True,
        },
        None,
    ),
    "qwen2.5-vl-wrapped": (
        "qwen2_5_vl",
        {
            "text_config": {
                "head_dim": None,
                "num_hidden_layers": 3,
                "rope_parameters": {"rope_type": "default", "rope_theta": 3000.0, "mrope_section": [1, 1, 1]},
            },
            "vision_config": {
                "depth": 1,
                "hidden_size": 8,
                "intermediate_size": 8,
                "num_heads": 1,
                "out_hidden_size": 24,
                "patch_size": 2,
                "fullatt_block_indexes": [0],
            },
        },
        None,
    ),
    "qwen3-vl-wrapped": (
        "qwen3_vl",
        {
            "text_config": {
                "num_hidden_layers": 3,
                "rope_parameters": {
                    "rope_type": "default",
                    "rope_theta": 3000.0,
                    "mrope_section": [2, 1, 1],
                    "mrope_interleaved": True,
                },
            },
            "vision_config": {**VISION["qwen3_5"], "model_type": "qwen3_vl_vision", "out_hidden_size": 24, "deepstack_visual_indexes": [0]},
            "tie_word_embeddings": True,
        },
        None,
    ),
    "qwen3-vl-moe-wrapped": (
        "qwen3_vl_moe",
        {
            "text_config": {
                **EXPERTS,
                "moe_intermediate_size": 6,
                "mlp_only_layers": [1],
                "rope_parameters": {
                    "rope_type": "default",
                    "rope_theta": 3000.0,
                    "mrope_section": [2, 1, 1],
                    "mrope_interleaved": True,
                },
            },
            "vision_config": {**VISION["qwen3_5"], "model_type": "qwen3_vl_moe_vision", "deepstack_visual_indexes": [0]},
        },
        None,
    ),
    "llava-wrapped": (
        "llava",
        {
            "text_config": {"model_type": "llama", "num_hidden_layers": 3},
            "vision_config": {**VISION["siglip"], "model_type": "clip_vision_model", "projection_dim": 8},
            "vision_feature_layer": -1,
        },
        None,
    ),
    "llama-longrope": ("llama", {"rope_parameters": LONGROPE}, None),
    "gemma2": (
        "gemma2",
        {
            "sliding_window": 24,
            "query_pre_attn_scalar": 12,
            "attn_logit_softcapping": 2.0,
            "final_logit_softcapping": 5.0,
        },
        {"rope_parameters": None, "rope_theta": 10000.0, "layer_types": None},
    ),
    "gemma3": (
        "gemma3_text",
        {
            "sliding_window": 24,
            "query_pre_attn_scalar": 12,
            "num_hidden_layers": 4,
            "layer_types": ["sliding_attention", "sliding_attention", "full_attention", "sliding_attention"],
            "rope_parameters": {
                "full_attention": {"rope_type": "linear", "factor": 4.0, "rope_theta": 50000.0},
                "sliding_attention": {"rope_type": "default", "rope_theta": 500.0},
            },
        },
        {
            "rope_parameters": None,
            "rope_theta": 50000.0,
            "rope_local_base_freq": 500.0,
            "rope_scaling": {"rope_type": "linear", "factor": 4.0},
            "layer_types": None,
            "sliding_window_pattern": 3,
        },
    ),
    "smollm3": (
        "smollm3",
        {
            "no_rope_layers": [1, 0, 1, 0],
            "use_sliding_window": True,
            "sliding_window": 24,
            "rope_parameters": {"rope_type": "default", "rope_theta": 3000.0},
        },
        {"rope_parameters": None, "rope_theta": 3000.0},
    ),
    "ministral3": (
        "ministral3",
        {"rope_parameters": {**YARN, "mscale": 1.0, "mscale_all_dim": 0.5, "llama_4_scaling_beta": 0.1}},
        None,
    ),
    "gemma3-wrapped": (
        "gemma3",
        {
            "text_config": {
                "model_type": "gemma3_text",
                "sliding_window": 24,
                "query_pre_attn_scalar": 12,
                "num_hidden_layers": 3,
                "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
            },
            "vision_config": VISION["siglip"],
            "mm_tokens_per_image": 4,
        },
        None,
    ),
    "mistral3-wrapped": (
        "mistral3",
        {
            "text_config": {
                "model_type": "mistral",
                "num_hidden_layers": 3,
                "sliding_window": None,
                "rms_norm_eps": 1e-5,
            },
            "vision_config": VISION["pixtral"],
            "tie_word_embeddings": False,
        },
        None,
    ),
    "olmo2": (
        "olmo2",
        {
            "head_dim": None,
            "hidden_size": 32,
            "num_hidden_layers": 3,
            "attention_bias": True,
            "rope_parameters": {"rope_type": "default", "rope_theta": 3000.0},
        },
        {"rope_parameters": None, "rope_theta": 3000.0},
    ),
    "olmo3": (
        "olmo3",
        {
            "head_dim": None,
            "hidden_size": 32,
            "sliding_window": 24,
            "rope_parameters": {
                "full_attention": YARN | {"rope_theta": 500000.0},
                "sliding_attention": {"rope_type": "default", "rope_theta": 500000.0},
            },
        },
        {
            "rope_parameters": None,
            "rope_theta": 500000.0,
            "rope_scaling": {key: value for key, value in YARN.items() if key != "rope_theta"},
            "layer_types": None,
        },
    ),
    "phi3": (
        "phi3",
        {
            "head_dim": None,
            "hidden_size": 32,
            "num_hidden_layers": 3,
            "sliding_window": 24,
            "original_max_position_embeddings": 64,
            "rope_parameters": PARTIAL_LONGROPE | {"rope_theta": 5000.0, "partial_rotary_factor": 0.75},
        },
        {
            "rope_parameters": None,
            "rope_theta": 5000.0,
            "partial_rotary_factor": 0.75,
            "rope_scaling": PARTIAL_LONGROPE,
        },
    ),
    "granite": (
        "granite",
        {
            "head_dim": None,
            "hidden_size": 32,
            "num_hidden_layers": 3,
            "tie_word_embeddings": True,
            "attention_bias": True,
            "mlp_bias": True,
            "embedding_multiplier": 3.0,
            "logits_scaling": 4.0,
            "residual_multiplier": 0.3,
            "attention_multiplier": 0.2,
        },
        {"rope_parameters": None, "rope_theta": 10000.0},
    ),
    "gpt2": (
        "gpt2",
        PLAIN_HEADS
        | {
            "intermediate_size": None,
            "num_hidden_layers": 3,
            "n_inner": 40,
            "scale_attn_by_inverse_layer_idx": True,
        },
        {"n_ctx": 256},
    ),
    "gpt_neox": (
        "gpt_neox",
        PLAIN_HEADS
        | {
            "use_parallel_residual": True,
            "rope_parameters": {"rope_type": "default", "rope_theta": 500.0, "partial_rotary_factor": 0.5},
        },
        {"rope_parameters": None, "rotary_emb_base": 500.0, "rotary_pct": 0.5, "rope_scaling": None},
    ),
    "gemma": (
        "gemma",
        {"num_hidden_layers": 3, "hidden_act": "gelu_pytorch_tanh"},
        {"rope_parameters": None, "rope_theta": 10000.0, "hidden_act": "gelu", "hidden_activation": None},
    ),
    "granitemoehybrid": (
        "granitemoehybrid",
        GRANITE_4
        | {
            "position_embedding_type": "rope",
            "rope_parameters": {"rope_type": "default", "rope_theta": 3000.0},
        },
        {"rope_parameters": None, "rope_theta": 3000.0, "layer_types": ["attention"] * 3},
    ),
    "granitemoehybrid-nope": ("granitemoehybrid", GRANITE_4 | {"position_embedding_type": "nope"}, None),
    "glm": (
        "glm",
        {"num_hidden_layers": 3, "rope_parameters": {"rope_type": "default", "rope_theta": 5000.0}},
        {"rope_parameters": None, "rope_theta": 5000.0, "partial_rotary_factor": 0.5},
    ),
    "glm4": (
        "glm4",
        {"num_hidden_layers": 3},
        {"rope_parameters": None, "rope_theta": 10000.0, "partial_rotary_factor": 0.5},
    ),
    "cohere": (
        "cohere",
        {
            "head_dim": None,
            "hidden_size": 32,
            "num_hidden_layers": 3,
            "use_qk_norm": True,
            "logit_scale": 0.25,
            "rope_parameters": {"rope_type": "default", "rope_theta": 8000.0},
        },
        {"rope_parameters": None, "rope_theta": 8000.0},
    ),
    "cohere2": (
        "cohere2",
        {"head_dim": None, "hidden_size": 32, "sliding_window": 24, "logit_scale": 0.5, "attention_bias": True},
        {
            "rope_parameters": None,
            "rope_theta": 10000.0,
            "layer_types": None,
            "sliding_window_pattern": 4,
            "head_dim": None,
        },
    ),
    "phi": (
        "phi",
        {"head_dim": None, "hidden_size": 32, "num_hidden_layers": 3, "qk_layernorm": True},
        {"rope_parameters": None, "rope_theta": 10000.0, "partial_rotary_factor": 0.5},
    ),
    "stablelm": (
        "stablelm",
        {
            "head_dim": None,
            "hidden_size": 32,
            "num_hidden_layers": 3,
            "use_parallel_residual": True,
            "use_qkv_bias": True,
        },
        {"rope_parameters": None, "rope_theta": 10000.0, "partial_rotary_factor": 0.25},
    ),
    "starcoder2": (
        "starcoder2",
        {"head_dim": None, "hidden_size": 32, "num_hidden_layers": 3, "sliding_window": 24},
        {"rope_parameters": None, "rope_theta": 10000.0},
    ),
    "exaone4": (
        "exaone4",
        {"head_dim": None, "hidden_size": 32, "sliding_window": 24},
        {"rope_parameters": None, "rope_theta": 10000.0},
    ),
    "ernie4_5": (
        "ernie4_5",
        {"num_hidden_layers": 3, "use_bias": True},
        {"rope_parameters": None, "rope_theta": 500000.0},
    ),
    "hunyuan_v1_dense": (
        "hunyuan_v1_dense",
        {
            "num_hidden_layers": 3,
            "rope_parameters": {"rope_type": "dynamic", "rope_theta": 1000.0, "alpha": 50.0, "factor": 1.0},
        },
        {
            "rope_parameters": None,
            "rope_theta": 1000.0,
            "rope_scaling": {"type": "dynamic", "alpha": 50.0, "factor": 1.0},
        },
    ),
    "seed_oss": (
        "seed_oss",
        {"num_hidden_layers": 3, "attention_out_bias": True},
        {"rope_parameters": None, "rope_theta": 10000.0},
    ),
    "nemotron": (
        "nemotron",
        {"num_hidden_layers": 3, "head_dim": 8, "attention_bias": True, "mlp_bias": True},
        {"rope_parameters": None, "rope_theta": 10000.0, "partial_rotary_factor": 0.5},
    ),
    "arcee": (
        "arcee",
        {"num_hidden_layers": 3, "rope_parameters": YARN, "mlp_bias": True},
        {
            "rope_parameters": None,
            "rope_theta": 10000.0,
            "rope_scaling": {key: value for key, value in YARN.items() if key != "rope_theta"},
        },
    ),
    "helium": (
        "helium",
        {"hidden_size": 32, "num_hidden_layers": 3, "attention_bias": True},
        {"rope_parameters": None, "rope_theta": 100000.0},
    ),
    "olmo": (
        "olmo",
        {"head_dim": None, "hidden_size": 32, "num_hidden_layers": 3, "clip_qkv": 0.75},
        {"rope_parameters": None, "rope_theta": 10000.0},
    ),
    "ministral": (
        "ministral",
        {
            "sliding_window": 24,
            "layer_types": ["sliding_attention", "full_attention", "sliding_attention", "full_attention"],
        },
        None,
    ),
    "cwm": ("cwm", {"sliding_window": 24}, {"layer_types": None}),
    "vaultgemma": (
        "vaultgemma",
        {
            "num_hidden_layers": 3,
            "hidden_size": 32,
            "sliding_window": 24,
            "query_pre_attn_scalar": 12,
            "attn_logit_softcapping": 2.0,
            "final_logit_softcapping": 5.0,
        },
        {"rope_parameters": None, "rope_theta": 10000.0},
    ),
    "jais2": ("jais2", {"num_hidden_layers": 3, "hidden_size": 32}, None),
    "opt": (
        "opt",
        PLAIN_HEADS | {"intermediate_size": None, "num_hidden_layers": 3, "ffn_dim": 40},
        {},
    ),
    "gptj": (
        "gptj",
        PLAIN_HEADS | {"intermediate_size": None, "num_hidden_layers": 3, "n_inner": 40, "rotary_dim": 4},
        {},
    ),
    "gpt_neo": (
        "gpt_neo",
        PLAIN_HEADS
        | {
            "num_hidden_layers": 3,
            "attention_types": [[["global", "local"], 1], [["local"], 1]],
            "window_size": 24,
        },
        {},
    ),
    "gpt_bigcode": (
        "gpt_bigcode",
        PLAIN_HEADS | {"intermediate_size": None, "num_hidden_layers": 3, "n_inner": 40},
        {},
    ),
    "falcon": (
        "falcon",
        PLAIN_HEADS | {"intermediate_size": None, "num_hidden_layers": 3, "ffn_hidden_size": 40, "bias": True},
        {"rope_parameters": None, "rope_theta": 10000.0},
    ),
    "falcon-new": (
        "falcon",
        PLAIN_HEADS
        | {
            "intermediate_size": None,
            "num_hidden_layers": 3,
            "new_decoder_architecture": True,
            "num_kv_heads": 2,
        },
        {"rope_parameters": None, "rope_theta": 10000.0},
    ),
    "exaone": ("exaone", {"num_hidden_layers": 3}, {"rope_parameters": None, "rope_theta": 500000.0}),
    "internlm3": (
        "internlm3",
        {"num_hidden_layers": 3, "attention_bias": True, "mlp_bias": True},
        None,
    ),
    "iquestcoder": ("iquestcoder", {"num_hidden_layers": 3}, None),
    "hyperclovax": (
        "hyperclovax",
        {
            "num_hidden_layers": 3,
            "embedding_multiplier": 3.0,
            "logits_scaling": 4.0,
            "residual_multiplier": 0.3,
            "attention_multiplier": 0.2,
        },
        None,
    ),
    "granite_swa": (
        "granite_swa",
        {
            "head_dim": None,
            "hidden_size": 32,
            "sliding_window": 24,
            "embedding_multiplier": 3.0,
            "logits_scaling": 4.0,
            "residual_multiplier": 0.3,
            "attention_multiplier": 0.2,
            "layer_rope_theta": [0, 500.0, 10000.0, 500.0],
        },
        None,
    ),
    "apertus": (
        "apertus",
        {"num_hidden_layers": 3, "head_dim": None, "hidden_size": 32, "max_position_embeddings": 256},
        None,
    ),
    "internvl": (
        "internvl",
        {
            "text_config": {"model_type": "qwen2", "head_dim": None, "hidden_size": 32, "num_hidden_layers": 3},
            "vision_config": VISION["internvl"],
            "tie_word_embeddings": False,
        },
        None,
    ),
    "smolvlm": (
        "smolvlm",
        {
            "text_config": {"model_type": "llama", "num_hidden_layers": 3},
            "vision_config": VISION["smolvlm"],
        },
        None,
    ),
}

# Saved as transformers 5 has them in memory, all experts of a layer in one tensor.
STACKED = ["mixtral-stacked", "qwen3-moe-stacked"]


def main():
    for number, (name, entry) in enumerate(sorted(MODELS.items())):
        if not sys.argv[1:] or name in sys.argv[1:]:
            write(name, *entry, seed=sum(map(ord, name)))


def config_of(model_type, fields):
    """A configuration of SIZES with `fields` laid over it, those of the text where it has an own place."""
    fields = dict(fields)
    text = fields.pop("text_config", None)
    if text is not None:
        text = {**SIZES, **text}
        fields["text_config"] = {key: value for key, value in text.items() if value is not None}
    else:
        fields = {**SIZES, **fields}
    given = {key: None if value == NULL else value for key, value in fields.items() if value is not None}
    return AutoConfig.for_model(model_type, **given)


def write(name, model_type, fields, as_4, seed):
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    config = config_of(model_type, fields)
    torch.manual_seed(seed)
    model = auto(config).from_config(config, dtype=torch.bfloat16, attn_implementation="eager")
    fill(model, seed)
    model.save_pretrained(folder, save_original_format=name not in STACKED)
    (folder / "generation_config.json").unlink(missing_ok=True)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if as_4 is not None:
        older = {**config, **as_4, "torch_dtype": "bfloat16", "transformers_version": "4.57.1"}
        older = {
            key: None if value == NULL else value
            for key, value in older.items()
            if value is not None and key != "dtype"
        }
        write_json(folder / "config.4.json", older)
    # From the files, so that what is tested is what they say.
    model = load(folder)
    if as_4 is not None:
        shutil.copy(folder / "config.json", folder / "config.5.json")
        shutil.copy(folder / "config.4.json", folder / "config.json")
        same = values(load(folder), gradients=False)["sequences"]
        (folder / "config.5.json").replace(folder / "config.json")
        assert same == values(model, gradients=False)["sequences"], f"{name}: config.4.json means something else"
    expected = {
        **values(model, gradients=True),
        "samples": samples(model),
        "tensors": tensors(folder),
        "gradient_norms": gradient_norms(model, name),
    }
    write_json(folder / "expected.json", expected)
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(f"{name}: {sum(p.numel() for p in model.parameters()):,} parameters, {size:,} bytes")
    assert size <= 100_000, f"{name}: {size} bytes"


def auto(config):
    """The class whose model predicts tokens, be it within one that sees."""
    return AutoModelForImageTextToText if hasattr(config, "vision_config") else AutoModelForCausalLM


def load(folder):
    model, loading = auto(AutoConfig.from_pretrained(folder)).from_pretrained(
        folder,
        dtype=torch.float64,
        attn_implementation="eager",
        experts_implementation="eager",
        output_loading_info=True,
    )
    left = {key: value for key, value in loading.items() if value}
    assert not left, f"{folder.name}: {left}"
    return model.eval()


@torch.no_grad()
def fill(model, seed):
    """Weights large enough that every part matters; from numpy, whose draws are the same everywhere. A gain
    that starts at one stays near it, one that starts at zero there."""
    rng = np.random.default_rng(seed)
    for name, parameter in sorted(model.named_parameters()):
        drawn = torch.from_numpy(rng.standard_normal(parameter.shape)).float()
        if parameter.dim() == 1 and ("norm" in name or ".ln_" in name) and not name.endswith("bias"):
            drawn = parameter.float().round() + 0.2 * drawn
        else:
            drawn = 0.3 * drawn
        if name.endswith("A_log"):
            drawn = drawn - 2.0  # so that states are remembered for long
        parameter.copy_(drawn.to(parameter.dtype))
    for name, buffer in sorted(model.named_buffers()):
        if name.endswith(("e_score_correction_bias", "expert_bias")):
            buffer.copy_(0.3 * torch.from_numpy(rng.standard_normal(buffer.shape)).float())


def values(model, gradients):
    """Losses and last logits of two sequences of drawn tokens, each by itself. With `gradients`, the weights have
    those of the mean over both of the mean over their tokens."""
    rng = np.random.default_rng(7)
    sequences, losses = [], []
    for length in (150, 20):
        tokens = torch.from_numpy(rng.integers(5, SIZES["vocab_size"], (1, length)))
        logits = model(input_ids=tokens).logits[0]
        nll = -logits[:-1].log_softmax(-1).gather(-1, tokens[0, 1:, None])[:, 0]
        losses.append(nll.mean() / 2)
        sequences.append(
            {
                "tokens": tokens[0].tolist(),
                "nll": [rounded(x) for x in nll.tolist()],
                "last_logits": [rounded(x) for x in logits[-1].tolist()],
            }
        )
    if gradients:
        sum(losses).backward()
    return {"sequences": sequences}


@torch.no_grad()
def gradient_norms(model, name):
    """The norm of each tensor's gradient, by the names and in the parts that the file has: gradients are saved in
    place of the weights. What has none is not among them."""
    for parameter in model.parameters():
        parameter.copy_(torch.full_like(parameter, math.nan) if parameter.grad is None else parameter.grad)
    for buffer in model.buffers():
        if buffer.is_floating_point():
            buffer.fill_(math.nan)
    with tempfile.TemporaryDirectory() as scratch:
        model.save_pretrained(scratch, save_original_format=name not in STACKED)
        with safe_open(Path(scratch) / "model.safetensors", "pt") as file:
            norms = {name: file.get_tensor(name).norm().item() for name in file.keys()}
    return {name: rounded(norm) for name, norm in sorted(norms.items()) if not math.isnan(norm)}


def samples(model):
    """Losses of the first samples of the demo, in the tokens of models/."""
    rows = json.loads((HERE.parent.parent / "data/demo/instructions.json").read_text(encoding="utf-8"))[:4]
    tokenizer = ifd.tokenizer_of(HERE.parent / "models/llama-tied")
    with torch.no_grad():
        return [ifd.scores(tokenizer, model, row) for row in rows]


def tensors(folder):
    """How many tensors the files hold."""
    with safe_open(folder / "model.safetensors", "pt") as file:
        return len(file.keys())


def rounded(x):
    return float(f"{x:.9g}")


def write_json(path, value):
    path.write_text(json.dumps(value, separators=(",", ":")).replace("},", "},\n") + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
