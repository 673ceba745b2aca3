"""The smallest scorer: the more words in the response, the better.

Every line on stdin asks for the scores of some samples; every line on stdout answers one. The ids
are checked, so that no score is taken for another sample's.
"""

import json
import sys

for line in sys.stdin:
    samples = json.loads(line)["samples"]
    ids = [sample["id"] for sample in samples]
    scores = [len(sample["response"].split()) for sample in samples]
    print(json.dumps({"ids": ids, "scores": scores}), flush=True)
