"""A whole run, three epochs of a twentieth of the samples each: scoring, picking and training as they are first
written on transformers and SciPy, one text at a time."""

import json
import time

import ifd
import llamas
import loop
import numpy as np
import picking
import scoring
import torch
import training
from table import fastest, run, say

RATIO, EPOCHS, UPDATE_RATIO, SEED, RATE = 0.05, 3, 3, 42, 1e-3


def measure(table, chosen, model, rows):
    # Where a text is cut, ours takes both means over the same tokens and this loop does not.
    rows = [row for row in rows if all(it["start"] < len(it["ids"]) <= llamas.MAX_LENGTH for it in texts_of(model, row))]
    data, out = model.folder / "whole.json", model.folder / "whole"
    data.write_text(json.dumps(rows))
    ours, _ = fastest(chosen.repeats, lambda: train(chosen.host, model, data, out))
    summaries = [json.loads((out / f"epochs/{epoch}/summary.json").read_text()) for epoch in range(EPOCHS)]
    found = [json.loads((out / f"epochs/{epoch}/selection.json").read_text())["selected"] for epoch in range(EPOCHS)]
    theirs, expected, shares = plain(model, rows)
    alike = [len(set(a) & set(b)) for a, b in zip(found, expected)]
    own = {part: sum(it["seconds"][part] for it in summaries) for part in shares}
    name = f"a whole run on {len(rows):,} samples, {model.name}, {EPOCHS} epochs of {len(expected[0])}"
    table.compare(name, theirs, ours, alike=alike, theirs_parts=shares, ours_parts=own)
    for who, parts in [("theirs", shares), ("ours", own)]:
        say(f"  {who}: " + ", ".join(f"{part} {seconds:.2f} s" for part, seconds in parts.items()))
    say(f"  picks in common, by epoch: {', '.join(map(str, alike))}")


def texts_of(model, row):
    return [of(model.tokenizer, row) for of in (ifd.conditional, ifd.unconditional, ifd.training)]


def train(host, model, data, out):
    run("rm", "-rf", out)
    sets = {
        "model.dtype": "float32", "model.max_length": llamas.MAX_LENGTH, "train.epochs": EPOCHS, "train.batch": training.STEP,
        "train.learning_rate": RATE, "train.schedule": "constant", "train.warmup_steps": 0, "selection.ratio": RATIO,
        "plugins.iterative.update_ratio": UPDATE_RATIO, "seed": SEED, "output.tensorboard": "false",
    }
    sets = [word for key, value in sets.items() for word in ("--set", f"{key}={value}")]
    run(host, "--plugins", "ifd,diversity", "--model", model.folder, "--data", data, "--out", out, "--device", "cpu", *sets)


def plain(model, rows):
    """Seconds from texts to a trained model, the picks of every epoch, and what each part took."""
    llama, budget = model.fresh(), int(RATIO * len(rows))
    optimizer = torch.optim.AdamW(llama.parameters(), lr=RATE, weight_decay=0.0, fused=True)
    parts = {"scoring": 0.0, "picking": 0.0, "training": 0.0}

    def timed(part, work):
        started = time.perf_counter()
        result = work()
        parts[part] += time.perf_counter() - started
        return result

    started = time.perf_counter()
    texts = [[llamas.cut(text) for text in texts_of(model, row)] for row in rows]
    order, scores, epochs = list(range(len(rows))), np.full(len(rows), np.inf), []
    for epoch in range(EPOCHS):
        pool = order if epoch == 0 else order[: budget * UPDATE_RATIO]
        timed("scoring", lambda: rescore(llama.eval(), texts, pool, scores))
        outputs = [row["output"] + model.tokenizer.eos_token for row in rows]
        offered = np.full(len(rows), np.inf)
        offered[pool] = scores[pool]
        picks = timed("picking", lambda: picking.scaled_matrix(outputs, offered, budget))
        rest = sorted(set(order) - set(picks), key=lambda index: (scores[index] >= 1, -scores[index], index))
        order = picks + rest
        epochs.append(picks)
        shuffled = loop.shuffle(picks, loop.order_seed(SEED, epoch))
        timed("training", lambda: learn(llama.train(), optimizer, [texts[index][2] for index in shuffled]))
    return time.perf_counter() - started, epochs, parts


def rescore(llama, texts, pool, scores):
    for index in pool:
        asked, lone = scoring.alone(llama, texts[index][:2])
        scores[index] = np.exp(asked - lone)


def learn(llama, optimizer, texts):
    for first in range(0, len(texts), training.STEP):
        training.alone(llama, texts[first : first + training.STEP])
        torch.nn.utils.clip_grad_norm_(llama.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
