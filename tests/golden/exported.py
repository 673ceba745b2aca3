"""Checks that transformers loads what the host exports, and computes the host's own numbers with it.

    python tests/golden/exported.py HOST NEXT_LOGITS        (`cargo xtask oracle` runs it)

Every model of models/ and architectures/ and the demo's is trained for a few steps by the host and exported. Then
transformers scores some samples with the exported folder, and so does the host; and the logits
behind some of their prefixes are compared, those of the host's models by the example `next_logits`.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import architectures
import ifd
import torch
from transformers import AutoConfig, GenerationConfig

HERE = Path(__file__).parent
DEMO = HERE.parent / "data" / "demo"


def main():
    host, next_logits = sys.argv[1:]
    rows = json.loads((DEMO / "instructions.json").read_text(encoding="utf-8"))[:40]
    models = [DEMO / "model", *sorted(it for it in (HERE / "models").iterdir() if it.is_dir())]
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch) / "rows.json"
        data.write_text(json.dumps(rows))
        models += [whole(folder, Path(scratch)) for folder in sorted(architectures.HERE.iterdir())]
        for model in models:
            exported, loaded = check(host, model, data, rows, Path(scratch) / model.name)
            check_logits(next_logits, exported, loaded, rows)


def whole(folder, scratch):
    """A checkpoint of architectures/ with the tokenizer it lacks."""
    model = scratch / "models" / folder.name
    model.mkdir(parents=True)
    for file in [folder / "config.json", folder / "model.safetensors", *(HERE / "models/llama-tied").glob("tokenizer*")]:
        shutil.copy(file, model)
    return model


def check(host, model, data, rows, out):
    run(host, "--plugins", "random", "--model", model, "--data", data, "--out", out, "--ratio", "0.2",
        "--device", "cpu", "--set", "train.epochs=1", "--set", "train.learning_rate=1e-2",
        "--set", "train.batch=4", "--set", "model.dtype=float32")
    exported = out / "model"
    scores = out.parent / f"{out.name}.jsonl"
    run(host, "score", "--model", exported, "--data", data, "--plugins", "ifd", "--out", scores, "--device", "cpu",
        "--set", "model.dtype=float32")

    tokenizer = ifd.tokenizer_of(exported)
    auto = architectures.auto(AutoConfig.from_pretrained(exported))
    # The other implementations of experts take no rows that are not a multiple of 16 bytes, which tiny ones are not.
    loaded, loading = auto.from_pretrained(
        exported, dtype=torch.float32, experts_implementation="eager", output_loading_info=True
    )
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
    return exported, loaded


@torch.no_grad()
def check_logits(next_logits, exported, loaded, rows):
    """The distribution over the next token behind every length of text."""
    tokenizer = ifd.tokenizer_of(exported)
    tokens = [id for row in rows[:4] for id in tokenizer(row["output"], add_special_tokens=False)["input_ids"]]
    prefixes = [tokens[:length] for length in (1, 2, 3, 5, 8, 13, 21, 34, 55, 89) if length <= len(tokens)]
    asked = "\n".join(map(json.dumps, prefixes))
    answered = run(next_logits, exported, input=asked).splitlines()
    worst = 0.0
    for prefix, line in zip(prefixes, answered, strict=True):
        expected = loaded(torch.tensor([prefix])).logits[0, -1]
        worst = max(worst, (torch.tensor(json.loads(line)) - expected).abs().max().item())
    assert 0 < worst < 1e-4, f"a logit differs by {worst:.1e}"
    print(f"  logits behind {len(prefixes)} texts agree to {worst:.1e}", file=sys.stderr)


def run(*command, input=None):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, input=input)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
