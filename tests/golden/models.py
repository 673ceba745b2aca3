"""Makes models/: small random checkpoints of each architecture, and what transformers computes on
them, so that ordinary tests prove parity without Python.

    python tests/golden/models.py        (packages: tests/golden/requirements.txt)

Per model: the files Hugging Face would load, and `expected.json` with losses and logits, computed in
float64 from the float32 weights. `llama-untied` comes twice, with the
`config.json` of transformers 4 and of 5.
"""

import json
import shutil
from pathlib import Path

import ifd
import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoConfig, AutoModelForCausalLM

HERE = Path(__file__).parent / "models"

SPECIAL = ["<|pad|>", "<|bos|>", "<|end|>", "<|user|>", "<|assistant|>"]
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "<|{{ message.role }}|>{{ message.content }}<|end|>"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)

SIZES = {
    "vocab_size": 200,
    "hidden_size": 32,
    "intermediate_size": 56,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "rms_norm_eps": 1e-5,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}

# Wavelengths of these heads are 6, 63, 628 and 6283 positions: one is kept, one blended, two divided.
LLAMA3_ROPE = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}

# Name, what differs from SIZES, number of weight files.
MODELS = {
    "llama-tied": ("llama", {"tie_word_embeddings": True, "rope_theta": 10000.0}, 1),
    "llama-untied": (
        "llama",
        {"tie_word_embeddings": False, "rope_theta": 10000.0, "rope_scaling": LLAMA3_ROPE},
        3,
    ),
    "mistral": ("mistral", {"tie_word_embeddings": False, "rope_theta": 5000.0, "sliding_window": None}, 1),
    "qwen2": ("qwen2", {"tie_word_embeddings": True, "rope_theta": 20000.0}, 1),
    "qwen3": ("qwen3", {"tie_word_embeddings": False, "rope_theta": 50000.0, "head_dim": 12}, 1),
}

ARCHITECTURES = {
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
}


def main():
    for number, (name, (model_type, fields, shards)) in enumerate(MODELS.items()):
        write(name, config_of_4(model_type, fields), number, shards)
    write("llama-untied-5", config_of_5("llama", MODELS["llama-untied"][1]), 1, 3)


def config_of_4(model_type, fields):
    """A config.json as transformers 4 wrote it."""
    return {
        "architectures": [ARCHITECTURES[model_type]],
        "model_type": model_type,
        **SIZES,
        "hidden_act": "silu",
        **fields,
        "torch_dtype": "float32",
        "transformers_version": "4.44.1",
    }


def config_of_5(model_type, fields):
    """The same as transformers 5 writes it: everything on RoPE in one place."""
    fields = dict(fields)
    rope = {"rope_theta": fields.pop("rope_theta"), **fields.pop("rope_scaling", {"rope_type": "default"})}
    config = config_of_4(model_type, fields)
    del config["torch_dtype"]
    return {**config, "rope_parameters": rope, "dtype": "float32", "transformers_version": "5.23.0"}


def write(name, config, seed, shards):
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_json(folder / "config.json", config)
    write_tokenizer(folder)

    model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder), attn_implementation="eager")
    fill(model, seed)
    write_weights(folder, model, shards)
    # From the files, so that what is tested is what they say.
    loaded = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager")
    write_json(folder / "expected.json", expected(loaded.eval(), ifd.tokenizer_of(folder)))
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(f"{name}: {sum(p.numel() for p in model.parameters()):,} parameters, {size:,} bytes")


@torch.no_grad()
def fill(model, seed):
    """Weights large enough that every part matters; from numpy, whose draws are the same everywhere."""
    rng = np.random.default_rng(seed)
    for name, parameter in sorted(model.named_parameters()):
        drawn = torch.from_numpy(rng.standard_normal(parameter.shape)).float()
        is_norm = parameter.dim() == 1 and "norm" in name
        parameter.copy_(1 + 0.2 * drawn if is_norm else 0.25 * drawn)


def write_weights(folder, model, shards):
    tied = model.config.tie_word_embeddings
    tensors = {n: p.detach().contiguous() for n, p in model.named_parameters() if not (tied and n == "lm_head.weight")}
    if shards == 1:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        return
    # Cut by tensor and out of order, as nothing promises that a layer's weights lie together.
    index = {"metadata": {"total_size": sum(4 * t.numel() for t in tensors.values())}, "weight_map": {}}
    for shard in range(shards):
        file = f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        chosen = {name: tensors[name] for i, name in enumerate(sorted(tensors)) if i % shards == shard}
        save_file(chosen, folder / file, metadata={"format": "pt"})
        index["weight_map"] |= {name: file for name in chosen}
    write_json(folder / "model.safetensors.index.json", index)


def write_tokenizer(folder):
    """Byte-level BPE over the bytes of printable ASCII: two hundred tokens in all."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    bytes_of = pre_tokenizers.ByteLevel(add_prefix_space=False)
    printable = "\n" + "".join(map(chr, range(32, 127)))
    alphabet = sorted({c for word, _ in bytes_of.pre_tokenize_str(printable) for c in word})
    trainer = trainers.BpeTrainer(
        vocab_size=SIZES["vocab_size"], special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(training_text(), trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": "<|bos|>",
            "eos_token": "<|end|>",
            "pad_token": "<|pad|>",
            "model_max_length": SIZES["max_position_embeddings"],
            "clean_up_tokenization_spaces": False,
            "chat_template": CHAT_TEMPLATE,
        },
    )


def demo_rows():
    return json.loads((HERE.parent.parent / "data/demo/instructions.json").read_text(encoding="utf-8"))


def training_text():
    return [text for row in demo_rows()[:200] for text in (row["instruction"], row["input"], row["output"])]


@torch.no_grad()
def expected(model, tokenizer):
    """Losses of the first samples of the demo, and of two sequences of drawn tokens, one of them past
    the length at which llama3 RoPE begins to stretch."""
    rng = np.random.default_rng(7)
    sequences = []
    for length in (150, 17):
        tokens = torch.from_numpy(rng.integers(5, SIZES["vocab_size"], (1, length)))
        logits = model(tokens).logits[0]
        log_p = logits[:-1].log_softmax(-1)
        nll = -log_p.gather(-1, tokens[0, 1:, None])[:, 0]
        sequences.append(
            {
                "tokens": tokens[0].tolist(),
                "nll": [float(f"{x:.9g}") for x in nll.tolist()],
                "last_logits": [float(f"{x:.9g}") for x in logits[-1].tolist()],
            }
        )
    rows = demo_rows()[:8]
    return {"samples": [ifd.scores(tokenizer, model, row) for row in rows], "sequences": sequences}


def write_json(path, value):
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
