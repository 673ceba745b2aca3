"""Runs and comparisons as pandas data frames.

>>> from iterit import runs
>>> run = runs.Run("runs/mine")                            # doctest: +SKIP
>>> run.steps().plot(x="step", y="loss")                   # doctest: +SKIP
>>> run.scores().groupby("epoch")["score"].describe()      # doctest: +SKIP

Nothing is computed here: every figure is read from the files that the trainer left, which
``configs/README.md`` describes. Needs the package ``pandas``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = None

__all__ = ["Comparison", "Run"]


class Run:
    """The folder of one run, finished or not."""

    def __init__(self, folder: str | PathLike[str]) -> None:
        self.folder = Path(folder)
        if not (self.folder / "manifest.json").is_file():
            raise FileNotFoundError(f"`{self.folder}` holds no run: it has no manifest.json")

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r})"

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """What made it: versions, seed, model, plugins, sha256 of every input."""
        return _json(self.folder / "manifest.json")

    @cached_property
    def config(self) -> dict[str, Any]:
        """Its configuration as it was resolved, by sections."""
        if tomllib is None:
            raise RuntimeError("reading config.toml needs Python 3.11")
        return tomllib.loads((self.folder / "config.toml").read_text())

    def steps(self) -> pd.DataFrame:
        """A row an optimizer step: ``step``, ``epoch``, ``loss``, ``lr``, ``grad_norm``, ``tokens``,
        ``tokens_per_second``."""
        return _lines(self.folder / "metrics.jsonl")

    def epochs(self) -> pd.DataFrame:
        """A row an epoch that has ended: counts, mean score, losses, seconds (``seconds.scoring`` …)."""
        summaries = [_json(path) for _, path in self._of_epochs("summary.json")]
        return pd.json_normalize(summaries)

    def scores(self) -> pd.DataFrame:
        """A row a score, every time a sample was scored: ``epoch``, ``id``, ``score``, ``eligible``, and
        what it was made from as ``SCORER.PART``."""
        frames = []
        for epoch, path in self._of_epochs("scores.jsonl"):
            rows = [row for row in _rows(path) if row.get("scored_at", epoch) == epoch]
            for row in rows:
                row.pop("texts", None)
                for scorer, parts in row.pop("parts", {}).items():
                    row.update({f"{scorer}.{name}": value for name, value in parts.items()})
            frames.append(self._placed(pd.DataFrame(rows).assign(epoch=epoch)))
        return _all(frames, first=["epoch", "id", "score", "eligible"])

    def selections(self) -> pd.DataFrame:
        """A row a pick: ``epoch``, ``rank`` (from 0), ``id``, ``value``, ``gain``."""
        frames = []
        for epoch, path in self._of_epochs("selection.json"):
            picked = _json(path)
            columns = {"id": "selected", "value": "values", "gain": "gains"}
            frame = pd.DataFrame({name: picked[key] for name, key in columns.items()})
            frames.append(self._placed(frame.assign(epoch=epoch, rank=range(len(frame)))))
        return _all(frames, first=["epoch", "rank", "id", "value", "gain"])

    def losses(self) -> pd.DataFrame:
        """A row a sample trained on, in training order: ``epoch``, ``step``, ``id``, ``loss`` (nats a
        token), ``tokens``."""
        frames = [
            self._placed(_lines(path).assign(epoch=epoch))
            for epoch, path in self._of_epochs("losses.jsonl")
        ]
        return _all(frames, first=["epoch", "step", "id", "loss", "tokens"])

    def held_out(self) -> pd.DataFrame:
        """A row a held-out sample and epoch: ``epoch``, ``id``, ``nll`` (nats), ``tokens``, ``loss`` (nats a
        token; missing where the response is cut off)."""
        frames = [
            _lines(path).assign(epoch=epoch) for epoch, path in self._of_epochs("held-out.jsonl")
        ]
        frame = _all(frames, first=["epoch", "id", "nll", "tokens"])
        if not frame.empty:
            frame["loss"] = (frame["nll"] / frame["tokens"]).where(frame["tokens"] > 0)
        return frame

    @cached_property
    def _drawn(self) -> list[int] | None:
        path = self.folder / "drawn.json"
        return _json(path)["ids"] if path.exists() else None

    def _placed(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Adds ``input_id``, a sample's place in the data, where the run drew its own pool."""
        if self._drawn is None or frame.empty:
            return frame
        return frame.assign(input_id=[self._drawn[id] for id in frame["id"]])

    def _of_epochs(self, name: str) -> Iterator[tuple[int, Path]]:
        folders = (self.folder / "epochs").glob("*")
        numbers = sorted(int(folder.name) for folder in folders if folder.name.isdecimal())
        for epoch in numbers:
            path = self.folder / "epochs" / str(epoch) / name
            if path.exists():
                yield epoch, path


