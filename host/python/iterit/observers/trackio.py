"""A run's curves in trackio: ``python -m iterit.observers.trackio --project mine``.

They stay on this machine unless ``--space`` names a Hugging Face Space. Needs the package ``trackio``.
"""

from __future__ import annotations

import argparse

import trackio

from iterit.observers import Beginning, follow


class Trackio:
    """Logs with ``trackio.log``; a resumed run goes on in its own."""

    def __init__(self, project: str, space: str | None = None) -> None:
        self._project, self._space = project, space

    def begin(self, run: Beginning) -> None:
        trackio.init(
            project=self._project,
            name=f"{run.name}-{run.id}",
            space_id=self._space,
            config=run.config,
            resume="allow",
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )

    def log(self, metrics: dict[str, float], step: int) -> None:
        trackio.log(metrics, step=step)

    def end(self, outcome: str) -> None:
        trackio.finish()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m iterit.observers.trackio", description=__doc__)
    parser.add_argument("--project", default="iterit")
    parser.add_argument("--space")
    arguments = parser.parse_args()
    follow(Trackio(arguments.project, arguments.space), "trackio")


if __name__ == "__main__":
    main()
