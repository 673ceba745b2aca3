"""IFD of a set: one text at a time as the published program does, batches as they come, and the best by hand:
texts by length in batches of so many tokens, logits of responses alone, and what all texts begin with run once."""

import json

import ifd
import llamas
import numpy as np
import torch
from table import fastest, run, say
from transformers import DynamicCache

BATCH = 8
TOKENS = 2048


def measure(table, chosen, model, rows, peak):
    rows, texts = answered(rows, lambda row: [ifd.conditional(model.tokenizer, row), ifd.unconditional(model.tokenizer, row)])
    data, out = model.folder / "scored.json", model.folder / "scores.jsonl"
    data.write_text(json.dumps(rows))
    ours, _ = fastest(chosen.repeats, lambda: score(chosen.host, model, data, out))
    found = [json.loads(line) for line in out.read_text().splitlines()]
    flops = model.flops([len(ids) for ids, _ in texts], [len(ids) - start for ids, start in texts])
    share = {"share_of_peak": flops / ours / peak} if peak else {}
    for name, losses_of in [("one text at a time, as published", alone), ("batches of eight as they come", as_they_come),
                            ("by length, responses' logits, beginning once", by_hand)]:
        repeats = 1 if losses_of is alone else chosen.repeats
        theirs, losses = fastest(repeats, lambda: losses_of(model.llama, texts))
        table.compare(f"IFD of {len(rows)} samples, {model.name}: {name}", theirs, ours,
                      worst=furthest(found, losses, texts), **share)
        if peak:
            say(f"  of the peak of products on tokens that count: theirs {flops / theirs / peak:.0%}, ours {flops / ours / peak:.0%}")


def answered(rows, texts_of):
    """Rows of whose response something lies within the window, and their texts in tokens."""
    kept, texts = [], []
    for row in rows:
        cut = [llamas.cut(text) for text in texts_of(row)]
        if all(start < len(ids) for ids, start in cut):
            kept.append(row)
            texts += cut
    return kept, texts


def score(host, model, data, out):
    out.unlink(missing_ok=True)
    run(host, "score", "--model", model.folder, "--data", data, "--plugins", "ifd", "--out", out, "--device", "cpu",
        "--set", f"model.max_length={llamas.MAX_LENGTH}", "--set", "model.dtype=float32")


def furthest(found, losses, texts):
    """The largest relative difference of an IFD. Where a text is cut, ours takes both means over the same tokens and
    these loops do not, so such samples are left out."""
    worst = whole = 0
    for row, (asked, lone), (of_asked, of_lone) in zip(found, pairs(texts), pairs(losses), strict=True):
        if row["score"] is None or len(asked[0]) - asked[1] != len(lone[0]) - lone[1]:
            continue
        whole += 1
        worst = max(worst, abs(row["score"] / float(np.exp(of_asked - of_lone)) - 1))
    say(f"  largest relative difference of an IFD, of {whole} whole samples: {worst:.1e}")
    return worst


def pairs(items):
    return zip(items[::2], items[1::2])


@torch.no_grad()
def alone(llama, texts):
    losses = []
    for ids, start in texts:
        ids = torch.tensor([ids])
        labels = ids.clone()
        labels[:, :start] = -100
        losses.append(llama(input_ids=ids, labels=labels).loss.item())
    return losses


@torch.no_grad()
def as_they_come(llama, texts):
    losses = []
    for first in range(0, len(texts), BATCH):
        batch = texts[first : first + BATCH]
        ids, mask, targets = padded(batch)
        logits = llama(input_ids=ids, attention_mask=mask).logits
        token = torch.nn.functional.cross_entropy(logits[:, :-1].transpose(1, 2), targets[:, 1:], reduction="none")
        losses += (token.sum(1) / (targets[:, 1:] != -100).sum(1)).tolist()
    return losses


@torch.no_grad()
def by_hand(llama, texts):
    losses = [0.0] * len(texts)
    # Whether prompted or alone, texts of a kind begin with the same tokens.
    for kind in (0, 1):
        places = list(range(kind, len(texts), 2))
        shared = common([texts[place][0][: texts[place][1] - 1] for place in places])
        beginning = llama.model(input_ids=torch.tensor([texts[kind][0][:shared]]), use_cache=True) if shared else None
        for batch in batches([len(texts[place][0]) - shared for place in places]):
            members = [places[index] for index in batch]
            rest = [(texts[place][0][shared:], texts[place][1] - shared) for place in members]
            for place, loss in zip(members, mean_losses(llama, rest, beginning, shared)):
                losses[place] = loss
    return losses


def mean_losses(llama, texts, beginning=None, shared=0):
    ids, mask, targets = padded(texts)
    past = None
    if beginning is not None:
        past = DynamicCache()
        for index, layer in enumerate(beginning.past_key_values.layers):
            past.update(*(it.expand(len(texts), -1, -1, -1) for it in (layer.keys, layer.values)), index)
        mask = torch.cat([torch.ones(len(texts), shared, dtype=mask.dtype), mask], 1)
    hidden = llama.model(input_ids=ids, attention_mask=mask, past_key_values=past, use_cache=past is not None)
    targets = targets[:, 1:]
    rows = targets != -100
    logits = llama.lm_head(hidden.last_hidden_state[:, :-1][rows])
    token = torch.nn.functional.cross_entropy(logits, targets[rows], reduction="none")
    sums = torch.zeros(len(texts)).index_add_(0, rows.nonzero()[:, 0], token)
    return (sums / rows.sum(1)).tolist()


def padded(texts):
    longest = max(len(ids) for ids, _ in texts)
    ids, mask = torch.zeros(len(texts), longest, dtype=torch.long), torch.zeros(len(texts), longest, dtype=torch.long)
    targets = torch.full((len(texts), longest), -100)
    for row, (text, start) in enumerate(texts):
        ids[row, : len(text)] = torch.tensor(text)
        mask[row, : len(text)] = 1
        targets[row, start : len(text)] = ids[row, start : len(text)]
    return ids, mask, targets


def batches(lengths):
    """Places by length, as many at a time as have at most so many tokens, padding included."""
    batch = []
    for place in sorted(range(len(lengths)), key=lambda it: lengths[it]):
        if batch and lengths[place] * (len(batch) + 1) > TOKENS:
            yield batch
            batch = []
        batch.append(place)
    yield batch


def common(beginnings):
    first, last = min(beginnings), max(beginnings)
    count = 0
    while count < min(len(first), len(last)) and first[count] == last[count]:
        count += 1
    return count
