"""What iterit has for those who stay in Python: scorers, observers, and runs as data frames.

Nothing trains here; the trainer is the program ``iterit-host``.
"""

from iterit._scorer import Sample, Score, Scorer, Turn, scorer

__all__ = ["Sample", "Score", "Scorer", "Turn", "scorer"]
