"""Times scoring and picking side by side with plain transformers, scikit-learn and SciPy.

    cargo xtask bench        (which builds the host in release and runs this)

Same machine, same threads, same samples, one after the other; of several repeats the fastest
counts on each side. Ours is the whole process from start to exit. Theirs is only the work: Python is
up, everything is imported, the model is in memory. What both compute is compared too.

The samples are Alpaca's where ITERIT_TEST_DATA has them, else made by tests/data/instructions.py.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import ifd
import numpy as np
import scipy.sparse
import torch
import zstandard
from sklearn.feature_extraction.text import TfidfVectorizer
from tokenizers import Tokenizer
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.utils import logging

HERE = Path(__file__).parent
DATA = HERE.parent / "data"
sys.path.insert(0, str(DATA))

BATCH = 8
MAX_LENGTH = 512


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("host", help="the iterit-host to time")
    arguments.add_argument("--repeats", type=int, default=3)
    arguments.add_argument("--samples", type=int, default=512)
    arguments.add_argument("--texts", type=int, default=20_000)
    arguments.add_argument("--picks", type=int, default=1_000)
    chosen = arguments.parse_args()
    threads = int(os.environ["OMP_NUM_THREADS"])
    torch.set_num_threads(threads)
    logging.disable_progress_bar()

    rows, source = alpaca(chosen.texts)
    say(f"{threads} threads, {source}, the fastest of {chosen.repeats}\n")
    say(f"{'':<52}{'theirs':>10}{'ours':>10}{'ratio':>8}")
    with tempfile.TemporaryDirectory() as scratch:
        score(chosen, Path(scratch), rows[: chosen.samples])
        select(chosen, Path(scratch), rows)


def alpaca(count):
    """Real rows, or as many of ours."""
    shared = os.environ.get("ITERIT_TEST_DATA")
    if shared:
        packed = Path(shared) / "alpaca" / "alpaca_union.json.zst"
        return json.loads(unpacked(packed))[:count], "samples of Alpaca"
    import random

    import instructions

    rng = random.Random("bench")
    return [instructions.honest_row(rng) for _ in range(count)], "samples of our own generator"


def unpacked(path):
    return zstandard.decompress(path.read_bytes(), max_output_size=1 << 28).decode()


def score(chosen, scratch, rows):
    # The demo's small vocabulary: so the layers of this small model weigh as they do in a large one.
    tokenizer = Tokenizer.from_file(str(DATA / "demo" / "model" / "tokenizer.json"))
    folder = scratch / "model"
    model = random_llama(folder, tokenizer)
    fast = ifd.tokenizer_of(folder)
    (scratch / "rows.json").write_text(json.dumps(rows))

    theirs, ours = [], []
    for _ in range(chosen.repeats):
        started = time.perf_counter()
        expected = ifd_of_all(model, fast, rows)
        theirs.append(time.perf_counter() - started)
        out = scratch / "scores.jsonl"
        out.unlink(missing_ok=True)
        ours.append(
            timed(chosen.host, "score", "--model", folder, "--data", scratch / "rows.json", "--plugins", "ifd",
                  "--out", out, "--device", "cpu", "--set", f"model.max_length={MAX_LENGTH}",
                  "--set", "model.dtype=float32")
        )
    row(f"IFD of {len(rows)} samples", min(theirs), min(ours))
    # Where a text is cut, ours takes both means over the same tokens and the plain loop does not.
    found = [json.loads(line) for line in out.read_text().splitlines()]
    whole = [(a["score"], b["ifd"]) for a, b in zip(found, expected, strict=True)
             if a["score"] is not None and a["parts"]["ifd"]["tokens"] == b["tokens"]]
    worst = max(abs(a / b - 1) for a, b in whole)
    say(f"  largest relative difference of an IFD, of {len(whole)} whole samples: {worst:.1e}")


def random_llama(folder, tokenizer):
    """Hidden 256, six layers, eight heads on four, MLP 640, saved for the host to read."""
    import generate

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=256, intermediate_size=640, num_hidden_layers=6,
        num_attention_heads=8, num_key_value_heads=4, max_position_embeddings=MAX_LENGTH,
        tie_word_embeddings=True, bos_token_id=tokenizer.token_to_id("<|bos|>"),
        eos_token_id=tokenizer.token_to_id("<|end|>"), pad_token_id=tokenizer.token_to_id("<|pad|>"),
    )
    model = LlamaForCausalLM(config).eval()
    model.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(generate.tokenizer_config()))
    return model


def ifd_of_all(model, tokenizer, rows):
    """The loop one writes first: texts in input order, batches of eight padded to the longest, the
    whole tensor of logits."""
    texts = []
    for row_ in rows:
        prompt = ifd.prompt_of(row_)
        answer = {"role": "assistant", "content": row_["output"]}
        opening = tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True)
        texts.append((opening, tokenizer.apply_chat_template([*prompt, answer], tokenize=False)))
        texts.append(("<|bos|><|assistant|>", tokenizer.apply_chat_template([answer], tokenize=False)))
    losses = []
    for first in range(0, len(texts), BATCH):
        losses += mean_losses(model, tokenizer, texts[first : first + BATCH])
    pairs = [losses[i : i + 2] for i in range(0, len(losses), 2)]
    return [
        {"ifd": float(np.exp(conditional - unconditional)), "tokens": n if n == m else None}
        for (conditional, n), (unconditional, m) in pairs
    ]


@torch.no_grad()
def mean_losses(model, tokenizer, texts):
    starts = [len(tokenizer(prefix, add_special_tokens=False)["input_ids"]) for prefix, _ in texts]
    batch = tokenizer(
        [text for _, text in texts], add_special_tokens=False, padding=True, truncation=True,
        max_length=MAX_LENGTH, return_tensors="pt",
    )
    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    for index, start in enumerate(starts):
        labels[index, :start] = -100
    losses = torch.nn.functional.cross_entropy(
        logits[:, :-1].transpose(1, 2), labels[:, 1:], reduction="none"
    )
    tokens = (labels[:, 1:] != -100).sum(1)
    return list(zip((losses.sum(1) / tokens).tolist(), tokens.tolist()))


def select(chosen, scratch, rows):
    rng = np.random.default_rng(0)
    scores = rng.uniform(0.3, 1.1, len(rows))
    (scratch / "rows.json").write_text(json.dumps(rows))
    lines = [json.dumps({"id": i, "score": s, "eligible": s < 1}) for i, s in enumerate(scores.tolist())]
    (scratch / "picks.jsonl").write_text("\n".join(lines) + "\n")

    ours, out = [], scratch / "selection.json"
    for _ in range(chosen.repeats):
        out.unlink(missing_ok=True)
        ours.append(
            timed(chosen.host, "select", "--data", scratch / "rows.json", "--scores", scratch / "picks.jsonl",
                  "--plugins", "diversity", "--budget", chosen.picks, "--out", out,
                  "--set", "data.eos_text=<|end|>", "--set", "plugins.diversity.decay=0.1")
        )
    selected = json.loads(out.read_text())["selected"]
    for name, greedy in [("a matrix scaled at each pick", scaled_matrix), ("one matrix-vector product a pick", products)]:
        started = time.perf_counter()
        expected = greedy([row_["output"] + "<|end|>" for row_ in rows], scores, chosen.picks, 0.1)
        seconds = time.perf_counter() - started
        row(f"{chosen.picks:,} of {len(rows):,}, {name}", seconds, min(ours))
        say(f"  the same samples in the same order: {'yes' if selected == expected else 'no'}")


def scaled_matrix(texts, scores, budget, decay):
    """The definition, step by step: row sums, the best, its columns scaled."""
    ids = np.flatnonzero(scores < 1)
    matrix = TfidfVectorizer(ngram_range=(1, 3)).fit_transform([texts[i] for i in ids])
    value_of, picks = scores[ids].copy(), []
    for _ in range(budget):
        best = int(np.argmax(value_of * np.asarray(matrix.sum(axis=1)).ravel()))
        picks.append(int(ids[best]))
        value_of[best] = -1
        scale = np.ones(matrix.shape[1])
        scale[matrix[best].indices] = decay
        matrix = (matrix @ scipy.sparse.diags(scale)).tocsr()
    return picks


def products(texts, scores, budget, decay):
    """The same with the columns' weights kept apart, so that a pick costs one product."""
    ids = np.flatnonzero(scores < 1)
    matrix = TfidfVectorizer(ngram_range=(1, 3)).fit_transform([texts[i] for i in ids])
    value_of, weights, picks = scores[ids].copy(), np.ones(matrix.shape[1]), []
    for _ in range(budget):
        best = int(np.argmax(value_of * (matrix @ weights)))
        picks.append(int(ids[best]))
        value_of[best] = -1
        weights[matrix[best].indices] *= decay
    return picks


def timed(*command):
    started = time.perf_counter()
    subprocess.run([str(word) for word in command], check=True, stdout=sys.stderr, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def row(name, theirs, ours):
    say(f"{name:<52}{theirs:>8.2f} s{ours:>8.2f} s{theirs / ours:>7.1f}x")


def say(line):
    print(line, flush=True)


if __name__ == "__main__":
    main()
