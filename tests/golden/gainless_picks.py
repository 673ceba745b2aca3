"""How many greedy picks of texts in other scripts add nothing, by each analyzer, beside scikit-learn and ICU.

    python tests/golden/gainless_picks.py HOST [DECAY]        (packages: tests/golden/requirements.txt)

Of the responses of each script in scripts.json all are equally complex and a third are picked, by `select` with the
plugin diversity and by the plainest greedy over scikit-learn's matrix, whose words for `unicode` are ICU's
(icu_words.json). With a decay of 0 a pick adds nothing where it has no n-gram that is new. Prints the tables in
host/BENCHMARKS.md. HOST finds its plugins by ITERIT_PLUGIN_PATH.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

HERE = Path(__file__).parent
BUDGET = 100
# No end of a text is told apart, so that only the responses are.
COMMON = ["--plugins", "diversity", "--budget", str(BUDGET), "--set", "data.eos_text= ", "--set", "selection.ties=input"]


def main():
    host, decay = sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 0.1
    scripts = json.loads((HERE / "scripts.json").read_text(encoding="utf-8"))
    icu = json.loads((HERE / "icu_words.json").read_text(encoding="utf-8"))
    print("| responses | distinct | `word` | scikit-learn | `char_wb` | scikit-learn | `unicode` | ICU | picks in common |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |")
    for script, of_script in scripts.items():
        texts = of_script["texts"]
        words = [text.split("|") if text else [] for text in icu["words"][script]]
        cells, common = [script, len(set(texts))], []
        for analyzer, theirs in [
            ("word", matrix(texts, analyzer="word", ngram_range=(1, 3))),
            ("char_wb", matrix(texts, analyzer="char_wb", ngram_range=(1, 3))),
            ("unicode", matrix(words, analyzer=n_grams)),
        ]:
            ours, gains = selected(host, texts, analyzer, decay)
            picks, expected = greedy(theirs, decay)
            cells += [gainless(gains), gainless(expected)]
            common.append(len(set(ours) & set(picks)))
        print("| " + " | ".join(map(str, cells)) + " | " + ", ".join(map(str, common)) + " |", flush=True)


def selected(host, texts, analyzer, decay):
    """What the program picks, and the gains it saw."""
    with tempfile.TemporaryDirectory() as scratch:
        data, scores, out = (Path(scratch) / name for name in ["rows.json", "scores.jsonl", "picks.json"])
        data.write_text(json.dumps([{"instruction": "a", "output": text} for text in texts]))
        lines = [json.dumps({"id": place, "score": 0.5, "eligible": True}) for place in range(len(texts))]
        scores.write_text("\n".join(lines))
        command = [host, "select", *COMMON, "--data", data, "--scores", scores, "--out", out]
        command += ["--set", f"plugins.diversity.analyzer={analyzer}", "--set", f"plugins.diversity.decay={decay}"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(done.stderr)
        picks = json.loads(out.read_text())
    return picks["selected"], picks["gains"]


def n_grams(words):
    return [" ".join(words[start : start + n]) for n in (1, 2, 3) for start in range(len(words) - n + 1)]


def matrix(texts, **options):
    """A row a text; nothing where no text has a word."""
    try:
        return TfidfVectorizer(**options).fit_transform(texts).toarray()
    except ValueError:
        return np.zeros((len(texts), 1))


def greedy(dense, decay):
    """Every row sum anew before every pick; the first of equals, but for rounding, wins."""
    is_open, picks, gains = np.ones(len(dense), bool), [], []
    for _ in range(BUDGET):
        gain = np.where(is_open, dense.sum(axis=1), -1.0)
        best = int(np.argmax(gain >= gain.max() * (1 - 1e-12)))
        picks.append(best)
        gains.append(gain[best])
        is_open[best] = False
        dense[:, dense[best] != 0] *= decay
    return picks, gains


def gainless(gains):
    return sum(gain == 0 for gain in gains)


if __name__ == "__main__":
    main()
