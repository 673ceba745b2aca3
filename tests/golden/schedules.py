"""The learning rate of every step, by transformers' own schedulers.

Writes schedules.json beside itself: `decay` is the name that `lr_scheduler_type` has for it.
"""

import json
import pathlib

import torch
from transformers import get_scheduler

HERE = pathlib.Path(__file__).parent
# Steps in all and steps of warm-up, among them none, nearly all, and a single step.
LENGTHS = [(1, 0), (15, 1), (40, 0), (40, 10), (7, 6)]
BASE = 1e-3


def rates(decay, warmup, total, kwargs):
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=BASE)
    scheduler = get_scheduler(decay, optimizer, warmup, total, scheduler_specific_kwargs=kwargs)
    found = []
    for _ in range(total):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def golden(decay, warmup, total, least=0.0, decay_steps=0, fall="cosine", kwargs=None):
    return {
        "decay": decay,
        "base": BASE,
        "warmup_steps": warmup,
        "total_steps": total,
        "least": least,
        "decay_steps": decay_steps,
        "fall": fall,
        "rates": rates(decay, warmup, total, kwargs or {}),
    }


def main():
    goldens = []
    for total, warmup in LENGTHS:
        for decay in ["cosine", "linear", "constant_with_warmup"]:
            goldens.append(golden(decay, warmup, total))
        for kwargs in [{"min_lr_rate": 0.1}, {"min_lr": 2e-4}]:
            least = kwargs.get("min_lr_rate", kwargs.get("min_lr", 0) / BASE)
            goldens.append(golden("cosine_with_min_lr", warmup, total, least, kwargs=kwargs))
        for steps, fall, least in [(4, "linear", 0.0), (8, "cosine", 0.05), (30, "1-sqrt", 0.2)]:
            if steps <= total - warmup:
                kwargs = {"num_decay_steps": steps, "decay_type": fall, "min_lr_ratio": least}
                goldens.append(golden("warmup_stable_decay", warmup, total, least, steps, fall, kwargs))
    (HERE / "schedules.json").write_text(json.dumps(goldens, indent=1) + "\n")


if __name__ == "__main__":
    main()
