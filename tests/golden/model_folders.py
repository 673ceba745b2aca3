"""Makes model_folders.json: folders of small models in the spellings that are about, and the losses that
transformers computes with them.

    python tests/golden/model_folders.py        (packages: tests/golden/requirements.txt)

No weights are kept: every number of a tensor follows from the tensor's name by `numbers`, which the test
has too. A folder is a configuration and what is done to the tensors that it asks for. `refused` says why
transformers does not load it, or what it would have made up; `untied` that it used a head which differs
from the embedding, `unexpected` what it left out.
"""

import json
import os
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

OUT = Path(__file__).parent / "model_folders.json"

SEQUENCES = [[(7 * i * i + 3 * i + 1) % 50 for i in range(40)], [11, 4, 4, 29, 0, 49, 8]]

LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": 50,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": True,
    "rope_theta": 500.0,
    "torch_dtype": "float32",
}
UNTIED = {"tie_word_embeddings": False}
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 4.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"
NORM = "model.norm.weight"


def main():
    folders = [expected(*folder) for folder in folder_list()]
    first = numbers(NORM, 2).tolist()
    golden = {"config": LLAMA, "sequences": SEQUENCES, "numbers": first, "folders": folders}
    OUT.write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
    refused = [folder["name"] for folder in folders if "refused" in folder]
    print(f"{len(folders)} folders, {OUT.stat().st_size:,} bytes; refused: {refused}")


def numbers(name, count):
    """In [-0.5, 0.5): an integer hash of the name, then of the place."""
    seed = 2166136261
    for byte in name.encode():
        seed = (seed ^ byte) * 16777619 % 2**32
    places = np.arange(count, dtype=np.uint64)
    mixed = (places * np.uint64(2654435761) + np.uint64(seed)) % np.uint64(2**32)
    mixed = (mixed ^ (mixed >> np.uint64(15))) * np.uint64(2246822519) % np.uint64(2**32)
    mixed = (mixed ^ (mixed >> np.uint64(13))) * np.uint64(3266489917) % np.uint64(2**32)
    return mixed.astype(np.float64) / 2**32 - 0.5


def tensor(source, shape):
    values = numbers(source, int(np.prod(shape))).reshape(shape)
    values = 1 + 0.6 * values if "norm" in source else 1.2 * values
    return torch.from_numpy(values.astype(np.float32))


def shapes(config):
    """Every tensor that a configuration asks for."""
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    heads = config["num_attention_heads"]
    size = hidden // heads
    pairs = (config.get("num_key_value_heads") or heads) * size
    names = {EMBEDDING: [config["vocab_size"], hidden]}
    for layer in range(config["num_hidden_layers"]):
        at = f"model.layers.{layer}."
        names |= {
            f"{at}self_attn.q_proj.weight": [hidden, hidden],
            f"{at}self_attn.k_proj.weight": [pairs, hidden],
            f"{at}self_attn.v_proj.weight": [pairs, hidden],
            f"{at}self_attn.o_proj.weight": [hidden, hidden],
            f"{at}mlp.gate_proj.weight": [inner, hidden],
            f"{at}mlp.up_proj.weight": [inner, hidden],
            f"{at}mlp.down_proj.weight": [hidden, inner],
            f"{at}input_layernorm.weight": [hidden],
            f"{at}post_attention_layernorm.weight": [hidden],
        }
    names[NORM] = [hidden]
    if not config.get("tie_word_embeddings"):
        names[HEAD] = [config["vocab_size"], hidden]
    return names


