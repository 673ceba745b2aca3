"""Makes loop.json: whole runs on the demo's own data and model, by transformers, torch and scikit-learn.

    python tests/golden/loop.py        (packages: tests/golden/requirements.txt)

Written from the definitions in configs/README.md: score, pick greedily, train an epoch, three times over.
Two cases: the trainer as it is by default, and as the published program was (its ties of bfloat16 scores,
its pool, its one order of every epoch). Where a choice would hang on the last digits the script stops:
what is committed holds on any machine.
"""

import json
import math
from pathlib import Path

import ifd
import torch
from tfidf import tfidf
from transformers import AutoModelForCausalLM, get_cosine_schedule_with_warmup

HERE = Path(__file__).parent
DEMO = HERE.parent / "data" / "demo"

SAMPLES, BUDGET, EPOCHS, UPDATE_RATIO = 160, 16, 3, 3
ACCUMULATION, LEARNING_RATE, WARMUP, SEED, DECAY = 4, 1e-3, 0.03, 42, 0.1
# Relative; below it two numbers might be in another order elsewhere.
DECISIVE = 2e-6


def main():
    rows = json.loads((DEMO / "instructions.json").read_text(encoding="utf-8"))
    # Twins would score alike but for the last digits.
    first = {json.dumps(row): index for index, row in reversed(list(enumerate(rows)))}
    chosen = sorted(first.values())[:SAMPLES]
    rows = [rows[index] for index in chosen]
    tokenizer = ifd.tokenizer_of(DEMO / "model")
    golden = {
        "rows": chosen,
        "default": run(rows, tokenizer, published=False),
        "published": run(rows, tokenizer, published=True),
    }
    text = json.dumps(golden, separators=(",", ":"))
    (HERE / "loop.json").write_text(text + "\n", encoding="utf-8")


def run(rows, tokenizer, published):
    model = AutoModelForCausalLM.from_pretrained(DEMO / "model", dtype=torch.float32)
    begun = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=0.0)
    steps = EPOCHS * math.ceil(BUDGET / ACCUMULATION)
    schedule = get_cosine_schedule_with_warmup(optimizer, math.ceil(WARMUP * steps), steps)

    order, latest, epochs, micro_batches = list(range(len(rows))), {}, [], []
    for epoch in range(EPOCHS):
        pool = order if epoch == 0 else order[: BUDGET * UPDATE_RATIO]
        scores = score(model.eval(), tokenizer, rows, pool)
        latest.update({index: as_kept(scores[index], published) for index in pool})
        candidates = [index for index in pool if latest[index] < 1]
        picks = pick(rows, tokenizer, latest, candidates)
        epochs.append(
            {
                "scored_ids": pool,
                "ifd_float32": [ifd.rounded(scores[index]) for index in pool],
                "selected_ids": picks,
            }
        )
        order = (published_order if published else ranked)(order, pool, picks, latest)
        shuffled = shuffle(picks, SEED if published else order_seed(SEED, epoch))
        for start in range(0, len(shuffled), ACCUMULATION):
            step = len(micro_batches) // ACCUMULATION
            batch = shuffled[start : start + ACCUMULATION]
            losses = take_step(model.train(), tokenizer, [rows[index] for index in batch])
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            for index, (loss, tokens) in zip(batch, losses):
                micro_batches.append(
                    {"id": index, "step_before": step, "n_label": tokens, "loss": ifd.rounded(loss)}
                )
    changes = {name: weight.detach() - begun[name] for name, weight in model.named_parameters()}
    return {
        "epochs_log": epochs,
        "micro_batches": micro_batches,
        "changes": {name: described(change) for name, change in changes.items()},
    }


def score(model, tokenizer, rows, pool):
    scores = {index: ifd.scores(tokenizer, model, rows[index])["ifd"] for index in pool}
    for value in scores.values():
        assert abs(value - 1) > DECISIVE, f"{value} may be eligible or not"
    return scores


def as_kept(score, published):
    if not published:
        return score
    kept = float(torch.tensor(score, dtype=torch.float32).to(torch.bfloat16))
    # Of 8 bits, so neighbours are 2^-8 to 2^-7 apart; in the middle between two it may go either way.
    ulp = 2.0 ** (math.floor(math.log2(score)) - 7)
    assert abs(abs(score - kept) - ulp / 2) > DECISIVE * score, f"{score} may be rounded either way"
    return kept


def pick(rows, tokenizer, latest, candidates):
    """The plainest form: every row sum anew before every pick, the first of equals wins."""
    _, matrix = tfidf([rows[index]["output"] + tokenizer.eos_token for index in candidates])
    dense = matrix.toarray()
    picks = []
    for _ in range(BUDGET):
        values = [
            -1.0 if index in picks else latest[index] * row.sum()
            for index, row in zip(candidates, dense)
        ]
        best = max(values)
        near = [it for it in values if 0 < best - it < DECISIVE * best]
        assert not near, f"{best} and {near} may be in another order"
        place = values.index(best)
        picks.append(candidates[place])
        dense[:, dense[place] != 0] *= DECAY
    return picks


def ranked(order, _pool, picks, latest):
    """The last picks, the eligible by score, the rest."""
    eligible = sorted(index for index in order if index not in picks and latest[index] < 1)
    eligible.sort(key=lambda index: -latest[index])
    assert_decisive([latest[index] for index in eligible])
    rest = sorted(index for index in order if index not in picks and latest[index] >= 1)
    return picks + eligible + rest


def published_order(order, pool, picks, latest):
    """The picks, then all of the pool with a score of 1 or more as they stood, then the others of it by
    score; what is behind the pool stays."""
    behind = order[len(pool) :]
    rest = [index for index in pool if index not in picks]
    ineligible = [index for index in rest if latest[index] >= 1]
    eligible = sorted((index for index in rest if latest[index] < 1), key=lambda index: -latest[index])
    return picks + ineligible + eligible + behind


def assert_decisive(falling):
    for above, below in zip(falling, falling[1:]):
        assert above - below > DECISIVE * above, f"{above} and {below} may be in another order"


def order_seed(seed, epoch):
    """A hash of both, so that no epoch of one seed has the order of another seed's."""
    return split_mix_64(split_mix_64(seed) + epoch)


def split_mix_64(state):
    """The first number of the stream (Steele, Lea and Flood 2014)."""
    state = (state + 0x9E3779B97F4A7C15) % 2**64
    state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    state = (state ^ (state >> 27)) * 0x94D049BB133111EB % 2**64
    return state ^ (state >> 31)


def shuffle(picks, seed):
    generator = torch.Generator().manual_seed(seed)
    return [picks[place] for place in torch.randperm(len(picks), generator=generator).tolist()]


def take_step(model, tokenizer, rows):
    """Adds up the gradient of the mean over samples of each one's mean loss; clips it."""
    losses = []
    for row in rows:
        text = ifd.training(tokenizer, row)
        ids = torch.tensor([text["ids"]])
        logits, targets = model(ids).logits[0, text["start"] - 1 : -1], ids[0, text["start"] :]
        loss = torch.nn.functional.cross_entropy(logits, targets)
        (loss / len(rows)).backward()
        losses.append((loss.item(), len(targets)))
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    return losses


def described(change):
    """How a tensor changed: the norm, and the change at a few places spread over it."""
    flat = change.double().flatten()
    places = [place * (len(flat) - 1) // 15 for place in range(16)]
    return {
        "norm": ifd.rounded(flat.norm().item()),
        "places": places,
        "values": [ifd.rounded(flat[place].item()) for place in places],
    }


if __name__ == "__main__":
    main()
