"""Are the numbers of the GPU right? Against float64 on the CPU by the definition, and against a whole run by
transformers on the CPU whose results came along."""

import json
import math
import shutil

import torch
from llama import Llama
from program import DEMO, lines

# How far each precision may be from float64: means of losses a token in nats, relative norms of gradients.
# float32: what different orders of summation leave, with room. bfloat16 has 8 bits: losses may be twice as far
# away as those of the definition computed in bfloat16, step by step.
PRECISIONS = ("float32", "bfloat16", "bfloat16-pure")
LOSS_BOUND = 2e-5
TIMES_PLAIN = 2
GRADIENT_BOUND = {"float32": 2e-4, "bfloat16": 4e-2, "bfloat16-pure": 4e-2}
LOOP_BOUND = 1e-4
SAMPLES = 12


def check_losses(program, scratch):
    """Both losses of IFD, sample by sample."""
    data = first_rows(scratch, SAMPLES)
    texts = scratch / "texts.jsonl"
    shared = ["--model", DEMO / "model", "--data", data]
    program.run("check", "--plugins", "ifd", "--ratio", 1, "--dump", texts, *shared, device="cpu")
    expected, plain = (
        [
            llama.losses(row[which]["ids"], row[which]["scored"]).mean().item()
            for row in lines(texts)
            for which in WHICH
        ]
        for llama in (Llama(DEMO / "model"), Llama(DEMO / "model", torch.bfloat16))
    )
    of_bfloat16 = TIMES_PLAIN * max(abs(a - b) for a, b in zip(expected, plain, strict=True))
    found = {}
    for dtype in PRECISIONS:
        out = scratch / f"scores-{dtype}.jsonl"
        program.run("score", "--plugins", "ifd", "--out", out, *shared, settings=[f"model.dtype={dtype}"])
        ours = [line["parts"]["ifd"][f"{which}_nll"] for line in lines(out) for which in WHICH]
        off = max(abs(a - b) for a, b in zip(ours, expected, strict=True))
        found[dtype] = judged(off, LOSS_BOUND if dtype == "float32" else of_bfloat16)
    return found


WHICH = ("conditional", "unconditional")


def check_layouts(program, scratch):
    """Sequences one behind the other are answered as those padded beside one another are: scores, and a first step."""
    data = first_rows(scratch, SAMPLES)
    shared = ["--model", DEMO / "model", "--data", data]
    found = {}
    for dtype in PRECISIONS[1:]:
        losses, steps = [], []
        for layout in LAYOUTS:
            environment = {"ITERIT_LAYOUT": layout}
            out = scratch / f"layout-{layout}-{dtype}.jsonl"
            settings = [f"model.dtype={dtype}"]
            program.run("score", "--plugins", "ifd", "--out", out, *shared, settings=settings, environment=environment)
            losses.append([line["parts"]["ifd"][f"{which}_nll"] for line in lines(out) for which in WHICH])
            run = scratch / f"layout-{layout}-{dtype}"
            settings += ["train.epochs=1", f"train.batch={SAMPLES}"]
            arguments = ["--plugins", "full", "--ratio", 1, "--out", run]
            program.run(*arguments, *shared, settings=settings, environment=environment)
            steps.append(lines(run / "metrics.jsonl")[0])
        off = max(abs(a - b) for a, b in zip(*losses, strict=True))
        norms = abs(steps[0]["grad_norm"] / steps[1]["grad_norm"] - 1)
        found[dtype] = {"losses": judged(off, LAYOUT_BOUND), "gradient_norm": judged(norms, GRADIENT_BOUND[dtype])}
    return found


LAYOUTS = ("flattened", "padded")
# Two roundings of the same sums to eight bits, over a mean of some tokens.
LAYOUT_BOUND = 2e-2


def check_gradients(program, scratch):
    """The norm of the whole gradient before the first step, and the loss that it belongs to."""
    count = 4
    data, texts = first_rows(scratch, count), scratch / "trained.jsonl"
    shared = ["--model", DEMO / "model", "--data", data]
    program.run("check", "--plugins", "full", "--ratio", 1, "--dump", texts, *shared, device="cpu")
    llama = Llama(DEMO / "model")
    for weight in llama.weights.values():
        weight.requires_grad_()
    rows = [row["training"] for row in lines(texts)]
    loss = sum(llama.losses(row["ids"], row["scored"]).mean() for row in rows) / count
    loss.backward()
    norm = math.sqrt(sum(weight.grad.square().sum().item() for weight in llama.weights.values()))
    found = {}
    for dtype, bound in GRADIENT_BOUND.items():
        out = scratch / f"step-{dtype}"
        settings = [f"model.dtype={dtype}", "train.epochs=1", f"train.batch={count}"]
        program.run("--plugins", "full", "--ratio", 1, "--out", out, *shared, settings=settings)
        step = lines(out / "metrics.jsonl")[0]
        found[dtype] = {
            "loss": judged(abs(step["loss"] / loss.item() - 1), bound),
            "gradient_norm": judged(abs(step["grad_norm"] / norm - 1), bound),
        }
    return found


