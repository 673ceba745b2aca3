"""A large instruction file, and how long `datasets` and a tokenizer take to load and encode it.

    python tests/golden/million_rows.py make ROWS FILE.jsonl
    python tests/golden/million_rows.py beside FILE.jsonl MODEL HOST

Rows are made of words drawn at random, as long as Alpaca's are. Python encodes one text a row, the conversation in
ChatML, on all cores; `check` encodes three (conversation, response alone, training text) and knows which tokens carry
loss. `beside` runs one after the other and prints wall time, processor time and the largest memory of one process; it
printed the figures in host/BENCHMARKS.md.
"""

import json
import os
import random
import subprocess
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

    encoded = rows.map(batch, batched=True, remove_columns=rows.column_names, num_proc=os.cpu_count())
    print(f"of that load {loaded - start:.0f} s, encode {time.monotonic() - loaded:.0f} s; {len(encoded)} rows", flush=True)


def beside(path, model, host):
    command = [host, "check", "--show", "0", "--device", "cpu", "--model", model, "--data", path, "--template", "chatml"]
    measure("iterit-host check", command)
    measure("datasets and tokenizer", [sys.executable, __file__, "encode", path, model])


def measure(name, command):
    start = time.monotonic()
    _, status, used = os.wait4(subprocess.Popen(command).pid, 0)
    wall, processor = time.monotonic() - start, used.ru_utime + used.ru_stime
    print(
        f"{name}: wall {wall:.0f} s, processor {processor:.0f} s, at most {used.ru_maxrss / 2**20:.2f} GiB in a process"
        f"; exit {os.waitstatus_to_exitcode(status)}",
        flush=True,
    )


if __name__ == "__main__":
    {"make": make, "encode": encode, "beside": beside}[sys.argv[1]](*sys.argv[2:])