def folder_list():
    """Name, changes to the configuration (what is `"absent"` is taken out), changes to the tensors: `drop`
    some, `add` some with the tensor that their numbers come from and a shape, put a `prefix` in place of
    another, store some in another `dtype`, write them into `shards` files."""
    both_equal = {"add": {HEAD: [EMBEDDING, [50, 16]]}}
    both = {"add": {HEAD: [HEAD, [50, 16]]}}
    headless = {"drop": [HEAD]}
    base = {"prefix": ["model.", ""]}
    classifier = {"architectures": ["LlamaForSequenceClassification"], "num_labels": 3}
    score = {"score.weight": ["score.weight", [3, 16]]}
    value_head = {"v_head.summary.weight": ["v_head", [1, 16]], "v_head.summary.bias": ["v_bias", [1]]}
    five = {"rope_theta": "absent", "torch_dtype": "absent", "dtype": "float32"}

    return [
        ("tied", {}, {}),
        ("tied, stored as the head", {}, {"drop": [EMBEDDING], **both_equal}),
        ("tied, stored under both names", {}, both_equal),
        ("tied, the head differs", {}, both),
        ("tied, nothing stored of the pair", {}, {"drop": [EMBEDDING]}),
        ("untied", UNTIED, {}),
        ("untied, the head is missing", UNTIED, headless),
        ("untied, both are the same", UNTIED, both_equal),
        ("nothing said of a tie", {"tie_word_embeddings": "absent"}, {}),
        ("nothing said of a tie, the head is missing", {"tie_word_embeddings": "absent"}, headless),
        ("without its head's prefix, tied", {"architectures": ["LlamaModel"]}, base),
        ("without its head's prefix, untied", {"architectures": ["LlamaModel"], **UNTIED}, {**base, **headless}),
        ("class LLaMAForCausalLM", {"architectures": ["LLaMAForCausalLM"]}, {}),
        ("class FSDPLlamaForCausalLM", {"architectures": ["FSDPLlamaForCausalLM"]}, {}),
        ("class LlamaModel", {"architectures": ["LlamaModel"]}, {}),
        ("no class", {"architectures": "absent"}, {}),
        ("class null", {"architectures": None}, {}),
        ("a classifier", {**classifier, **UNTIED}, {**headless, "add": score}),
        ("a tied classifier", classifier, {"add": score}),
        ("a value head", {}, {"add": value_head}),
        ("frequencies of early Llamas", {}, {"add": {"model.layers.0.self_attn.rotary_emb.inv_freq": ["f", [2]]}}),
        ("biases that the configuration does not know", {}, {"add": {"model.layers.0.self_attn.q_proj.bias": ["b", [16]]}}),
        ("a layer more than the configuration says", {}, {"add": {"model.layers.2.mlp.up_proj.weight": ["l", [24, 16]]}}),
        ("a tensor is missing", {}, {"drop": ["model.layers.1.mlp.up_proj.weight"]}),
        ("a tensor has another shape", {}, {"drop": [NORM], "add": {NORM: [NORM, [17]]}}),
        ("a wrapper's prefix", {}, {"prefix": ["", "module."]}),
        ("shards", UNTIED, {"shards": 3}),
        ("bfloat16", {"torch_dtype": "bfloat16"}, {"dtype": {name: "bfloat16" for name in shapes(LLAMA)}}),
        ("float16 and float32", {}, {"dtype": {EMBEDDING: "float16"}}),
        ("remote code", {"auto_map": {"AutoModelForCausalLM": "modeling_x.XForCausalLM"}}, {}),
        ("rope_scaling", {"rope_scaling": LLAMA3}, {}),
        ("rope_scaling, the wrong way round", {"rope_scaling": {**LLAMA3, "low_freq_factor": 4.0, "high_freq_factor": 1.0}}, {}),
        ("rope_scaling of type linear", {"rope_scaling": {"type": "linear", "factor": 4.0}}, {}),
        ("rope_scaling with both names of its type", {"rope_scaling": {"type": "linear", "rope_type": "default", "factor": 4.0}}, {}),
        ("rope_scaling with theta", {"rope_scaling": {**LLAMA3, "rope_theta": 90.0}}, {}),
        ("rope_scaling null", {"rope_scaling": None}, {}),
        ("rope_scaling empty", {"rope_scaling": {}}, {}),
        ("rope_scaling without the first context", {"rope_scaling": {k: v for k, v in LLAMA3.items() if "original" not in k}}, {}),
        ("first context beside rope_scaling", {"rope_scaling": LLAMA3, "original_max_position_embeddings": 8}, {}),
        ("rope_parameters", {**five, "rope_parameters": {**LLAMA3, "rope_theta": 90.0}}, {}),
        ("rope_parameters without theta", {**five, "rope_theta": 90.0, "rope_parameters": {"rope_type": "default"}}, {}),
        ("rope_parameters and theta beside", {"rope_parameters": {"rope_type": "default", "rope_theta": 90.0}}, {}),
        ("rope_parameters and rope_scaling", {"rope_parameters": {"rope_type": "default", "rope_theta": 90.0}, "rope_scaling": LLAMA3}, {}),
        ("rope_parameters and rope_scaling null", {"rope_parameters": {**LLAMA3, "rope_theta": 90.0}, "rope_scaling": None}, {}),
        ("rope_scaling without a factor", {"rope_scaling": {"type": "linear"}}, {}),
        ("rope_scaling of an unknown type", {"rope_scaling": {"type": "spiral", "factor": 2.0}}, {}),
        ("fields that are null", {"num_key_value_heads": None, "head_dim": None, "quantization_config": None}, {}),
        ("theta is absent", {"rope_theta": "absent"}, {}),
        ("fields that transformers does not know", {"_name_or_path": "x/y", "made_with": "love", "layer_wobble": 3}, {}),
        ("a size that is a text", {"vocab_size": "50"}, {}),
    ]


