"""Tries iterit on this machine's GPU and writes everything that was found into one JSON file.

    python gpu_check.py [--shape 8B] [--out gpu-check.json]

Needs torch 2.11 (with a GPU, its CUDA build) and nothing else; with transformers it also says how many times as fast
the program is. `--shape tiny` is a rehearsal without a GPU: the program then runs on the device that
ITERIT_LIBTORCH_CUDA names, and Python on the CPU.
"""

import argparse
import json
import platform
import sys
import tempfile
import time
import traceback
from pathlib import Path

import correctness
import speed
import torch
from program import Program

# Rows and columns of the product, samples, words of a response.
SIZES = {"8B": (8192, 320, 400), "1B": (8192, 640, 400), "tiny": (64, 10, 40)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=SIZES, default="8B")
    parser.add_argument("--device", default="cuda", help="the program's; Python takes the GPU where there is one")
    parser.add_argument("--out", type=Path, default=Path("gpu-check.json"))
    parser.add_argument("--parts", nargs="+", help="these parts only; speed needs product and model beside it")
    chosen = parser.parse_args()
    if not torch.__version__.startswith("2.11"):
        sys.exit(f"error: this is torch {torch.__version__}, the program is made for 2.11")
    own = "cuda" if torch.cuda.is_available() else "cpu"
    found = {"machine": machine(own), "parts": {}}
    with tempfile.TemporaryDirectory(dir=chosen.out.resolve().parent) as scratch:
        for name, part in parts(Program(chosen.device), own, chosen.shape, Path(scratch)):
            if chosen.parts and name not in chosen.parts:
                continue
            found["parts"][name] = attempted(name, part)
            chosen.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    broken = [name for name, it in found["parts"].items() if "error" in it] + broken_bounds(found, "")
    found["broken"] = broken
    chosen.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(chosen.out)
    sys.exit(1 if broken else 0)


def parts(program, own, shape, scratch):
    size, count, words = SIZES[shape]
    model = scratch / "model"
    parameters = {}
    yield "doctor", lambda: program.run("doctor", device="none")[0].splitlines()
    yield "losses", lambda: correctness.check_losses(program, scratch)
    yield "gradients", lambda: correctness.check_gradients(program, scratch)
    yield "layouts", lambda: correctness.check_layouts(program, scratch)
    yield "loop", lambda: correctness.check_loop(program, scratch)
    yield "repeats", lambda: correctness.check_repeats(program, scratch)
    yield "attention", lambda: correctness.chosen_attention(own)
    yield "product", lambda: {"operations_per_second": parameters.setdefault("peak", speed.peak_operations(own, size))}
    yield "model", lambda: {"shape": shape, "parameters": parameters.setdefault("count", speed.make_model(shape, model, own))}

    def with_mfu(found, operations):
        found["mfu"] = operations * parameters["count"] * found["tokens_per_second"] / parameters["peak"]
        return found

    def compared(part, operations, theirs):
        found = {layout: with_mfu(part(layout), operations) for layout in correctness.LAYOUTS}
        try:
            theirs = theirs()
        except torch.OutOfMemoryError as error:
            # That there is no room for theirs is a finding, and no reason to lose ours.
            return found | {"transformers_error": str(error).splitlines()[0]}
        ours = found["flattened"]["tokens_per_second"]
        return found | {"transformers_tokens_per_second": theirs, "times_transformers": theirs and ours / theirs}

    yield "scoring", lambda: compared(
        lambda layout: speed.scoring(program, model, scratch, count, words, layout),
        2,
        lambda: speed.transformers_scoring(model, scratch, own),
    )
    if own == "cuda":
        data = lambda: speed.long_rows(scratch, count, words)
        yield "room", lambda: correctness.check_room(program, model, data(), scratch)
    yield "memory", lambda: speed.memory(program, model, scratch, count, words)
    yield "training", lambda: compared(
        lambda layout: speed.training(program, model, scratch, count, words, layout),
        6,
        lambda: speed.transformers_training(model, scratch, own, count, words),
    )


def machine(own):
    card = torch.cuda.get_device_properties(0) if own == "cuda" else None
    return {
        "card": card and card.name,
        "card_bytes": card and card.total_memory,
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "python": platform.python_version(),
        "processor": platform.processor() or platform.machine(),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def attempted(name, part):
    """What a part found, or why it could not; the others go on."""
    started = time.monotonic()
    try:
        found = {"found": part()}
    except Exception as error:  # noqa: BLE001 every failure is a finding
        traceback.print_exc()
        found = {"error": f"{type(error).__name__}: {error}"}
    # What Python held of the card is the program's again.
    torch.cuda.empty_cache()
    print(f"{name}: {json.dumps(found)}", file=sys.stderr)
    return found | {"seconds": round(time.monotonic() - started, 1)}


def broken_bounds(found, place):
    """Where a difference was larger than its bound."""
    if isinstance(found, dict):
        own = [place] if found.get("holds") is False else []
        return own + [it for key, value in found.items() for it in broken_bounds(value, f"{place}/{key}")]
    return [f"{place}"] if place.endswith("picks_equal_by_epoch") and not all(found) else []


if __name__ == "__main__":
    main()
