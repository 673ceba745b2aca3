"""Checks that PEFT loads the adapters the host trains, and that each computes with the other's as that one does.

    python tests/golden/adapted.py HOST NEXT_LOGITS        (`cargo xtask oracle` runs it)

Of each model: an adapter is trained by the host, loaded by PEFT beside the same base, and both are asked for mean
losses and for the logits behind a text; then the host's merged export is loaded by transformers; then an adapter
that PEFT has drawn is asked by both. First, the host's list of architectures whose feed-forwards PEFT takes for
experts is compared with PEFT's own.
"""

import json
import re
import sys
import tempfile
from pathlib import Path

import architectures
import config_fields
import exported
import ifd
import numpy as np
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.utils.transformers_weight_conversion import _MOE_FUSED_TARGETS
from transformers import AutoConfig
from transformers.conversion_mapping import _MODEL_TO_CONVERSION_PATTERN

HERE = Path(__file__).parent
DEMO = HERE.parent / "data/demo"

# Fused projections, matrices on their side, a text model within one that sees; the others are alike.
MODELS = ["models/llama-tied", "architectures/phi3", "architectures/gpt2", "architectures/gemma3-wrapped"]
# Experts, those first whose names PEFT takes for the layers beside them.
WITH_EXPERTS = ["deepseek-v2", "deepseek-v3", "dots1", "ernie4_5-moe", "glm4-moe", "olmoe", "qwen3-moe", "qwen3-next",
                "granitemoe", "mixtral", "qwen2-moe", "qwen3.5-moe"]
MODELS += [f"architectures/{name}" for name in WITH_EXPERTS]
TOLERANCE = 1e-4


def main():
    host, next_logits = (Path(path).resolve() for path in sys.argv[1:])
    rows = json.loads((DEMO / "instructions.json").read_text(encoding="utf-8"))[:40]
    check_taken_for_experts()
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch) / "rows.json"
        data.write_text(json.dumps(rows))
        for name in MODELS:
            model = HERE / name
            if name.startswith("architectures"):
                model = exported.whole(model, Path(scratch))
            check(host, next_logits, model, data, rows, Path(scratch) / model.name)


def check_taken_for_experts():
    """That the host leaves out the layers of these architectures and no others."""
    source = (HERE.parents[1] / "host/torch/src/lora/experts.rs").read_text()
    listed = re.findall(r'"(\w+)"', re.search(r"MODEL_TYPES.*?];", source, re.DOTALL)[0])
    taken = [name for name in config_fields.MODEL_TYPES
             if _MODEL_TO_CONVERSION_PATTERN.get(name) in _MOE_FUSED_TARGETS]
    assert listed == sorted(taken), f"PEFT takes layers for experts in {sorted(taken)}, the host has {listed}"


def check(host, next_logits, model, data, rows, out):
    exported.run(host, "--plugins", "random", "--model", model, "--data", data, "--out", out, "--ratio", "0.2",
                 "--device", "cpu", "--set", "train.epochs=2", "--set", "train.learning_rate=1e-2",
                 "--set", "train.batch=4", "--set", "train.lora.rank=4", "--set", "train.lora.rslora=true")
    adapted = PeftModel.from_pretrained(base(model), out / "model").eval()
    layers = sum("lora_A" in name for name, _ in adapted.named_parameters())
    ours = agree(host, next_logits, model, data, rows, out / "model", adapted)

    merged = out / "merged"
    exported.run(host, "export", out, "--merge", "--out", merged)
    tokens = tokens_of(model, rows)
    worst = differs(base(merged), adapted, tokens)
    assert worst < TOLERANCE, f"{model.name}: merged, a logit differs by {worst:.1e}"

    torch.manual_seed(5)
    config = LoraConfig(r=3, lora_alpha=5, target_modules=targets(model), task_type="CAUSAL_LM")
    drawn = get_peft_model(base(model), config)
    with torch.no_grad():
        for name, parameter in drawn.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.2)
    drawn.save_pretrained(out / "drawn")
    theirs = agree(host, next_logits, model, data, rows, out / "drawn", drawn.eval())
    print(f"{model.name}: {layers} layers; losses and logits agree to {max(ours):.1e}, merged to {worst:.1e}, "
          f"PEFT's own to {max(theirs):.1e}", file=sys.stderr)


def base(model):
    auto = architectures.auto(AutoConfig.from_pretrained(model))
    return auto.from_pretrained(model, dtype=torch.float32, attn_implementation="eager").eval()


def targets(model):
    """Of text alone: a regular expression reaches what names within a model that sees cannot. Of a model with experts
    attention, since by "all-linear" PEFT adapts the stacked experts too."""
    if model.name in WITH_EXPERTS:
        return ["q_proj", "q_b_proj", "o_proj"]
    if hasattr(AutoConfig.from_pretrained(model), "vision_config"):
        return r".*language_model.*\.(q_proj|up_proj)"
    return "all-linear"


def agree(host, next_logits, model, data, rows, adapter, adapted):
    scores = adapter.parent / f"{adapter.name}.jsonl"
    exported.run(host, "score", "--model", model, "--data", data, "--plugins", "ifd", "--out", scores,
                 "--device", "cpu", "--set", f"model.adapter={adapter}")
    tokenizer, losses = ifd.tokenizer_of(model), 0.0
    for line, row in zip(scores.read_text().splitlines(), rows, strict=True):
        found, expected = json.loads(line)["parts"]["ifd"], ifd.scores(tokenizer, adapted, row)
        assert found["tokens"] == expected["tokens"], f"{model.name}: {found}, expected {expected}"
        for name in ["conditional_nll", "unconditional_nll"]:
            losses = max(losses, abs(found[name] - expected[name]))
    tokens = tokens_of(model, rows)
    asked = "\n".join(json.dumps(tokens[:length]) for length in (1, 5, 21, 60))
    answered = exported.run(next_logits, model, adapter, input=asked).splitlines()
    logits = 0.0
    for length, line in zip((1, 5, 21, 60), answered, strict=True):
        expected = last_logits(adapted, tokens[:length])
        logits = max(logits, np.abs(np.array(json.loads(line)) - expected).max())
    assert 0 < losses < TOLERANCE, f"{model.name}, {adapter.name}: a mean loss differs by {losses:.1e}"
    assert 0 < logits < TOLERANCE, f"{model.name}, {adapter.name}: a logit differs by {logits:.1e}"
    return losses, logits


def differs(one, other, tokens):
    return np.abs(last_logits(one, tokens[:60]) - last_logits(other, tokens[:60])).max()


@torch.no_grad()
def last_logits(model, tokens):
    return model(input_ids=torch.tensor([tokens])).logits[0, -1].numpy()


def tokens_of(model, rows):
    tokenizer = ifd.tokenizer_of(model)
    return [id for row in rows[:4] for id in tokenizer(row["output"], add_special_tokens=False)["input_ids"]]


if __name__ == "__main__":
    main()
