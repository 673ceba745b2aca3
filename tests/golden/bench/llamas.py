"""The samples, and random Llamas of the sizes that are timed, saved for the host to read."""

import json
import os
from pathlib import Path

import generate
import ifd
import torch
import zstandard
from tokenizers import Tokenizer
from transformers import LlamaConfig, LlamaForCausalLM

DATA = Path(generate.__file__).parent
MAX_LENGTH = 512
# The demo's small vocabulary for the small one: so its layers weigh as they do in a large one.
SHAPES = {
    "0.7M": {
        "hidden_size": 128, "intermediate_size": 328, "num_hidden_layers": 3, "num_attention_heads": 4,
        "num_key_value_heads": 2, "tie_word_embeddings": True,
    },
    "4M": {
        "hidden_size": 256, "intermediate_size": 640, "num_hidden_layers": 6, "num_attention_heads": 8,
        "num_key_value_heads": 4, "tie_word_embeddings": True,
    },
    "100M": {
        "hidden_size": 768, "intermediate_size": 2048, "num_hidden_layers": 12, "num_attention_heads": 12,
        "num_key_value_heads": 4, "tie_word_embeddings": False, "vocab_size": 32_000,
    },
}


def alpaca(count):
    """Real rows, or as many of ours."""
    shared = os.environ.get("ITERIT_TEST_DATA")
    if shared:
        packed = Path(shared) / "alpaca" / "alpaca_union.json.zst"
        text = zstandard.decompress(packed.read_bytes(), max_output_size=1 << 28)
        return json.loads(text)[:count], "samples of Alpaca"
    import random

    import instructions

    rng = random.Random("bench")
    return [instructions.honest_row(rng) for _ in range(count)], "samples of our own generator"


class Model:
    """A folder that the host reads, and what transformers makes of it."""

    def __init__(self, folder, name, llama):
        self.folder, self.name, self.llama = folder, name, llama
        self.tokenizer = ifd.tokenizer_of(folder)

    def fresh(self):
        """With the weights as they were saved."""
        return LlamaForCausalLM.from_pretrained(self.folder, dtype=torch.float32)

    def flops(self, lengths, scored):
        """Of the products with matrices in a forward pass over texts of these lengths, the head's for scored tokens
        alone: what no program can leave out, but for what several texts share."""
        head = self.llama.config.vocab_size * self.llama.config.hidden_size
        linear = sum(it.weight.numel() for it in self.llama.model.modules() if isinstance(it, torch.nn.Linear))
        return 2.0 * (linear * sum(lengths) + head * sum(scored))


def random_llama(folder, name):
    tokenizer = Tokenizer.from_file(str(DATA / "demo" / "model" / "tokenizer.json"))
    torch.manual_seed(0)
    shape = {"vocab_size": tokenizer.get_vocab_size(), **SHAPES[name]}
    ids = {kind: tokenizer.token_to_id(token) for kind, token in [("bos", "<|bos|>"), ("eos", "<|end|>"), ("pad", "<|pad|>")]}
    config = LlamaConfig(
        max_position_embeddings=MAX_LENGTH, **{f"{kind}_token_id": it for kind, it in ids.items()}, **shape
    )
    llama = LlamaForCausalLM(config).eval()
    llama.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(generate.tokenizer_config()))
    return Model(folder, name, llama)


def cut(text):
    """Tokens of a text within the window, and where its response begins among them."""
    ids = text["ids"][:MAX_LENGTH]
    return ids, min(text["start"], len(ids))
