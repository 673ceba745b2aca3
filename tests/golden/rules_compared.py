"""What the rules of data.texts = "template" do otherwise than those of "published", on real data.

    python tests/golden/rules_compared.py HOST MODEL TEMPLATE [TEMPLATE …] -- DATA [DATA …]

For the first 1,000 rows of each data file (JSON) and each template, counts samples: those that have a response alone
at all, those whose text or scored tokens differ, those with an IFD, and those whose IFD differs. HOST finds its plugins
by ITERIT_PLUGIN_PATH. The table in host/BENCHMARKS.md was printed by this.
"""

import collections
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROWS = 1000
RULES = ("published", "template")


def main():
    arguments = sys.argv[1:]
    split = arguments.index("--")
    host, model, *templates = arguments[:split]
    print("| data | template | alone | training text | its tokens | conversation | its tokens | IFD | another IFD | < 1 |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for data in map(Path, arguments[split + 1 :]):
        for template in map(Path, templates):
            with tempfile.TemporaryDirectory() as scratch:
                before, after = (run(host, model, template, data, rules, Path(scratch)) for rules in RULES)
            print(row(data, template, before, after), flush=True)


def run(host, model, template, data, rules, scratch):
    """Texts and scores under one set of rules."""
    rows = scratch / "rows.json"
    rows.write_text(json.dumps(json.loads(data.read_text(encoding="utf-8"))[:ROWS]))
    common = ["--device", "cpu", "--model", model, "--data", rows, "--template", template]
    common += ["--set", f"data.texts={rules}"]
    dump, scores = scratch / "dump.jsonl", scratch / "scores.jsonl"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    checked = subprocess.run([host, "check", "--dump", dump, *common], **quiet)
    if checked.returncode != 0:
        # As where a template refuses the system turn that the published rules put before every row.
        assert "refused" in checked.stderr, checked.stderr
        return None
    told = [json.loads(line) for line in dump.read_text(encoding="utf-8").splitlines()]
    scored = subprocess.run([host, "score", "--plugins", "ifd", "--out", scores, *common], **quiet)
    lines = [{} for _ in told]
    if scored.returncode == 0:
        lines = [json.loads(line) for line in scores.read_text(encoding="utf-8").splitlines()]
    return list(zip(told, lines))


def row(data, template, before, after):
    counts = collections.Counter()
    if before is None:
        alone, scored = (sum(f(*line) for line in after) for f in (has_alone, has_ifd))
        cells = [data.name.split(".")[0], template.stem, f"refused → {alone}", *["all"] * 4, f"refused → {scored}", "", ""]
        return "| " + " | ".join(cells) + " |"
    for (old, old_score), (new, new_score) in zip(before, after):
        counts["alone before"] += old["unconditional"] is not None
        counts["alone"] += new["unconditional"] is not None
        for kind in ("training", "conditional"):
            counts[kind] += old[kind]["text"] != new[kind]["text"]
            counts[kind, "tokens"] += scored_ids(old[kind]) != scored_ids(new[kind])
        scores = old_score.get("score"), new_score.get("score")
        counts["ifd before"] += scores[0] is not None
        counts["ifd"] += scores[1] is not None
        if None not in scores:
            counts["other"] += abs(scores[0] - scores[1]) > 1e-5 * abs(scores[1])
            counts["flips"] += (scores[0] < 1) != (scores[1] < 1)
    pair = lambda name: f"{counts[name + ' before']} → {counts[name]}"
    cells = [data.name.split(".")[0], template.stem, pair("alone")]
    cells += [counts[kind] for kind in ("training", ("training", "tokens"), "conditional", ("conditional", "tokens"))]
    cells += [pair("ifd"), counts["other"], counts["flips"]]
    return "| " + " | ".join(map(str, cells)) + " |"


def has_alone(told, _):
    return told["unconditional"] is not None


def has_ifd(_, score):
    return score.get("score") is not None


def scored_ids(text):
    return [token for start, end in text["scored"] for token in text["ids"][start:end]]


main()
