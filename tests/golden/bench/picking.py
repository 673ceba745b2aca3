"""Picks by score × diversity beside the definition in SciPy, and beside another package's greedy for another aim."""

import json

import numpy as np
import scipy.sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from table import fastest, run, say

DECAY = 0.1
# Similarities of all pairs lie in memory.
FACILITIES = 5_000


def measure(table, chosen, scratch, rows):
    rng = np.random.default_rng(0)
    scores = rng.uniform(0.3, 1.1, len(rows))
    ours, selected = fastest(chosen.repeats, lambda: select(chosen.host, scratch, rows, scores, chosen.picks))
    texts = [row["output"] + "<|end|>" for row in rows]
    for name, greedy in [("a matrix scaled at each pick", scaled_matrix), ("a matrix-vector product a pick", products)]:
        theirs, expected = fastest(1, lambda: greedy(texts, scores, chosen.picks))
        table.compare(f"{chosen.picks:,} of {len(rows):,}: {name}", theirs, ours, same=selected == expected)
        say(f"  the same samples in the same order: {'yes' if selected == expected else 'no'}")
    facilities(table, chosen, scratch, rows[:FACILITIES], scores[:FACILITIES])


def facilities(table, chosen, scratch, rows, scores):
    name = f"{chosen.picks // 4:,} of {len(rows):,}: facility location by apricot, other picks"
    try:
        from apricot import FacilityLocationSelection
    except ImportError as error:
        return table.not_measured(name, f"{error}")
    ours, _ = fastest(chosen.repeats, lambda: select(chosen.host, scratch, rows, scores, chosen.picks // 4))

    def theirs():
        matrix = TfidfVectorizer(ngram_range=(1, 3)).fit_transform([row["output"] for row in rows])
        likeness = (matrix @ matrix.T).toarray()
        FacilityLocationSelection(chosen.picks // 4, metric="precomputed", optimizer="lazy").fit(likeness)

    table.compare(name, fastest(1, theirs)[0], ours)


def select(host, scratch, rows, scores, budget):
    data, scored, out = scratch / "rows.json", scratch / "picks.jsonl", scratch / "selection.json"
    if not data.exists() or len(json.loads(data.read_text())) != len(rows):
        data.write_text(json.dumps(rows))
        lines = [json.dumps({"id": i, "score": s, "eligible": s < 1}) for i, s in enumerate(scores.tolist())]
        scored.write_text("\n".join(lines) + "\n")
    out.unlink(missing_ok=True)
    run(host, "select", "--data", data, "--scores", scored, "--plugins", "diversity", "--budget", budget, "--out", out,
        "--set", "data.eos_text=<|end|>", "--set", f"plugins.diversity.decay={DECAY}")
    return json.loads(out.read_text())["selected"]


def scaled_matrix(texts, scores, budget):
    """The definition, step by step: row sums, the best, its columns scaled."""
    ids = np.flatnonzero(scores < 1)
    matrix = TfidfVectorizer(ngram_range=(1, 3)).fit_transform([texts[i] for i in ids])
    value_of, picks = scores[ids].copy(), []
    for _ in range(budget):
        best = int(np.argmax(value_of * np.asarray(matrix.sum(axis=1)).ravel()))
        picks.append(int(ids[best]))
        value_of[best] = -1
        scale = np.ones(matrix.shape[1])
        scale[matrix[best].indices] = DECAY
        matrix = (matrix @ scipy.sparse.diags(scale)).tocsr()
    return picks


def products(texts, scores, budget):
    """The same with the columns' weights kept apart, so that a pick costs one product."""
    ids = np.flatnonzero(scores < 1)
    matrix = TfidfVectorizer(ngram_range=(1, 3)).fit_transform([texts[i] for i in ids])
    value_of, weights, picks = scores[ids].copy(), np.ones(matrix.shape[1]), []
    for _ in range(budget):
        best = int(np.argmax(value_of * (matrix @ weights)))
        picks.append(int(ids[best]))
        value_of[best] = -1
        weights[matrix[best].indices] *= DECAY
    return picks
