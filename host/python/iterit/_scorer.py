"""A function of samples becomes a scorer for the plugins ``exec`` and ``exec-loss``.

A scorer in full::

    from iterit import scorer

    @scorer
    def words(samples):
        return [len(sample.response.split()) for sample in samples]

    if __name__ == "__main__":
        words.serve()

and a run that it steers::

    iterit-host --plugins exec,diversity --set 'plugins.exec.command=["python", "words.py"]' …

The lines that go back and forth are protocol 2 of ``plugins/exec``.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from typing import Any, TextIO, Union

__all__ = ["Sample", "Score", "Scorer", "Turn", "scorer"]


@dataclass(frozen=True)
class Turn:
    """One turn of a conversation."""

    role: str
    content: str


@dataclass(frozen=True)
class Sample:
    """One sample, as the trainer shows it to plugins."""

    id: int
    """Its place in the data."""
    prompt: list[Turn]
    """The turns before the response."""
    response: str
    metadata: dict[str, Any] = field(default_factory=dict)
    """The row's other fields."""
    conditional_nll: float | None = None
    """The response's mean loss given its prompt, nats a token; with ``exec-loss`` alone."""
    unconditional_nll: float | None = None
    """The same without the prompt; with ``exec-loss`` alone."""
    tokens: int | None = None
    """The response's tokens; with ``exec-loss`` alone."""


@dataclass(frozen=True)
class Score:
    """A score with more to say than a number."""

    value: float | None
    """The larger, the more worth training on; 0 or more. None: the sample cannot be picked."""
    eligible: bool = True
    """Whether the sample may be picked."""
    parts: dict[str, float] = field(default_factory=dict)
    """Numbers the value was made from; they are kept in ``scores.jsonl``."""


AnyScore = Union[float, int, None, Score]
"""What a scorer may give for a sample."""


class Scorer:
    """A function of samples that can answer the trainer.

    >>> @scorer
    ... def length(samples):
    ...     return [len(sample.response) for sample in samples]
    >>> length([Sample(id=0, prompt=[], response="four")])
    [4]
    """

    def __init__(self, function: Callable[[Sequence[Sample]], Iterable[AnyScore]]) -> None:
        self._function = function
        self.__doc__ = function.__doc__
        self.__name__ = getattr(function, "__name__", "scorer")

    def __call__(self, samples: Sequence[Sample]) -> list[AnyScore]:
        """The scores of some samples, one each, in their order."""
        scores = list(self._function(samples))
        if len(scores) != len(samples):
            raise ValueError(
                f"`{self.__name__}` gave {len(scores)} scores for {len(samples)} samples, "
                "expected one each"
            )
        return scores

    def serve(self, questions: TextIO | None = None, answers: TextIO | None = None) -> None:
        """Answers the trainer until it asks no more.

        The trainer asks for at most ``plugins.exec.batch`` samples at a time. It shows its progress and
        hears a Ctrl-C between two questions, and ends this process where it is told to stop. What the
        function prints goes to stderr, which the trainer shows.
        """
        questions, answers = questions or sys.stdin, answers or sys.stdout
        with redirect_stdout(sys.stderr):
            for line in questions:
                print(self.answer(line), file=answers, flush=True)

    def answer(self, question: str) -> str:
        """The line that answers a line."""
        try:
            rows = json.loads(question)["samples"]
            scores = self([_sample(row) for row in rows])
            answer = {"ids": [row["id"] for row in rows], "scores": [_plain(it) for it in scores]}
            return json.dumps(answer, allow_nan=False)
        except Exception as error:
            traceback.print_exc()
            return json.dumps({"error": f"{type(error).__name__}: {error}"})


def scorer(function: Callable[[Sequence[Sample]], Iterable[AnyScore]]) -> Scorer:
    """Makes a scorer of a function that gives each of some samples a score: a number, None where there is
    none, or a :class:`Score`."""
    return Scorer(function)


def _sample(row: dict[str, Any]) -> Sample:
    prompt = [Turn(turn["role"], turn["content"]) for turn in row["prompt"]]
    losses = {key: row.get(key) for key in ("conditional_nll", "unconditional_nll", "tokens")}
    return Sample(row["id"], prompt, row["response"], row.get("metadata") or {}, **losses)


def _plain(score: AnyScore) -> Any:
    """As the protocol has it; numbers of numpy and torch too."""
    if isinstance(score, Score):
        parts = {name: float(value) for name, value in score.parts.items()}
        return {"score": _plain(score.value), "eligible": bool(score.eligible), "parts": parts}
    return None if score is None else float(score)
