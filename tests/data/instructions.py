"""The demo's data set: tasks of tasks.py, and what was planted among them on purpose.

Each row says in `kind` what it is: `task` (an honest one), `easy` (a trifle), `duplicate` (a row
once more), `near-duplicate` (a row once more, with a word or a mark changed), `mismatched`
(another row's response) or `scrambled` (its own response, words shuffled).
"""

import random

import tasks

Row = dict[str, str]

COUNTS = {"task": 1220, "easy": 240, "duplicate": 120, "near-duplicate": 180, "mismatched": 160, "scrambled": 80}


def rows(seed: int = 2412) -> list[Row]:
    """The whole set, mixed; the same on every machine."""
    rng = random.Random(seed)
    honest = [honest_row(rng) for _ in range(COUNTS["task"])]
    planted = [
        *(row("easy", *tasks.easy(rng)) for _ in range(COUNTS["easy"])),
        *({**rng.choice(honest), "kind": "duplicate"} for _ in range(COUNTS["duplicate"])),
        *(near_duplicate(rng, rng.choice(honest)) for _ in range(COUNTS["near-duplicate"])),
        *mismatched(rng),
        *(scrambled(rng, honest_row(rng)) for _ in range(COUNTS["scrambled"])),
    ]
    mixed = honest + planted
    rng.shuffle(mixed)
    return mixed


def honest_row(rng: random.Random) -> Row:
    return row("task", *rng.choice(tasks.FAMILIES)(rng))


def row(kind: str, instruction: str, input_text: str, output: str) -> Row:
    return {"instruction": instruction, "input": input_text, "output": output, "kind": kind}


def near_duplicate(rng: random.Random, original: Row) -> Row:
    """The same task in a hardly different wording, with the same response."""
    start, rest = original["instruction"][0], original["instruction"][1:]
    lowered = start.lower() + rest
    instruction = rng.choice([
        f"Please {lowered}" if not lowered.endswith("?") else f"Tell me: {lowered}",
        original["instruction"].rstrip(".?") + ", please" + original["instruction"][-1],
        f"{original['instruction']} Thank you.",
    ])
    return {**original, "instruction": instruction, "kind": "near-duplicate"}


def mismatched(rng: random.Random) -> list[Row]:
    """Rows that answer each other's questions: every response moves on by one."""
    asked = [honest_row(rng) for _ in range(COUNTS["mismatched"])]
    outputs = [it["output"] for it in asked]
    moved = outputs[1:] + outputs[:1]
    return [{**it, "output": output, "kind": "mismatched"} for it, output in zip(asked, moved)]


def scrambled(rng: random.Random, original: Row) -> Row:
    words = original["output"].split()
    rng.shuffle(words)
    return {**original, "output": " ".join(words), "kind": "scrambled"}
