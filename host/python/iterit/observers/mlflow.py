"""A run's curves in MLflow: ``python -m iterit.observers.mlflow --experiment mine``.

Where they go, ``MLFLOW_TRACKING_URI`` says, as ever. Needs the package ``mlflow`` or ``mlflow-skinny``.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import mlflow
from mlflow.entities import RunStatus

from iterit.observers import Beginning, follow

_STATUS = {
    "finished": RunStatus.FINISHED,
    "interrupted": RunStatus.KILLED,
    "failed": RunStatus.FAILED,
}
_TAG = "iterit.id"
_LONGEST = 6000
"""Characters of a parameter's value that MLflow takes."""


class Mlflow:
    """Logs with ``mlflow.log_metrics``; a resumed run goes on in its own."""

    def __init__(self, experiment: str) -> None:
        self._experiment = experiment

    def begin(self, run: Beginning) -> None:
        mlflow.set_experiment(self._experiment)
        mlflow.start_run(run_id=_known(run), run_name=run.name, tags={_TAG: run.id})
        if not run.is_resumed:
            mlflow.log_params({key: _text(value)[:_LONGEST] for key, value in run.config.items()})

    def log(self, metrics: dict[str, float], step: int) -> None:
        mlflow.log_metrics(metrics, step=step)

    def end(self, outcome: str) -> None:
        mlflow.end_run(RunStatus.to_string(_STATUS.get(outcome, RunStatus.FAILED)))


def _known(run: Beginning) -> str | None:
    """MLflow's name for a run that it was told of before."""
    if not run.is_resumed:
        return None
    wanted = f"tags.`{_TAG}` = '{run.id}'"
    found = mlflow.search_runs(filter_string=wanted, output_format="list", max_results=1)
    return found[0].info.run_id if found else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m iterit.observers.mlflow", description=__doc__)
    parser.add_argument("--experiment", default="iterit")
    arguments = parser.parse_args()
    follow(Mlflow(arguments.experiment), "mlflow")


if __name__ == "__main__":
    main()
