"""Makes dedup.json: texts that nearly repeat each other, and the greedy picks among them when a
near-duplicate of a pick gains nothing, by comparing the sets of words of all pairs.

    python tests/golden/dedup.py
"""

import json
import random
import re
from pathlib import Path

TEXTS, WORDS, VOCABULARY, PICKS = 90, 30, 120, 60
CASES = [(0.8, 3), (0.5, 3), (0.9, 1), (1.0, 2)]


def shingles(text, length):
    words = re.findall(r"[^\W_]+", text.lower())
    if not words:
        return set()
    length = min(length, len(words))
    return {tuple(words[at : at + length]) for at in range(len(words) - length + 1)}


def jaccard(a, b):
    return len(a & b) / len(a | b) if a | b else 1.0


def picks(texts, scores, threshold, length):
    """The largest score × gain, the earliest of equal ones; gain 1 until a near-duplicate is picked."""
    sets = [shingles(text, length) for text in texts]
    is_new = [True] * len(texts)
    picked = []
    for _ in range(PICKS):
        left = [at for at in range(len(texts)) if at not in picked]
        best = max(left, key=lambda at: (scores[at] * is_new[at], -at))
        picked.append(best)
        for at, other in enumerate(sets):
            if jaccard(sets[best], other) >= threshold:
                is_new[at] = False
    return picked


def main():
    rng = random.Random(20241222)
    words = [f"word{number}" for number in range(VOCABULARY)]
    texts = []
    for number in range(TEXTS):
        # Two of three change an earlier text in a few places.
        text = rng.choices(words, k=WORDS) if number % 3 == 0 else list(rng.choice(texts))
        for _ in range(rng.randrange(4) if number % 3 else 0):
            text[rng.randrange(WORDS)] = rng.choice(words)
        texts.append(text)
    texts = [", ".join(text).capitalize() + "." for text in texts] + ["", "..."]
    scores = [round(rng.uniform(0.5, 1.0), 3) for _ in texts]
    cases = [
        {"threshold": threshold, "shingle": length, "picks": picks(texts, scores, threshold, length)}
        for threshold, length in CASES
    ]
    golden = {"texts": texts, "scores": scores, "cases": cases}
    path = Path(__file__).with_name("dedup.json")
    path.write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
