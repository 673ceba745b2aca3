"""A large instruction file, and how long `datasets` and a tokenizer take to load and encode it.

    python tests/golden/million_rows.py make ROWS FILE.jsonl
    python tests/golden/million_rows.py encode FILE.jsonl MODEL        seconds and peak memory of Python
    /usr/bin/time -v iterit-host check --show 0 --model MODEL --data FILE.jsonl --template chatml

Rows are made of words drawn at random, as long as Alpaca's are. Python encodes one text a row, the conversation in
ChatML, on all cores; `check` encodes three (conversation, response alone, training text) and knows which tokens carry
loss. The figures in host/BENCHMARKS.md come from these three commands.
"""

import json
import os
import random
import resource
import sys
import time

LETTERS = "etaoinshrdlu"


def make(rows, path):
    rng = random.Random(0)
    words = ["".join(rng.choices(LETTERS, k=rng.randint(2, 9))) for _ in range(30_000)]
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    text = lambda mean: " ".join(rng.choices(words, cum_weights=cumulated, k=max(1, int(rng.expovariate(1 / mean)))))
    cumulated = [sum_ for sum_ in running(weights)]
    with open(path, "w", encoding="utf-8") as out:
        for _ in range(int(rows)):
            row = {"instruction": text(11), "input": text(8) if rng.random() < 0.4 else "", "output": text(44)}
            out.write(json.dumps(row) + "\n")


def running(weights):
    total = 0.0
    for weight in weights:
        total += weight
        yield total


def encode(path, model):
    start = time.monotonic()
    import datasets
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    rows = datasets.load_dataset("json", data_files=path, split="train", cache_dir=path + ".cache")
    loaded = time.monotonic()

    def batch(rows):
        asked = (it + ("\nInput: " + more if more else "") for it, more in zip(rows["instruction"], rows["input"]))
        texts = [
            "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
            f"{question}<|im_end|>\n<|im_start|>assistant\n{answer}<|im_end|>\n"
            for question, answer in zip(asked, rows["output"])
        ]
        return {"input_ids": tokenizer(texts, truncation=True, max_length=512)["input_ids"]}

    rows.map(batch, batched=True, remove_columns=rows.column_names, num_proc=os.cpu_count())
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(f"load {loaded - start:.1f} s, encode {time.monotonic() - loaded:.1f} s, peak {peak / 2**20:.2f} GiB a process")


{"make": make, "encode": encode}[sys.argv[1]](*sys.argv[2:])
