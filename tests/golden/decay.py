"""Which weights of each architecture transformers' Trainer lets decay, by name.

Writes decay.json beside itself: by `model_type`, for every weight of a small model whether it decays.
"""

import json
import pathlib
import re

import torch
from transformers import AutoConfig, AutoModelForCausalLM, Trainer

HERE = pathlib.Path(__file__).parent
SMALL = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "pad_token_id": 0,
}
TYPES = [
    "llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3_text", "smollm3", "olmo2", "olmo3", "phi3", "granite",
    "ministral3", "gpt2", "gpt_neox", "mixtral", "qwen3_moe", "qwen3_next", "gpt_oss", "lfm2", "cohere2", "phi",
]


def config(model_type):
    known = set(AutoConfig.for_model(model_type).to_dict())
    small = {key: value for key, value in SMALL.items() if key in known or key == "vocab_size"}
    for layers in ["num_hidden_layers", "n_layer"]:
        if layers in known:
            small[layers] = 4
    if model_type == "gpt2":
        small |= {"n_embd": 32, "n_head": 4}
    return AutoConfig.for_model(model_type, **small)


def decays(model_type):
    """Whether each weight decays; of layers that are alike the first stands for all."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config(model_type))
    # The method looks at nothing of the trainer.
    decaying = set(Trainer.get_decay_parameter_names(None, model))
    found, alike = {}, {}
    for name, _ in model.named_parameters():
        pattern = re.sub(r"\.\d+\.", ".N.", name)
        decay = name in decaying
        assert alike.get(pattern, decay) == decay, name
        if pattern not in alike:
            found[name] = alike[pattern] = decay
    return found


def main():
    golden = {model_type: decays(model_type) for model_type in TYPES}
    (HERE / "decay.json").write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
