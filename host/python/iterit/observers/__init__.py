"""Programs that hear of a run, for ``output.observers``.

The trainer writes a line of JSON to their stdin for everything it records; ``configs/README.md`` has the
lines. A logger is a class with three methods, and :func:`follow` is its main loop::

    from iterit.observers import Beginning, follow

    class Printer:
        def begin(self, run: Beginning) -> None:
            print("begins", run.name)

        def log(self, metrics: dict[str, float], step: int) -> None:
            print(step, metrics)

        def end(self, outcome: str) -> None:
            print(outcome)

    follow(Printer(), "printer")

``python -m iterit.observers.wandb``, ``….mlflow`` and ``….trackio`` are ready ones.
"""

from __future__ import annotations

import json
import os
import sys
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

__all__ = ["Beginning", "Logger", "follow"]

VERSION = 1
"""Of the lines that this module understands."""


@dataclass(frozen=True)
class Beginning:
    """What is known of a run before its first step."""

    id: str
    """The same whenever this run is resumed, and of no other run."""
    name: str
    """The run's folder's name; in a comparison the arm's and the seed's."""
    folder: Path
    """Where the run leaves its files."""
    config: dict[str, Any]
    """Every key in force, by its dotted name."""
    step: int
    """Steps done before: 0 unless it is resumed."""
    total_steps: int
    """Steps planned."""
    is_resumed: bool
    """Whether this logger has heard of this run before."""


class Logger(Protocol):
    """Where the curves of a run go."""

    def begin(self, run: Beginning) -> None: ...

    def log(self, metrics: dict[str, float], step: int) -> None: ...

    def end(self, outcome: str) -> None:
        """``finished``, ``interrupted`` or ``failed``; also where the trainer was killed."""


def follow(logger: Logger, name: str, lines: Iterable[str] | None = None) -> None:
    """Tells a logger of a run until it ends. What it has logged is remembered in
    ``observers/NAME.json`` in the run's folder, so that a resumed run goes on with the same curves and
    no point stands there twice."""
    memory: _Memory | None = None
    outcome = "failed"
    for line in sys.stdin if lines is None else lines:
        record = json.loads(line)
        event = record["event"]
        if event == "begin":
            _check(record["version"])
            memory = _Memory(Path(record["folder"]) / "observers" / f"{name}.json")
            logger.begin(_beginning(record, memory))
        elif event == "end":
            outcome = record["outcome"]
        elif memory is not None and "metrics" in record and memory.is_new(record):
            logger.log(record["metrics"], record["step"])
            memory.add(record)
    if memory is not None:
        logger.end(outcome)


def _check(version: int) -> None:
    if version > VERSION:
        raise SystemExit(
            f"the trainer writes lines of version {version}, and this logger reads {VERSION}: "
            "install the iterit package that belongs to the trainer"
        )


def _beginning(record: dict[str, Any], memory: _Memory) -> Beginning:
    return Beginning(
        id=memory.id,
        name=record["name"],
        folder=Path(record["folder"]),
        config=record["config"],
        step=record["step"],
        total_steps=record["total_steps"],
        is_resumed=memory.is_older,
    )


class _Memory:
    """What was logged of a run, on disk after every record."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.is_older = path.exists()
        if self.is_older:
            known = json.loads(path.read_text())
            self.id: str = known["id"]
            self._last: dict[str, list[int]] = known["last"]
        else:
            self.id = uuid.uuid4().hex[:12]
            self._last = {}

    def is_new(self, record: dict[str, Any]) -> bool:
        last = self._last.get(record["event"])
        return last is None or _place(record) > last

    def add(self, record: dict[str, Any]) -> None:
        self._last[record["event"]] = _place(record)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        beside = self._path.with_suffix(".partial")
        beside.write_text(json.dumps({"id": self.id, "last": self._last}))
        os.replace(beside, self._path)


def _place(record: dict[str, Any]) -> list[int]:
    return [record["step"], record["epoch"]]
