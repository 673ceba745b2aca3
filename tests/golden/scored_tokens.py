"""Whether every token that holds a character of a response is scored, by the tokenizers package.

    python tests/golden/scored_tokens.py HOST DATA.json TEMPLATE MODEL [MODEL …]

Reads what `check --dump` says of each row of Alpaca's kind. Where a response stands is told by what all texts end in:
this is the end of a turn, and the response lies right before it, as it is or without the white space around it. Rows
whose response is not there count as wrong. The table in host/BENCHMARKS.md was printed by this. HOST finds its plugins
by ITERIT_PLUGIN_PATH.
"""

import collections
import json
import os
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
        end = common_end(row["conditional"]["text"] for row in rows)
        for row, response in zip(rows, responses, strict=True):
            counts.update(verdicts(tokenizer, row["conditional"], response, end))
        print(f"{Path(template).stem}, {model.name}: {dict(counts)}", flush=True)


def common_end(texts):
    """The longest end that all texts have."""
    return os.path.commonprefix([text[::-1] for text in texts])[::-1]


def verdicts(tokenizer, given, response, end):
    """What is to be counted of one row."""
    text, kept = given["text"], given["ids"]
    scored = [place for first, behind in given["scored"] for place in range(first, behind)]
    before_end = text.removesuffix(end)
    shown = response if before_end.endswith(response) else response.strip()
    if not shown:
        return ["empty"] + ["wrong"] * bool(scored)
    encoding = tokenizer.encode(text, add_special_tokens=False)
    # The program puts a bos before a text that has none.
    ahead = int(encoding.ids[: len(kept)] != kept[: len(encoding.ids)])
    start = len(before_end) - len(shown)
    holds = lambda offsets: offsets[1] > start and offsets[0] < start + len(shown)
    expected = [place + ahead for place, offsets in enumerate(encoding.offsets) if holds(offsets)]
    inside = [place for place in expected if place < len(kept)]
    is_cut = len(encoding.ids) + ahead > len(kept)
    is_other = not is_cut and tokenizer.encode(shown, add_special_tokens=False).ids != [kept[place] for place in expected]
    is_there = before_end.endswith(shown)
    # The end of a turn is scored too, behind the response; nothing before it is.
    is_scored = inside == scored[: len(inside)] and all(place > expected[-1] for place in scored[len(inside) :])
    is_wrong = not is_there or encoding.ids[: len(kept) - ahead] != kept[ahead:] or not is_scored
    return ["wrong"] * is_wrong + ["cut"] * is_cut + ["otherwise by itself"] * is_other


if __name__ == "__main__":
    main()
