"""A large instruction file, and how long `datasets` and a tokenizer take to load and encode it.

    python tests/golden/million_rows.py make ROWS FILE.jsonl [SCORES.jsonl]
    python tests/golden/million_rows.py beside FILE.jsonl MODEL HOST
    python tests/golden/million_rows.py picks FILE.jsonl SCORES.jsonl BUDGET HOST

Rows are made of words drawn at random, as long as Alpaca's are. Python encodes one text a row, the conversation in
ChatML, on all cores; `check` encodes three (conversation, response alone, training text) and knows which tokens carry
loss. `beside` runs one after the other and prints wall time, processor time and the largest memory of one process;
`picks` does so for `select` by made-up scores. They printed the figures in host/BENCHMARKS.md.
"""

import json
import os
import random
import subprocess
import sys
import time

LETTERS = "etaoinshrdlu"
AT_ONCE = 50_000


def make(rows, path, scores=None):
    """A row a line; with `scores`, a made-up score for each beside them, three quarters of them below 1."""
    import numpy

    rng = random.Random(0)
    words = ["".join(rng.choices(LETTERS, k=rng.randint(2, 9))) for _ in range(30_000)]
    weights = numpy.cumsum([1 / rank for rank in range(1, len(words) + 1)])
    draw = numpy.random.default_rng(0)

    def texts(mean, count):
        lengths = numpy.maximum(1, draw.exponential(mean, count).astype(int))
        drawn = numpy.searchsorted(weights, draw.random(lengths.sum()) * weights[-1]).tolist()
        ends = numpy.cumsum(lengths).tolist()
        return (" ".join([words[it] for it in drawn[start:end]]) for start, end in zip([0] + ends, ends))

    with open(path, "w", encoding="ascii") as out, open(scores or os.devnull, "w", encoding="ascii") as scored:
        for start in range(0, int(rows), AT_ONCE):
            count = min(AT_ONCE, int(rows) - start)
            inputs = iter(texts(8, count))
            has_input, values = (draw.random(count) < 0.4).tolist(), (draw.random(count) * 4 / 3).tolist()
            for place, (instruction, output) in enumerate(zip(texts(11, count), texts(44, count))):
                row_input = next(inputs) if has_input[place] else ""
                out.write(f'{{"instruction": "{instruction}", "input": "{row_input}", "output": "{output}"}}\n')
                value = values[place]
                eligible = "true" if value < 1 else "false"
                scored.write(f'{{"id": {start + place}, "score": {value:.6f}, "eligible": {eligible}}}\n')


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


def picks(path, scores, budget, host):
    command = [host, "select", "--plugins", "diversity", "--data", path, "--scores", scores, "--budget", budget]
    measure("iterit-host select", command + ["--set", "data.eos_text=<|im_end|>"], stdout=subprocess.DEVNULL)


def measure(name, command, stdout=None):
    start = time.monotonic()
    _, status, used = os.wait4(subprocess.Popen(command, stdout=stdout).pid, 0)
    wall, processor = time.monotonic() - start, used.ru_utime + used.ru_stime
    print(
        f"{name}: wall {wall:.0f} s, processor {processor:.0f} s, at most {used.ru_maxrss / 2**20:.2f} GiB in a process"
        f"; exit {os.waitstatus_to_exitcode(status)}",
        flush=True,
    )


if __name__ == "__main__":
    {"make": make, "encode": encode, "beside": beside, "picks": picks}[sys.argv[1]](*sys.argv[2:])