def expected(name, changes, edits):
    config = {field: value for field, value in {**LLAMA, **changes}.items() if value != "absent"}
    folder = {"name": name, "changes": changes, "edits": edits}
    with tempfile.TemporaryDirectory() as path:
        Path(path, "config.json").write_text(json.dumps(config), encoding="utf-8")
        try:
            write_tensors(Path(path), tensors(config, edits), edits.get("shards", 1))
            model, info = AutoModelForCausalLM.from_pretrained(
                path, dtype=torch.float64, attn_implementation="eager", output_loading_info=True
            )
        except Exception as error:
            return {**folder, "refused": f"{type(error).__name__}: {str(error).splitlines()[0]}".replace(path, "FOLDER")}
        if info["missing_keys"]:
            return {**folder, "refused": f"made up: {sorted(info['missing_keys'])}"}
        pair = [it.weight for it in (model.get_input_embeddings(), model.get_output_embeddings())]
        return {
            **folder,
            "untied": not torch.equal(*pair),
            "unexpected": sorted(info["unexpected_keys"]),
            "nll": [losses(model, tokens) for tokens in SEQUENCES],
        }


def tensors(config, edits):
    named = {name: tensor(name, shape) for name, shape in shapes({**config, "vocab_size": 50}).items()}
    for name in edits.get("drop", []):
        named.pop(name, None)
    for name, (source, shape) in edits.get("add", {}).items():
        named[name] = tensor(source, shape)
    for name, dtype in edits.get("dtype", {}).items():
        named[name] = named[name].to(getattr(torch, dtype))
    old, new = edits.get("prefix", ["", ""])
    return {new + name.removeprefix(old) if name.startswith(old) else name: it for name, it in named.items()}


def write_tensors(folder, named, shards):
    if shards == 1:
        save_file(named, folder / "model.safetensors", metadata={"format": "pt"})
        return
    names = sorted(named)
    weight_map = {name: f"model-{i % shards + 1:05}-of-{shards:05}.safetensors" for i, name in enumerate(names)}
    for file in set(weight_map.values()):
        save_file({n: named[n] for n in names if weight_map[n] == file}, folder / file, metadata={"format": "pt"})
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")


@torch.no_grad()
def losses(model, tokens):
    logits = model.eval()(torch.tensor([tokens])).logits[0, :-1]
    nll = torch.nn.functional.cross_entropy(logits, torch.tensor(tokens[1:]), reduction="none")
    return [float(f"{x:.9g}") for x in nll.tolist()]


if __name__ == "__main__":
    main()
