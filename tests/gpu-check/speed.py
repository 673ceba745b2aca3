"""How fast, and in how much memory: a random Llama of a known shape, in bfloat16.

Tokens are those of the data, padding and everything computed once for many left out; seconds are those of the whole
process less those of one with a sample, so that starting and loading do not count. MFU is 2 (scoring) or 6 (training)
operations a parameter and token over what a plain product reached on the same card.
"""

import json
import threading
import time

import torch
from llama import write_safetensors
from program import DEMO, lines

SHAPES = {
    "8B": {"hidden": 4096, "intermediate": 14336, "layers": 32, "heads": 32, "groups": 8, "head_dim": 128},
    "1B": {"hidden": 2048, "intermediate": 8192, "layers": 16, "heads": 32, "groups": 8, "head_dim": 64},
    "tiny": {"hidden": 64, "intermediate": 128, "layers": 2, "heads": 4, "groups": 2, "head_dim": 16},
}


def make_model(shape, folder, device):
    """The demo's tokenizer and template around random weights of this shape."""
    folder.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json"):
        if (DEMO / "model" / name).exists():
            (folder / name).write_bytes((DEMO / "model" / name).read_bytes())
    of = SHAPES[shape]
    config = json.loads((DEMO / "model" / "config.json").read_text(encoding="utf-8"))
    config |= {
        "hidden_size": of["hidden"],
        "intermediate_size": of["intermediate"],
        "num_hidden_layers": of["layers"],
        "num_attention_heads": of["heads"],
        "num_key_value_heads": of["groups"],
        "head_dim": of["head_dim"],
        "vocab_size": 128256 if shape != "tiny" else config["vocab_size"],
        "max_position_embeddings": 8192,
        "tie_word_embeddings": False,
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    generator = torch.Generator(device).manual_seed(7)

    def make(name, size):
        if "norm" in name:
            return torch.ones(size)
        return torch.empty(size, dtype=torch.bfloat16, device=device).normal_(0, 0.02, generator=generator)

    sizes = sizes_of(config)
    write_safetensors(folder / "model.safetensors", sizes, torch.bfloat16, make)
    return sum(torch.Size(size).numel() for size in sizes.values())


def sizes_of(config):
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    queries = config["num_attention_heads"] * config["head_dim"]
    keys = config["num_key_value_heads"] * config["head_dim"]
    sizes = {"model.embed_tokens.weight": (config["vocab_size"], hidden)}
    for layer in range(config["num_hidden_layers"]):
        name = f"model.layers.{layer}."
        sizes |= {
            name + "input_layernorm.weight": (hidden,),
            name + "self_attn.q_proj.weight": (queries, hidden),
            name + "self_attn.k_proj.weight": (keys, hidden),
            name + "self_attn.v_proj.weight": (keys, hidden),
            name + "self_attn.o_proj.weight": (hidden, queries),
            name + "post_attention_layernorm.weight": (hidden,),
            name + "mlp.gate_proj.weight": (inner, hidden),
            name + "mlp.up_proj.weight": (inner, hidden),
            name + "mlp.down_proj.weight": (hidden, inner),
        }
    return sizes | {"model.norm.weight": (hidden,), "lm_head.weight": (config["vocab_size"], hidden)}


def peak_operations(device, size):
    """Operations a second of a plain bfloat16 product."""
    a = torch.randn(size, size, dtype=torch.bfloat16, device=device)
    repeats = 20 if device == "cuda" else 1
    (a @ a), wait(device)
    started = time.monotonic()
    for _ in range(repeats):
        a @ a
    wait(device)
    return 2 * size**3 * repeats / (time.monotonic() - started)


def long_rows(scratch, count, words):
    """Rows whose responses are some hundred tokens long, each another."""
    rows = json.loads((DEMO / "instructions.json").read_text(encoding="utf-8"))
    outputs = [row["output"] for row in rows]
    made = []
    for index in range(count):
        text = " ".join(outputs[(index * 31 + step * 7) % len(outputs)] for step in range(words // 8))
        made.append({"instruction": rows[index]["instruction"], "input": "", "output": text})
    path = scratch / f"long-{count}.json"
    path.write_text(json.dumps(made), encoding="utf-8")
    return path


def scoring(program, model, scratch, count, words, layout):
    """Tokens a second of `score --plugins ifd`."""
    shared = ["--plugins", "ifd", "--model", model]
    settings = ["model.dtype=bfloat16-pure"]

    def timed(rows):
        out = scratch / f"scored-{rows}.jsonl"
        data = long_rows(scratch, rows, words)
        arguments = ["score", *shared, "--data", data, "--out", out]
        return data, program.run(*arguments, settings=settings, environment={"ITERIT_LAYOUT": layout})[1]

    data, seconds = timed(count)
    _, start = timed(1)
    texts = scratch / "speed-texts.jsonl"
    program.run("check", *shared, "--ratio", 1, "--data", data, "--dump", texts, device="cpu")
    tokens = sum(
        len(row[which]["ids"]) for row in lines(texts) for which in ("conditional", "unconditional")
    )
    return {"tokens": tokens, "seconds": seconds, "seconds_to_start": start, "tokens_per_second": tokens / (seconds - start)}


def training(program, model, scratch, count, words, layout):
    """Tokens a second of steps after the first, and the most memory that was in use meanwhile. Ends before the
    checkpoint at an epoch's end, which is a matter of the disk."""
    out, data = scratch / f"speed-run-{layout}", long_rows(scratch, count, words)
    batch = max(count // (STEPS + 1), 1)
    settings = [
        "model.dtype=bfloat16-pure",
        "train.epochs=1",
        f"train.batch={batch}",
        "train.activation_checkpointing=true",
    ]
    arguments = ["--plugins", "full", "--ratio", 1, "--model", model, "--data", data]
    texts = ["--dump", scratch / "trained-texts.jsonl"]
    told = json.loads(program.run("check", "--json", *texts, *arguments, settings=settings)[0])["memory"]

    with MostMemory() as memory:
        environment = {"ITERIT_LAYOUT": layout}
        is_enough = lambda: len(steps_of(out)) >= STEPS
        program.run_until(is_enough, *arguments, "--out", out, settings=settings, environment=environment)
    rates = [step["tokens_per_second"] for step in steps_of(out)[1:] if step.get("tokens_per_second")]
    return {
        "steps": len(rates),
        "samples_a_step": batch,
        "tokens_per_second": sum(rates) / max(len(rates), 1),
        "peak_bytes": memory.most,
        "told_bytes": told["peak"],
        "off": memory.most and told["peak"] / memory.most - 1,
    }


# Trained steps, the first of which does not count.
STEPS = 4


# Kinds of training whose memory is told before they begin.
TRAINED = {
    "bfloat16-pure": ["model.dtype=bfloat16-pure"],
    "bfloat16-pure, activations computed again": ["model.dtype=bfloat16-pure", "train.activation_checkpointing=true"],
    "bfloat16, activations computed again": ["model.dtype=bfloat16", "train.activation_checkpointing=true"],
    "bfloat16-pure, moments in 8 bits": ["model.dtype=bfloat16-pure", "train.adam_moments=8-bit"],
    "adapters of rank 16": ["model.dtype=bfloat16", "train.lora.rank=16"],
    "adapters of rank 16 over nf4": ["model.dtype=bfloat16", "train.lora.rank=16", "model.base=nf4"],
}


def memory(program, model, scratch, count, words):
    """The most of the card's memory that three steps take, beside what is told before."""
    data = long_rows(scratch, count, words)
    found = {}
    for kind, settings in TRAINED.items():
        settings = [*settings, "train.epochs=1", f"train.batch={max(count // 8, 1)}"]
        arguments = ["--plugins", "full", "--ratio", 1, "--model", model, "--data", data]
        told = json.loads(program.run("check", "--json", *arguments, settings=settings)[0])["memory"]["peak"]
        out = scratch / f"memory-{len(found)}"
        with MostMemory() as memory:
            program.run_until(lambda: len(steps_of(out)) >= 3, *arguments, "--out", out, settings=settings)
        found[kind] = {
            "told_bytes": told,
            "peak_bytes": memory.most,
            "off": memory.most and told / memory.most - 1,
            "tokens_per_second": steps_of(out)[-1]["tokens_per_second"],
        }
    return found


def steps_of(run):
    """What is recorded of each step of a run that goes on."""
    metrics = run / "metrics.jsonl"
    # The last line may be half written.
    text = metrics.read_text(encoding="utf-8") if metrics.exists() else ""
    return [json.loads(line) for line in text.split("\n")[:-1]]


class MostMemory:
    """The most bytes of the card that are taken while it is open, beside those taken before; None without a card."""

    def __enter__(self):
        self.most, self.done = None, threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()

    def watch(self):
        if not torch.cuda.is_available():
            return
        self.most, (before, _) = 0, torch.cuda.mem_get_info()
        while not self.done.wait(0.05):
            self.most = max(self.most, before - torch.cuda.mem_get_info()[0])


def transformers_scoring(model, scratch, device):
    """Tokens a second of a plain loop over the same texts, eight at a time, model in memory; None without it."""
    try:
        from transformers import LlamaForCausalLM
    except ImportError:
        return None
    torch.backends.cuda.enable_cudnn_sdp(False)
    theirs = LlamaForCausalLM.from_pretrained(model, dtype=torch.bfloat16).to(device).eval()
    rows = lines(scratch / "speed-texts.jsonl")
    texts = [row[which]["ids"] for row in rows for which in ("conditional", "unconditional")]
    texts.sort(key=len)
    started = time.monotonic()
    with torch.inference_mode():
        for start in range(0, len(texts), 8):
            some = texts[start : start + 8]
            ids, _ = padded(some, device)
            logits = theirs(input_ids=ids).logits[:, :-1].float()
            torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten()).item()
    return sum(map(len, texts)) / (time.monotonic() - started)


def transformers_training(model, scratch, device, count, words):
    """Tokens a second of a plain loop over the same rows: bfloat16, torch's fused AdamW, activations computed again,
    eight sequences at a time by length; None without transformers."""
    try:
        from transformers import LlamaForCausalLM
    except ImportError:
        return None
    theirs = LlamaForCausalLM.from_pretrained(model, dtype=torch.bfloat16).to(device).train()
    theirs.gradient_checkpointing_enable()
    optimizer = torch.optim.AdamW(theirs.parameters(), lr=1e-5, fused=device == "cuda")
    texts = sorted((row["training"]["ids"] for row in lines(scratch / "trained-texts.jsonl")), key=len)
    batch = max(count // (STEPS + 1), 1)
    rates = []
    for first in range(0, 3 * batch, batch):
        some = texts[first : first + batch]
        wait(device)
        started = time.monotonic()
        for start in range(0, len(some), 8):
            ids, _ = padded(some[start : start + 8], device)
            logits = theirs(input_ids=ids).logits[:, :-1].float()
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
            loss.backward()
        torch.nn.utils.clip_grad_norm_(theirs.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        wait(device)
        rates.append(sum(map(len, some)) / (time.monotonic() - started))
    return sum(rates[1:]) / len(rates[1:])


def padded(texts, device):
    length = max(map(len, texts))
    return torch.tensor([it + [0] * (length - len(it)) for it in texts], device=device), length


def wait(device):
    if device == "cuda":
        torch.cuda.synchronize()
