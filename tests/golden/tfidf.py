"""Makes tfidf.json, char_wb.json and picks.json: scikit-learn's TF-IDF of small texts of our own, of
words and of characters, and the greedy picks that its matrix leads to.

    python tests/golden/tfidf.py        (packages: tests/golden/requirements.txt)
"""

import json
import random
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

HERE = Path(__file__).parent

HARD_TEXTS = [
    "The river, the RIVER; the river-bank!",
    "a b c, d",
    "",
    "   \n\t ",
    "Größe STRASSE straße ẞẞ naïveté coöperate",
    "İİ Iı ıI ǅungla ﬁne ſecond K elvin Å ngström",
    "ΟΔΥΣΣΕΥΣ ΑΣ Σ ΣΣ ΑΣ. ΑΣΑ Α'Σ ΑΣ'Α",
    "x_1 _ __ _a 3.1415 1e-9 0x1F ½½ 2² ⅳⅳ Ⅻ ٣٤ ௧௨ 〇〇",
    "don't don’t rock-n-roll e.g. i.e. U.S.A",
    "e\u0301te\u0301 été nai\u0308f naïf a\u200db c\u00adde",
    "मराठी भाषा ภาษาไทย 한국어 조선말 日本語の文 中文，中文。",
    "𝒜𝒷𝒸 𝟙𝟚𝟛 𐐀𐐁 𞤀𞤁 ªº ⓐⓑ ①②",
    "ha ha ha ha ha ha ha ha ha ha",
    "one two one two one two three one two three",
    "line one\nline two\r\nline\u2028three\u0085four\u00a0five",
    "end_of_text <|end|> </s> snake_case camelCase a‿b",
    "x\x1cy\x1dz \x0b\x0c w\u3000v\u2009\u200au",
]


def tfidf(texts, analyzer="word"):
    vectorizer = TfidfVectorizer(ngram_range=(1, 3), analyzer=analyzer)
    return vectorizer, vectorizer.fit_transform(texts)


def matrix_golden(analyzer):
    vectorizer, matrix = tfidf(HARD_TEXTS, analyzer)
    rows = []
    for row in matrix:
        order = np.argsort(row.indices)
        rows.append([[int(c), float(w)] for c, w in zip(row.indices[order], row.data[order])])
    return {
        "texts": HARD_TEXTS,
        "terms": vectorizer.get_feature_names_out().tolist(),
        "idf": vectorizer.idf_.tolist(),
        "rows": rows,
        "row_sums": [float(np.sum(row.data)) for row in matrix],
    }


def made_up_texts(rng, count):
    """Texts over a Zipf-like vocabulary, some of them repeated, some of them empty."""
    syllables = ["ka", "lo", "mi", "né", "ru", "ŝa", "ti", "vo"]
    vocabulary = ["".join(rng.choices(syllables, k=rng.randint(1, 3))) for _ in range(300)]
    weights = [1 / (rank + 1) for rank in range(len(vocabulary))]
    texts = []
    for _ in range(count):
        kind = rng.random()
        if kind < 0.05 and texts:
            texts.append(rng.choice(texts))
        elif kind < 0.08:
            texts.append("")
        else:
            texts.append(" ".join(rng.choices(vocabulary, weights, k=rng.randint(1, 30))))
    return texts


def greedy(texts, scores, budget, decay):
    """The plainest form: every row sum anew before every pick, the first of equals wins."""
    _, matrix = tfidf(texts)
    dense, scores = matrix.toarray(), np.array(scores)
    open_rows = np.ones(len(texts), bool)
    picks, values = [], []
    for _ in range(budget):
        value = np.where(open_rows, scores * dense.sum(axis=1), -1.0)
        best = int(np.argmax(value))
        picks.append(best)
        values.append(float(value[best]))
        open_rows[best] = False
        dense[:, dense[best] != 0] *= decay
    return picks, values


def picks_golden():
    rng = random.Random(20241222)
    texts = made_up_texts(rng, 240)
    scores = [rng.randint(30, 99) / 100 for _ in texts]
    cases = []
    for decay in [0.1, 0.5, 1.0]:
        picks, values = greedy(texts, scores, 80, decay)
        cases.append({"decay": decay, "picks": picks, "values": values})
    return {"texts": texts, "scores": scores, "cases": cases}


def write(name, golden):
    text = json.dumps(golden, ensure_ascii=False, separators=(",", ":"))
    (HERE / name).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    write("tfidf.json", matrix_golden("word"))
    write("char_wb.json", matrix_golden("char_wb"))
    write("picks.json", picks_golden())
