"""The smallest scorer: the more words in the response, the better.

Every line on stdin asks for the scores of some samples; every line on stdout answers one.
"""

import json
import sys

for line in sys.stdin:
    samples = json.loads(line)["samples"]
    scores = [len(sample["response"].split()) for sample in samples]
    print(json.dumps({"scores": scores}), flush=True)
