"""Makes demo.json: what transformers and scikit-learn say of the demo's own data and model.

    python tests/golden/demo.py        (packages: tests/golden/requirements.txt)

For one sample in a hundred the three texts as `apply_chat_template` renders them, their tokens, the
position at which the response starts, and the losses and IFD of the model in float32. For all of
them the greedy pick over TF-IDF, with scores drawn at random.
"""

import json
import random
from pathlib import Path

import ifd
import torch
from tfidf import greedy
from transformers import AutoModelForCausalLM

HERE = Path(__file__).parent
DEMO = HERE.parent / "data" / "demo"
TEXTS = {
    "conditional": ifd.conditional,
    "unconditional": ifd.unconditional,
    "training": ifd.training,
}


def main():
    rows = json.loads((DEMO / "instructions.json").read_text(encoding="utf-8"))
    tokenizer = ifd.tokenizer_of(DEMO / "model")
    model = AutoModelForCausalLM.from_pretrained(DEMO / "model", dtype=torch.float32).eval()
    golden = {
        "samples": [sample(index, rows[index], tokenizer, model) for index in range(0, len(rows), 100)],
        "picks": picks(rows, tokenizer.eos_token),
    }
    text = json.dumps(golden, ensure_ascii=False, indent=1)
    (HERE / "demo.json").write_text(text + "\n", encoding="utf-8")


def sample(index, row, tokenizer, model):
    return {
        "id": index,
        **{name: shown(make(tokenizer, row)) for name, make in TEXTS.items()},
        **ifd.scores(tokenizer, model, row),
    }


def shown(text):
    return {key: text[key] for key in ("text", "ids", "start")}


def picks(rows, eos_text):
    rng = random.Random("picks")
    scores = [rng.randint(300_000, 1_100_000) / 1e6 for _ in rows]
    candidates = [index for index, score in enumerate(scores) if score < 1]
    texts = [rows[index]["output"] + eos_text for index in candidates]
    chosen, values = greedy(texts, [scores[index] for index in candidates], budget=60, decay=0.1)
    return {
        "decay": 0.1,
        "eos_text": eos_text,
        "scores": scores,
        "selected": [candidates[index] for index in chosen],
        "values": [ifd.rounded(value) for value in values],
    }


if __name__ == "__main__":
    main()
