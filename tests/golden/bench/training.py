"""One epoch over some samples, 32 a step, AdamW, clipped: sample by sample with accumulation as a transformers loop is
first written, and the best by hand: micro-batches by length, logits of responses alone."""

import json

import ifd
import llamas
import scoring
import torch
from table import fastest, run, say

STEP = 32
RATE = 1e-4


def measure(table, chosen, model, rows, peak):
    data, out = model.folder / "trained.json", model.folder / "run"
    rows, _ = scoring.answered(rows, lambda row: [ifd.training(model.tokenizer, row)])
    data.write_text(json.dumps(rows))
    ours, _ = fastest(chosen.repeats, lambda: train(chosen.host, model, data, out, len(rows)))
    found = [json.loads(line) for line in (out / "epochs/0/losses.jsonl").read_text().splitlines()]
    texts = [llamas.cut(ifd.training(model.tokenizer, rows[it["id"]])) for it in found]
    # Forward, and twice as much on the way back.
    flops = 3 * model.flops([len(ids) for ids, _ in texts], [len(ids) - start for ids, start in texts])
    steps = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    steps = sum(step["tokens"] / step["tokens_per_second"] for step in steps)
    share = {"share_of_peak": flops / ours / peak, "share_of_peak_steps_alone": flops / steps / peak} if peak else {}
    say(f"  steps without start, checkpoint and export: {steps:.2f} s of {ours:.2f}")
    for name, accumulate in [("batch 1 × 32 accumulated", alone), ("micro-batches by length, responses' logits", by_length)]:
        theirs, losses = min((epoch(model.fresh(), texts, accumulate) for _ in range(chosen.repeats)), key=lambda it: it[0])
        worst = max(abs(a["loss"] / b - 1) for a, b in zip(found, losses, strict=True))
        table.compare(f"training on {len(rows)} samples, {model.name}: {name}", theirs, ours, worst=worst, **share)
        say(f"  largest relative difference of a sample's loss: {worst:.1e}")
        if peak:
            say(f"  of the peak of products on tokens that count: theirs {flops / theirs / peak:.0%}, ours {flops / ours / peak:.0%}, its steps alone {flops / steps / peak:.0%}")


def train(host, model, data, out, count):
    run("rm", "-rf", out)
    sets = {
        "model.dtype": "float32", "model.max_length": llamas.MAX_LENGTH, "train.epochs": 1, "train.batch": STEP,
        "train.learning_rate": RATE, "train.schedule": "constant", "train.warmup_steps": 0, "selection.ratio": count,
        "output.tensorboard": "false",
    }
    sets = [word for key, value in sets.items() for word in ("--set", f"{key}={value}")]
    run(host, "--plugins", "random", "--model", model.folder, "--data", data, "--out", out, "--device", "cpu", *sets)


def epoch(llama, texts, accumulate):
    """Seconds, and every sample's loss as it was when its turn came."""
    llama.train()
    optimizer = torch.optim.AdamW(llama.parameters(), lr=RATE, weight_decay=0.0, fused=True)

    def steps():
        losses = []
        for first in range(0, len(texts), STEP):
            step = texts[first : first + STEP]
            losses += accumulate(llama, step)
            torch.nn.utils.clip_grad_norm_(llama.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
        return losses

    return fastest(1, steps)


def alone(llama, step):
    losses = []
    for ids, start in step:
        ids = torch.tensor([ids])
        labels = ids.clone()
        labels[:, :start] = -100
        loss = llama(input_ids=ids, labels=labels).loss
        (loss / len(step)).backward()
        losses.append(loss.item())
    return losses


def by_length(llama, step):
    losses = [0.0] * len(step)
    for batch in scoring.batches([len(ids) for ids, _ in step]):
        ids, mask, targets = scoring.padded([step[place] for place in batch])
        hidden = llama.model(input_ids=ids, attention_mask=mask).last_hidden_state
        targets = targets[:, 1:]
        rows = targets != -100
        token = torch.nn.functional.cross_entropy(llama.lm_head(hidden[:, :-1][rows]), targets[rows], reduction="none")
        owners = rows.nonzero()[:, 0]
        means = torch.zeros(len(batch)).index_add(0, owners, token) / rows.sum(1)
        (means.sum() / len(step)).backward()
        for place, loss in zip(batch, means.tolist()):
            losses[place] = loss
    return losses
