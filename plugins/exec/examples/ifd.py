"""IFD in Python, for `exec-loss`, which adds the model's losses to every sample.

A score may be a number, null where there is none, or an object with more to say.
"""

import json
import math
import sys


def score(sample):
    if sample["tokens"] == 0:
        return None
    ifd = math.exp(sample["conditional_nll"] - sample["unconditional_nll"])
    return {"id": sample["id"], "score": ifd, "eligible": ifd < 1, "parts": {"tokens": sample["tokens"]}}


for line in sys.stdin:
    samples = json.loads(line)["samples"]
    print(json.dumps({"scores": [score(sample) for sample in samples]}), flush=True)
