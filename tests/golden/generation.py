"""Makes generation.json: what transformers adds to 50 beginnings, greedily, with its cache.

    python tests/golden/generation.py        (packages: tests/golden/requirements.txt)

Every architecture of architectures/ that has a window, a softcap, norms in other places or none of these.
Beginnings are of 1 to 40 tokens, so that batches are ragged and windows slide; no token ends a text.
"""

import json
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM

HERE = Path(__file__).parent
MODELS = ["models/llama-tied", "models/qwen3", "architectures/mistral-window", "architectures/gemma2"]
BEGINNINGS, NEW_TOKENS = 50, 24


def beginnings(vocab_size):
    random = np.random.default_rng(7)
    lengths = random.integers(1, 41, BEGINNINGS)
    return [random.integers(3, vocab_size, length).tolist() for length in lengths]


def continued(model, tokens):
    """The tokens that transformers adds, asked alone so that nothing is padded."""
    ids = torch.tensor([tokens])
    grown = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=NEW_TOKENS,
        do_sample=False,
        eos_token_id=None,
        pad_token_id=0,
    )
    return grown[0, len(tokens) :].tolist()


def main():
    torch.set_num_threads(1)
    models = []
    for name in MODELS:
        model = AutoModelForCausalLM.from_pretrained(HERE / name, dtype=torch.float32).eval()
        model.generation_config.eos_token_id = None
        texts = beginnings(model.config.vocab_size)
        rows = [{"beginning": text, "added": continued(model, text)} for text in texts]
        assert all(len(row["added"]) == NEW_TOKENS for row in rows), name
        models.append({"model": name, "texts": rows})
    lines = ",\n".join(
        '{"model": %s, "texts": [\n%s\n]}'
        % (json.dumps(it["model"]), ",\n".join(json.dumps(row) for row in it["texts"]))
        for it in models
    )
    (HERE / "generation.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