def check_loop(program, scratch):
    """Three epochs of scoring, picking and training, against transformers, torch and scikit-learn."""
    golden = json.loads((DEMO.parent / "loop.json").read_text(encoding="utf-8"))
    rows = json.loads((DEMO / "instructions.json").read_text(encoding="utf-8"))
    data = scratch / "loop-data.json"
    data.write_text(json.dumps([rows[index] for index in golden["rows"]]), encoding="utf-8")
    out = scratch / "loop"
    settings = ["model.dtype=float32", "train.batch=4", "train.learning_rate=1e-3"]
    arguments = ["--plugins", "ifd,diversity", "--ratio", 16, "--out", out]
    program.run(*arguments, "--model", DEMO / "model", "--data", data, settings=settings)
    expected = golden["default"]
    picks = [
        json.loads((out / f"epochs/{epoch}/selection.json").read_text(encoding="utf-8"))["selected"]
        for epoch in range(3)
    ]
    equal = [ours == theirs["selected_ids"] for ours, theirs in zip(picks, expected["epochs_log"], strict=True)]
    losses = [line for epoch in range(3) for line in lines(out / f"epochs/{epoch}/losses.jsonl")]
    # After other picks, samples cannot be held to each other.
    pairs = zip(losses, expected["micro_batches"], strict=True) if all(equal) else ()
    off = [abs(ours["loss"] / float(theirs["loss"]) - 1) for ours, theirs in pairs]
    return {"picks_equal_by_epoch": equal, "losses": judged(max(off, default=math.inf), LOOP_BOUND)}


def check_repeats(program, scratch):
    """A run ends in the same bytes when it is made again, and when it goes on from its second step."""
    data = first_rows(scratch, 48)
    found = {}
    for dtype in PRECISIONS:
        settings = [f"model.dtype={dtype}", "train.epochs=2", "train.batch=3", "train.learning_rate=1e-3"]
        settings += ["output.save_every=1", "output.keep=9"]
        runs = [scratch / f"{name}-{dtype}" for name in ("whole", "again", "resumed")]
        whole, again, resumed = runs
        arguments = ["--plugins", "ifd,diversity", "--ratio", 6, "--model", DEMO / "model", "--data", data]
        for run in (whole, again):
            program.run(*arguments, "--out", run, settings=settings)
        shutil.copytree(whole, resumed)
        # As if it had been killed after its second step.
        for left in ("checkpoints/step-3", "checkpoints/step-4", "model"):
            shutil.rmtree(resumed / left)
        program.run(*arguments, "--out", resumed, "--resume", settings=settings)
        weights = [(run / "model" / "model.safetensors").read_bytes() for run in runs]
        found[dtype] = {"again": equal(weights[1], weights[0]), "resumed": equal(weights[2], weights[0])}
    return found


def check_room(program, model, data, scratch):
    """With little of the card's memory left, scores are those that there are with all of it, and it is told."""
    wide, narrow = (scratch / f"scored-in-{room}-room.jsonl" for room in ("much", "little"))
    arguments = ["score", "--plugins", "ifd", "--model", model, "--data", data]
    settings = ["model.dtype=bfloat16-pure"]
    program.run(*arguments, "--out", wide, settings=settings)
    free, _ = torch.cuda.mem_get_info()
    weights = (model / "model.safetensors").stat().st_size
    held = torch.empty(free - weights - ROOM, dtype=torch.uint8, device="cuda")
    program.run(*arguments, "--out", narrow, settings=settings)
    del held
    ours, theirs = ([line["parts"]["ifd"] for line in lines(file)] for file in (narrow, wide))
    off = max(abs(a[f"{which}_nll"] - b[f"{which}_nll"]) for a, b in zip(ours, theirs, strict=True) for which in WHICH)
    told = [line for line in program.said.splitlines() if "tokens" in line and "at most" in line]
    return {"losses": judged(off, LAYOUT_BOUND), "told": told}


# Beside the weights.
ROOM = 2 << 30


def equal(a, b):
    return {"equal": a == b, "holds": a == b}


def chosen_attention(device):
    """Which attention libtorch chooses on this card for the inputs that the program has, cuDNN's switched off."""
    torch.backends.cuda.enable_cudnn_sdp(False)
    names = {0: "math", 1: "flash", 2: "efficient", 3: "cudnn"}
    cases = {
        "causal, grouped queries": (8, 64, 64, None),
        "causal": (32, 64, 64, None),
        "behind a shared prefix, or a window": (32, 64, 80, (64, 80)),
        "behind a shared prefix, grouped queries": (8, 64, 80, (64, 80)),
    }
    found = {}
    for dtype in (torch.bfloat16, torch.float32):
        for case, (groups, length, seen, mask) in cases.items():
            zeros = lambda *size: torch.zeros(*size, dtype=dtype, device=device)
            keys = zeros(2, groups, seen, 128)
            choice = torch._fused_sdp_choice(
                zeros(2, 32, length, 128),
                keys,
                keys,
                attn_mask=None if mask is None else zeros(1, 1, *mask),
                is_causal=mask is None,
                enable_gqa=groups != 32,
            )
            found[f"{str(dtype).removeprefix('torch.')}, {case}"] = names.get(choice, choice)
    return found


def first_rows(scratch, count):
    rows = json.loads((DEMO / "instructions.json").read_text(encoding="utf-8"))[:count]
    path = scratch / f"first-{count}.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def judged(off, bound):
    return {"largest_difference": off, "bound": bound, "holds": off <= bound}
