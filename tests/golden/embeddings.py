"""Makes embeddings.json: points, the greedy picks of k-center and facility location among them, and
their similarity to targets, all by the definitions in plain numpy.

    python tests/golden/embeddings.py        (packages: tests/golden/requirements.txt)
"""

import json
from pathlib import Path

import numpy as np

POINTS, DIMENSIONS, CLUSTERS, TARGETS, PICKS = 60, 20, 7, 4, 25


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def k_center_gain(points, picked, candidate):
    if not picked:
        return 2.0
    return min(np.linalg.norm(points[candidate] - points[pick]) for pick in picked)


def facility_location_gain(points, picked, candidate):
    def represented(chosen):
        similarity = np.maximum(0, points @ points[chosen].T)
        return similarity.max(axis=1, initial=0).sum()

    return represented(picked + [candidate]) - represented(picked)


def greedy(points, scores, gain):
    picked, values = [], []
    for _ in range(PICKS):
        value = [
            -1.0 if i in picked else scores[i] * gain(points, picked, i) for i in range(len(points))
        ]
        picked.append(int(np.argmax(value)))
        values.append(float(max(value)))
    return {"scores": scores, "picks": picked, "values": values}


def main():
    rng = np.random.default_rng(20241222)
    centers = rng.normal(size=(CLUSTERS, DIMENSIONS))
    raw = centers[rng.integers(CLUSTERS, size=POINTS)] + 0.5 * rng.normal(size=(POINTS, DIMENSIONS))
    raw = raw.round(3)
    raw[17] = raw[3]  # a duplicate
    targets = rng.normal(size=(TARGETS, DIMENSIONS)).round(3)
    scores = rng.uniform(0.5, 1.0, POINTS).round(3).tolist()
    points = unit(raw)
    similarity = (1 + points @ unit(targets).T) / 2
    golden = {
        "points": raw.tolist(),
        "targets": targets.tolist(),
        "k_center": greedy(points, scores, k_center_gain),
        "facility_location": greedy(points, scores, facility_location_gain),
        "rds": {"max": similarity.max(axis=1).tolist(), "mean": similarity.mean(axis=1).tolist()},
    }
    path = Path(__file__).with_name("embeddings.json")
    path.write_text(json.dumps(golden, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