class Comparison:
    """The folder of a comparison, finished or not."""

    def __init__(self, folder: str | PathLike[str]) -> None:
        self.folder = Path(folder)
        if not (self.folder / "plan.json").is_file():
            raise FileNotFoundError(f"`{self.folder}` holds no comparison: it has no plan.json")

    def __repr__(self) -> str:
        return f"Comparison({str(self.folder)!r})"

    @cached_property
    def runs(self) -> dict[tuple[str, int], Run]:
        """Its runs, by the folder's name of the arm and the seed."""
        found = {}
        for manifest in sorted((self.folder / "runs").glob("*/seed-*/manifest.json")):
            folder = manifest.parent
            found[folder.parent.name, int(folder.name.removeprefix("seed-"))] = Run(folder)
        return found

    @cached_property
    def result(self) -> dict[str, Any]:
        """``comparison.json``: the design, the arms, the pairs and what is to be known of them."""
        return _json(self.folder / "comparison.json")

    def arms(self) -> pd.DataFrame:
        """A row an arm: held-out loss, spread, cost (``cost.training_seconds`` …)."""
        arms = pd.json_normalize(self.result["arms"])
        return arms.drop(columns=[name for name in arms if name.startswith(("curves", "seeds"))])

    def pairs(self) -> pd.DataFrame:
        """A row a difference between two arms: the figures, p, and ``verdict.evidence``."""
        return pd.json_normalize(self.result["pairs"])

    def held_out(self) -> pd.DataFrame:
        """:meth:`Run.held_out` of all runs, with ``arm`` and ``seed``."""
        return self._of_runs("held_out")

    def steps(self) -> pd.DataFrame:
        """:meth:`Run.steps` of all runs, with ``arm`` and ``seed``."""
        return self._of_runs("steps")

    def selections(self) -> pd.DataFrame:
        """:meth:`Run.selections` of all runs, with ``arm`` and ``seed``."""
        return self._of_runs("selections")

    def scores(self) -> pd.DataFrame:
        """:meth:`Run.scores` of all runs, with ``arm`` and ``seed``."""
        return self._of_runs("scores")

    def _of_runs(self, what: str) -> pd.DataFrame:
        frames = [
            getattr(run, what)().assign(arm=arm, seed=seed) for (arm, seed), run in self.runs.items()
        ]
        return _all(frames, first=["arm", "seed"])


def _json(path: Path) -> Any:
    return json.loads(path.read_text())


def _rows(path: Path) -> list[dict[str, Any]]:
    # A run at work may be in the midst of its last line.
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def _lines(path: Path) -> pd.DataFrame:
    return pd.DataFrame(_rows(path))


def _all(frames: list[pd.DataFrame], first: list[str]) -> pd.DataFrame:
    """One frame, the telling columns first; with those alone where there is no row."""
    frames = [frame for frame in frames if not frame.empty]
    if not frames:
        return pd.DataFrame(columns=first)
    whole = pd.concat(frames, ignore_index=True)
    return whole[first + [name for name in whole if name not in first]]
