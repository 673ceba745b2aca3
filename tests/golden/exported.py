"""Checks that transformers loads what the host exports, and computes the host's own numbers with it.

    python tests/golden/exported.py HOST        (`cargo xtask oracle` runs it)

Every model of models/ and the demo's is trained for a few steps by the host and exported. Then
transformers scores some samples with the exported folder, and so does the host.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import ifd
import torch
from transformers import AutoModelForCausalLM, GenerationConfig

HERE = Path(__file__).parent
DEMO = HERE.parent / "data" / "demo"


def main():
    host = sys.argv[1]
    rows = json.loads((DEMO / "instructions.json").read_text(encoding="utf-8"))[:40]
    models = [DEMO / "model", *sorted(it for it in (HERE / "models").iterdir() if it.is_dir())]
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch) / "rows.json"
        data.write_text(json.dumps(rows))
        for model in models:
            check(host, model, data, rows, Path(scratch) / model.name)


def check(host, model, data, rows, out):
    run(host, "--plugins", "random", "--model", model, "--data", data, "--out", out, "--ratio", "0.2",
        "--device", "cpu", "--set", "train.epochs=1", "--set", "train.learning_rate=1e-2",
        "--set", "train.gradient_accumulation=4", "--set", "model.dtype=float32")
    exported = out / "model"
    scores = out.parent / f"{out.name}.jsonl"
    run(host, "score", "--model", exported, "--data", data, "--plugins", "ifd", "--out", scores, "--device", "cpu",
        "--set", "model.dtype=float32")

    tokenizer = ifd.tokenizer_of(exported)
    loaded, loading = AutoModelForCausalLM.from_pretrained(exported, dtype=torch.float32, output_loading_info=True)
    left = {key: value for key, value in loading.items() if value}
    assert not left, f"{model.name}: {left}"
    worst = 0.0
    for line, row in zip(scores.read_text().splitlines(), rows):
        found, expected = json.loads(line)["parts"]["ifd"], ifd.scores(tokenizer, loaded.eval(), row)
        assert found["tokens"] == expected["tokens"], f"{model.name}: {found}, expected {expected}"
        for name in ["conditional_nll", "unconditional_nll"]:
            worst = max(worst, abs(found[name] - expected[name]))
    assert 0 < worst < 1e-4, f"{model.name}: a mean loss differs by {worst:.1e}"
    stops = GenerationConfig.from_pretrained(exported).eos_token_id
    print(f"{model.name}: loads, mean losses agree to {worst:.1e}, stops at {stops}", file=sys.stderr)


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")


if __name__ == "__main__":
    main()
