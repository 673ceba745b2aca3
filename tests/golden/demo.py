"""Makes demo.json: what transformers and scikit-learn say of the demo's own data and model.

    python tests/golden/demo.py        (packages: tests/golden/requirements.txt)

For one sample in a hundred the three texts as `apply_chat_template` renders them, their tokens, the
position at which the response starts, and the losses and IFD of the model in float32. For all of
them the greedy pick over TF-IDF, with scores drawn at random.
"""

import json
import math
import random
from pathlib import Path

import torch
from tfidf import greedy
from transformers import AutoModelForCausalLM, AutoTokenizer

HERE = Path(__file__).parent
DEMO = HERE.parent / "data" / "demo"

SYSTEM = {"role": "system", "content": "You are a helpful assistant."}
MARK = "\ue000"


def main():
    rows = json.loads((DEMO / "instructions.json").read_text(encoding="utf-8"))
    tokenizer = AutoTokenizer.from_pretrained(DEMO / "model")
    model = AutoModelForCausalLM.from_pretrained(DEMO / "model", dtype=torch.float32).eval()
    golden = {
        "samples": [sample(index, rows[index], tokenizer, model) for index in range(0, len(rows), 100)],
        "picks": picks(rows, tokenizer.eos_token),
    }
    text = json.dumps(golden, ensure_ascii=False, indent=1)
    (HERE / "demo.json").write_text(text + "\n", encoding="utf-8")


def sample(index, row, tokenizer, model):
    """The three texts of a row and what the model makes of the first two."""
    user = row["instruction"] + (f"\nInput: {row['input']}" if row["input"] else "")
    prompt = [SYSTEM, {"role": "user", "content": user}]
    conditional = whole(tokenizer, prompt, row["output"])
    unconditional = whole(tokenizer, [], row["output"])
    opening = tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True)
    training = encoded(tokenizer, opening, row["output"] + tokenizer.eos_token)
    losses = [response_losses(model, text) for text in (conditional, unconditional)]
    means = [sum(it) / len(it) for it in losses]
    return {
        "id": index,
        "conditional": conditional,
        "unconditional": unconditional,
        "training": training,
        "tokens": len(losses[0]),
        "conditional_nll": rounded(means[0]),
        "unconditional_nll": rounded(means[1]),
        "ifd": rounded(math.exp(means[0] - means[1])),
    }


def whole(tokenizer, prompt, response):
    """A closed conversation. What stands before the response is found with a mark in its place."""

    def rendered(content):
        turns = [*prompt, {"role": "assistant", "content": content}]
        return tokenizer.apply_chat_template(turns, tokenize=False)

    prefix = rendered(MARK).split(MARK)[0]
    text = rendered(response)
    assert text.startswith(prefix)
    return encoded(tokenizer, prefix, text[len(prefix) :])


def encoded(tokenizer, prefix, rest):
    def ids(text):
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    return {"text": prefix + rest, "ids": ids(prefix + rest), "start": len(ids(prefix))}


@torch.no_grad()
def response_losses(model, text):
    ids = torch.tensor([text["ids"]])
    logits = model(ids).logits[0, :-1].double()
    losses = torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="none")
    return losses[text["start"] - 1 :].tolist()


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
        "values": [rounded(value) for value in values],
    }


def rounded(value):
    return float(f"{value:.12g}")


if __name__ == "__main__":
    main()
