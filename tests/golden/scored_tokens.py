"""Whether every token that holds a character of a response is scored, by the tokenizers package.

    python tests/golden/scored_tokens.py HOST DATA.json TEMPLATE MODEL [MODEL …]

Reads what `check --dump` says of each row of Alpaca's kind. A response is looked for from the end of its text, so one
that occurs again in what the template writes behind it is counted as wrong, though it is not. The table in
host/BENCHMARKS.md was printed by this. HOST finds its plugins by ITERIT_PLUGIN_PATH.
"""

import collections
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tokenizers import Tokenizer


def main():
    host, data, template, *models = sys.argv[1:]
    responses = [row["output"] for row in json.loads(Path(data).read_text(encoding="utf-8"))]
    for model in map(Path, models):
        with tempfile.TemporaryDirectory() as scratch:
            dump = Path(scratch) / "dump.jsonl"
            command = [host, "check", "--dump", dump, "--device", "cpu", "--model", model, "--data", data]
            subprocess.run([*command, "--template", template], capture_output=True, check=True)
            rows = [json.loads(line) for line in dump.read_text(encoding="utf-8").splitlines()]
        tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
        counts = collections.Counter(rows=len(rows), wrong=0, cut=0)
        for row, response in zip(rows, responses, strict=True):
            counts.update(verdicts(tokenizer, row["conditional"], response))
        print(f"{Path(template).stem}, {model.name}: {dict(counts)}", flush=True)


def verdicts(tokenizer, given, response):
    """What is to be counted of one row."""
    text, kept = given["text"], given["ids"]
    scored = [place for start, end in given["scored"] for place in range(start, end)]
    shown = response if response in text else response.strip()
    if not shown:
        return ["empty"] + ["wrong"] * bool(scored)
    encoding = tokenizer.encode(text, add_special_tokens=False)
    # The program puts a bos before a text that has none.
    ahead = int(encoding.ids[: len(kept)] != kept[: len(encoding.ids)])
    start = text.rfind(shown)
    holds = lambda offsets: offsets[1] > start and offsets[0] < start + len(shown)
    expected = [place + ahead for place, offsets in enumerate(encoding.offsets) if holds(offsets)]
    inside = [place for place in expected if place < len(kept)]
    is_cut = len(encoding.ids) + ahead > len(kept)
    is_other = not is_cut and tokenizer.encode(shown, add_special_tokens=False).ids != [kept[place] for place in expected]
    is_wrong = start < 0 or encoding.ids[: len(kept) - ahead] != kept[ahead:] or inside != scored[: len(inside)]
    return ["wrong"] * is_wrong + ["cut"] * is_cut + ["otherwise by itself"] * is_other


if __name__ == "__main__":
    main()
