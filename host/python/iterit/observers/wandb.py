"""A run's curves in Weights & Biases: ``python -m iterit.observers.wandb --project mine``.

``WANDB_MODE=offline`` and W&B's other variables hold as ever. Needs the package ``wandb``.
"""

from __future__ import annotations

import argparse
from typing import Any

import wandb

from iterit.observers import Beginning, follow


class Wandb:
    """Logs with ``wandb.log``; a resumed run goes on in its own."""

    def __init__(self, project: str, entity: str | None = None) -> None:
        self._project, self._entity = project, entity
        self._run: Any = None

    def begin(self, run: Beginning) -> None:
        self._run = wandb.init(
            project=self._project,
            entity=self._entity,
            id=run.id,
            name=run.name,
            config=run.config,
            dir=run.folder / "observers",
            resume="allow",
        )

    def log(self, metrics: dict[str, float], step: int) -> None:
        self._run.log(metrics, step=step)

    def end(self, outcome: str) -> None:
        self._run.summary["outcome"] = outcome
        self._run.finish(exit_code=0 if outcome == "finished" else 1)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m iterit.observers.wandb", description=__doc__)
    parser.add_argument("--project", default="iterit")
    parser.add_argument("--entity")
    arguments = parser.parse_args()
    follow(Wandb(arguments.project, arguments.entity), "wandb")


if __name__ == "__main__":
    main()
