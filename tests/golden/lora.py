"""Makes lora/: adapters trained by PEFT on the random checkpoints of models/ and architectures/.

    python tests/golden/lora.py        (packages: tests/golden/requirements.txt)

Of each case: `start/`, the adapter as it is before any step, and `trained/`, as it is after, both as PEFT saves
them; `expected.json` with the data, the loss and gradient norm of every step, and losses and logits afterwards.
All in float32, one sample at a time; where float64 would go another way the script stops. A case with a `base` has its frozen matrices in few bits: bitsandbytes'
arithmetic, written plainly in numpy.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

HERE = Path(__file__).parent

STEPS, LEARNING_RATE, WEIGHT_DECAY, MAX_NORM = 30, 1e-3, 0.1, 1.0

# Losses in float32 differ by less than this from those in float64: no step hangs on the last digits.
STEADY = 2e-5

# By name: the checkpoint, what LoraConfig is told, how the frozen matrices are kept.
CASES = {
    "all-linear": ("models/llama-untied", {"r": 3, "lora_alpha": 6, "target_modules": "all-linear"}, None),
    "fused": (
        "architectures/phi3",
        {
            "r": 4,
            "lora_alpha": 8,
            "use_rslora": True,
            "target_modules": ["qkv_proj", "down_proj"],
            "rank_pattern": {"layers.1.mlp.down_proj": 2},
            "alpha_pattern": {"down_proj": 3},
        },
        None,
    ),
    "tied": ("models/llama-tied", {"r": 2, "lora_alpha": 4, "target_modules": ["q_proj", "v_proj", "up_proj"]}, None),
    "int8": ("models/llama-untied", {"r": 2, "lora_alpha": 4, "target_modules": ["q_proj", "down_proj"]}, "int8"),
    "nf4": ("models/llama-untied", {"r": 2, "lora_alpha": 4, "target_modules": ["q_proj", "down_proj"]}, "nf4"),
}

# The 16 values of NormalFloat4 (Dettmers et al. 2023, https://arxiv.org/abs/2305.14314, appendix E).
NF4 = np.array(
    [
        -1.0,
        -0.6961928009986877,
        -0.5250730514526367,
        -0.39491748809814453,
        -0.28444138169288635,
        -0.18477343022823334,
        -0.09105003625154495,
        0.0,
        0.07958029955625534,
        0.16093020141124725,
        0.24611230194568634,
        0.33791524171829224,
        0.44070982933044434,
        0.5626170039176941,
        0.7229568362236023,
        1.0,
    ],
    dtype=np.float32,
)


def main():
    (HERE / "lora").mkdir(exist_ok=True)
    for number, (name, (checkpoint, options, base)) in enumerate(CASES.items()):
        write(HERE / "lora" / name, HERE / checkpoint, options, base, seed=100 + number)


def write(folder, checkpoint, options, base, seed):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    samples = data(np.random.default_rng(seed))
    model = adapted(checkpoint, options, base, seed)
    save(model, checkpoint, folder / "start")
    expected = {"checkpoint": checkpoint.relative_to(HERE).as_posix(), "base": base, **train(model, samples)}
    save(model, checkpoint, folder / "trained")
    wide = train(adapted(checkpoint, options, base, seed).double(), samples)
    worst = np.abs(np.array(expected["losses"]) - np.array(wide["losses"])).max()
    assert worst < STEADY, f"{folder.name}: in float64 a loss differs by {worst:.1e}"
    text = json.dumps(expected, separators=(",", ":"))
    (folder / "expected.json").write_text(text + "\n", encoding="utf-8")
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{folder.name}: losses {expected['losses'][0]:.4f} to {expected['losses'][-1]:.4f}, {size:,} bytes")
    assert size <= 100_000, f"{folder}: {size} bytes"


def adapted(checkpoint, options, base, seed):
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32, attn_implementation="eager")
    if base is not None:
        in_few_bits(model, {"int8": int8, "nf4": nf4}[base])
    model = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **options))
    fill(model, np.random.default_rng(seed + 1000))
    return model


def data(rng):
    """Samples of several lengths, each with the tokens that carry loss, and which of them a step takes."""
    samples = []
    for _ in range(12):
        length = int(rng.integers(12, 48))
        start = int(rng.integers(1, length - 4))
        samples.append({"tokens": rng.integers(5, 200, length).tolist(), "scored": [start, length]})
    return samples


@torch.no_grad()
def fill(model, rng):
    """B starts at zero, and then the first gradient of A is zero too; here both matter from the first step."""
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            drawn = rng.standard_normal(parameter.shape) / np.sqrt(parameter.shape[1])
            parameter.copy_(torch.from_numpy(drawn * (0.3 if "lora_B" in name else 1.0)).float())


def train(model, samples):
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    rng = np.random.default_rng(7)
    steps, losses, norms = [], [], []
    model.train()
    for _ in range(STEPS):
        step = rng.choice(len(samples), 3, replace=False).tolist()
        total = 0.0
        for index in step:
            loss = nll(model, samples[index]).mean() / len(step)
            loss.backward()
            total += loss.item()
        norms.append(torch.nn.utils.clip_grad_norm_(trained, MAX_NORM).item())
        optimizer.step()
        optimizer.zero_grad()
        steps.append(step)
        losses.append(total)
    model.eval()
    with torch.no_grad():
        after = [nll(model, sample).tolist() for sample in samples[:4]]
        logits = [model(torch.tensor([sample["tokens"]])).logits[0, -1].tolist() for sample in samples[:2]]
    return {
        "learning_rate": LEARNING_RATE,
        "weight_decay": WEIGHT_DECAY,
        "max_grad_norm": MAX_NORM,
        "samples": samples,
        "steps": steps,
        "losses": losses,
        "grad_norms": norms,
        "nll": after,
        "logits": logits,
    }


def nll(model, sample):
    tokens, (start, end) = torch.tensor(sample["tokens"]), sample["scored"]
    logits = model(tokens[None]).logits[0, start - 1 : end - 1]
    return torch.nn.functional.cross_entropy(logits, tokens[start:end], reduction="none")


def save(model, checkpoint, folder):
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    # A set in PEFT, and in no order that lasts; and where the base lies here says nothing elsewhere.
    config["target_modules"] = sorted(config["target_modules"])
    config["base_model_name_or_path"] = checkpoint.name
    path.write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")


@torch.no_grad()
def in_few_bits(model, rounded):
    """Every matrix of a linear layer but the head becomes what its few bits stand for."""
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and name != "lm_head":
            module.weight.copy_(torch.from_numpy(rounded(module.weight.numpy().copy())))


def int8(weight):
    """Each row by its largest size: q = round(127 w / m), which stands for q m / 127."""
    largest = np.abs(weight).max(axis=1, keepdims=True)
    codes = np.rint(weight * (np.float32(127) / largest)).astype(np.int8)
    return codes.astype(np.float32) * (largest * np.float32(1 / 127))


def nf4(weight):
    """Each block of 64 numbers, counted along the rows, by its largest size m: the nearest of 16 values to
    w / m, which stands for value * m."""
    flat = weight.reshape(-1)
    padded = np.zeros(-(-flat.size // 64) * 64, dtype=np.float32)
    padded[: flat.size] = flat
    blocks = padded.reshape(-1, 64)
    largest = np.abs(blocks).max(axis=1, keepdims=True)
    scaled = blocks * (np.float32(1) / np.where(largest == 0, np.float32(1), largest))
    codes = np.abs(scaled[:, :, None] - NF4).argmin(axis=2)
    return (NF4[codes] * largest).reshape(-1)[: flat.size].reshape(weight.shape)


if __name__ == "__main__":
    main()
