"""A Llama by its definition, in torch and any precision: the independent side of every comparison here.

Knows neither transformers nor the program. One sequence at a time, no cache, no batching.
"""

import json
import struct

import torch

TYPES = {"F32": torch.float32, "BF16": torch.bfloat16}
NAMES = {kind: name for name, kind in TYPES.items()}


class Llama:
    """Weights by their names in the checkpoint, and the few numbers of its configuration."""

    def __init__(self, folder, dtype=torch.float64):
        self.config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        stored = read_safetensors(folder / "model.safetensors")
        self.weights = {name: tensor.to(dtype) for name, tensor in stored.items()}
        if self.config["tie_word_embeddings"]:
            self.weights.pop("lm_head.weight", None)

    def losses(self, ids, scored):
        """The loss of every scored token, in order, in nats."""
        logits = self.logits(ids[:-1])
        log_p = logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(-1)
        positions = torch.tensor([at for start, end in scored for at in range(start, end)])
        return -log_p[positions - 1, torch.tensor(ids)[positions]]

    def logits(self, ids):
        w, config = self.weights, self.config
        x = w["model.embed_tokens.weight"][torch.tensor(ids)]
        cos, sin = self.rotations(len(ids), x.dtype)
        for layer in range(config["num_hidden_layers"]):
            name = f"model.layers.{layer}."
            normed = self.norm(x, w[name + "input_layernorm.weight"])
            x = x + self.attention(normed, name + "self_attn.", cos, sin)
            normed = self.norm(x, w[name + "post_attention_layernorm.weight"])
            gate = torch.nn.functional.silu(normed @ w[name + "mlp.gate_proj.weight"].T)
            x = x + (gate * (normed @ w[name + "mlp.up_proj.weight"].T)) @ w[name + "mlp.down_proj.weight"].T
        x = self.norm(x, w["model.norm.weight"])
        return x @ w.get("lm_head.weight", w["model.embed_tokens.weight"]).T

    def norm(self, x, weight):
        return weight * x / (x.square().mean(-1, keepdim=True) + self.config["rms_norm_eps"]).sqrt()

    def rotations(self, length, dtype):
        dim, theta = self.config["head_dim"], self.config["rope_parameters"]["rope_theta"]
        frequencies = theta ** (-torch.arange(0, dim, 2, dtype=torch.float64) / dim)
        angles = torch.outer(torch.arange(length, dtype=torch.float64), frequencies).repeat(1, 2)
        return angles.cos().to(dtype), angles.sin().to(dtype)

    def attention(self, x, name, cos, sin):
        heads, groups = self.config["num_attention_heads"], self.config["num_key_value_heads"]
        queries, keys, values = (
            (x @ self.weights[f"{name}{part}_proj.weight"].T).unflatten(-1, (count, -1)).transpose(0, 1)
            for part, count in (("q", heads), ("k", groups), ("v", groups))
        )
        queries, keys = rotate(queries, cos, sin), rotate(keys, cos, sin)
        keys, values = (it.repeat_interleave(heads // groups, 0) for it in (keys, values))
        scores = queries @ keys.transpose(-1, -2) / self.config["head_dim"] ** 0.5
        length = scores.shape[-1]
        scores = scores.masked_fill(torch.ones(length, length, dtype=torch.bool).triu(1), -torch.inf)
        return (scores.softmax(-1) @ values).transpose(0, 1).flatten(1) @ self.weights[name + "o_proj.weight"].T


def rotate(x, cos, sin):
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat([-second, first], -1) * sin


def read_safetensors(path):
    """Tensors by name; the format is a length, JSON, and bytes."""
    data = path.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        start, end = (8 + length + offset for offset in entry["data_offsets"])
        flat = torch.frombuffer(bytearray(data[start:end]), dtype=TYPES[entry["dtype"]])
        tensors[name] = flat.view(entry["shape"])
    return tensors


def write_safetensors(path, sizes, dtype, make):
    """Writes a tensor after the other, each made when it is its turn: none but one is in memory."""
    header, offset = {}, 0
    for name, size in sizes.items():
        length = torch.Size(size).numel() * dtype.itemsize
        header[name] = {"dtype": NAMES[dtype], "shape": list(size), "data_offsets": [offset, offset + length]}
        offset += length
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, size in sizes.items():
            tensor = make(name, size).to(dtype).cpu().contiguous()
            file.write(memoryview(tensor.view(torch.uint8).numpy()))
