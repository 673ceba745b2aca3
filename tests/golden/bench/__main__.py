"""Times the program side by side with the Python that one writes first, and the best that one writes by hand.

    cargo xtask bench [--json FILE] [--large] [--shared 1 2 4] [--only ceilings scoring training picking whole]

Same machine, same threads, same samples, one after the other; of several repeats the fastest counts on each side.
Ours is the whole process from start to exit. Theirs is only the work: Python is up, everything is imported, texts are
tokens already, the model is in memory. What both compute is compared too.

The samples are Alpaca's where ITERIT_TEST_DATA has them, else made by tests/data/instructions.py.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent.parent / "data")]

import torch  # noqa: E402
from transformers.utils import logging  # noqa: E402

import ceilings  # noqa: E402
import llamas  # noqa: E402
import neighbours  # noqa: E402
import picking  # noqa: E402
import scoring  # noqa: E402
import training  # noqa: E402
import whole  # noqa: E402
from table import Table  # noqa: E402

PARTS = ["ceilings", "scoring", "training", "picking", "whole"]


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("host", help="the iterit-host to time")
    arguments.add_argument("--json", type=Path, help="a file for all figures")
    arguments.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    arguments.add_argument("--repeats", type=int, default=3)
    arguments.add_argument("--samples", type=int, default=512, help="to score")
    arguments.add_argument("--trained", type=int, default=256, help="samples of a training, 32 a step")
    arguments.add_argument("--texts", type=int, default=20_000, help="to pick from")
    arguments.add_argument("--picks", type=int, default=1_000)
    arguments.add_argument("--run", type=int, default=5_000, help="samples of a whole run")
    arguments.add_argument("--large", action="store_true", help="a model of 100 million parameters too, fewer samples")
    arguments.add_argument("--shared", nargs="+", type=int, default=[], help="the same beside so many busy processes")
    chosen = arguments.parse_args()
    chosen.threads = int(os.environ["OMP_NUM_THREADS"])
    torch.set_num_threads(chosen.threads)
    logging.disable_progress_bar()

    rows, source = llamas.alpaca(max(chosen.texts, chosen.samples, chosen.run))
    table = Table(chosen, source)
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        shapes = ["4M", "100M"] if chosen.large else ["4M"]
        peak = ceilings.measure(table) if "ceilings" in chosen.only else None
        for shape in shapes:
            model = llamas.random_llama(scratch / shape, shape)
            fewer = {"4M": 1, "100M": 16}[shape]
            if "scoring" in chosen.only:
                scoring.measure(table, chosen, model, rows[: max(1, chosen.samples // fewer)], peak)
            if "training" in chosen.only:
                # Of a single step of a large model, half would be memory that is touched for the first time.
                trained = chosen.trained // {"4M": 1, "100M": 2}[shape]
                training.measure(table, chosen, model, rows[: max(1, trained)], peak)
            if shape == "4M" and chosen.shared:
                neighbours.measure(table, chosen, model, rows)
        if "picking" in chosen.only:
            picking.measure(table, chosen, scratch, rows[: chosen.texts])
        if "whole" in chosen.only:
            model = llamas.random_llama(scratch / "0.7M", "0.7M")
            whole.measure(table, chosen, model, rows[: chosen.run])
    table.write(chosen.json)


if __name__ == "__main__":
    main()
